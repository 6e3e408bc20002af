"""A model with its card to a hub and back: `yolact card`, `yolact push`, and hf:// as MODEL."""

import json
import os
import pathlib
import shutil
import sys

import hub_server
import numpy as np
import pytest
from PIL import Image

import official_yolact
from official_yolact.cli import main
from official_yolact.weights import cache
from official_yolact.weights import hub as hub_lib
from official_yolact.weights import model_names

ADDRESS = "hf://ann/figs"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "cache"))
    with hub_server.serve() as running:
        monkeypatch.setenv(hub_lib.ENDPOINT_VARIABLE, running.url)
        yield running


@pytest.fixture
def model(tiny_model_dir, tmp_path):
    shutil.copytree(tiny_model_dir, tmp_path / "figs")
    return tmp_path / "figs"


def run(capsys, *words):
    code = main.main([str(word) for word in words])
    return code, *capsys.readouterr()


def push(capsys, model, *words):
    assert run(capsys, "card", model, "--license", "cc-by-4.0")[0] == 0
    code, out, err = run(capsys, "push", model, ADDRESS, "--json", *words)
    assert code == 0, err
    return json.loads(out)


def test_a_model_that_was_pushed_is_loaded_by_its_address(hub, model, tmp_path, capsys):
    hub.large = {"ckpt-0.data-00000-of-00001"}
    (model / "notes.txt").write_text("mine")
    (model / "export").mkdir()
    pushed = push(capsys, model)
    files = hub.repositories["ann/figs"]
    assert pushed["commit"] == hub.commit_of("ann/figs")
    assert sorted(files) == pushed["files"] == sorted(
        ["README.md", "categories.json", "ckpt-0.data-00000-of-00001", "ckpt-0.index", "ckpt-0.json", "params.yaml"]
    )  # fmt: skip
    files |= {"evil.py": b"raise SystemExit", "saved_model/saved_model.pb": b"x", "../up.json": b"{}"}
    loaded = official_yolact.load(ADDRESS)
    image = np.random.default_rng(0).integers(0, 256, (50, 60, 3), np.uint8)
    expected = official_yolact.load(model)(image)
    np.testing.assert_array_equal(loaded(image).boxes, expected.boxes)
    folder = pathlib.Path(model_names.find_model(ADDRESS))
    assert sorted(path.name for path in folder.iterdir()) == pushed["files"]
    assert not list((tmp_path / "cache").rglob("up.json"))
    # What is there is not downloaded again; without the hub it is used as it is.
    hub.requests.clear()
    assert model_names.find_model(ADDRESS) == str(folder)
    assert [request.split()[1] for request in hub.requests] == ["/api/models/ann/figs/revision/main"]
    hub.is_down = True
    said = []
    assert model_names.find_model(ADDRESS, note=said.append) == str(folder)
    assert "the copy of commit" in said[0]


@pytest.mark.parametrize("name", ["ckpt-0.data-00000-of-00001", "params.yaml"])
def test_a_file_that_arrives_damaged_is_refused_and_nothing_of_it_stays(hub, model, tmp_path, capsys, name):
    hub.large = {"ckpt-0.data-00000-of-00001"}
    push(capsys, model)
    hub.damaged = {name}
    Image.new("RGB", (8, 8)).save(tmp_path / "photo.png")
    code, _, err = run(capsys, "predict", ADDRESS, tmp_path / "photo.png", "--output", tmp_path / "out")
    assert code == 2
    assert f"{ADDRESS}: {name} is not what the hub states, its sum is another: try again" in err
    assert not list((tmp_path / "cache").rglob("params.yaml"))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("hf://ann", "is no address of a hub: write hf://OWNER/NAME"),
        ("hf://ann/../figs", "is no address of a hub"),
        ("hf://ann/figs/deep", "is no address of a hub"),
        ("hf://bob/none", "the hub has no such model, or does not show it"),
        ("hf://ann/empty", "holds no model: neither params.yaml with categories.json, nor export.json"),
    ],
)
def test_what_is_no_model_of_a_hub_is_refused_in_one_line(hub, tmp_path, capsys, address, message):
    hub.repositories["ann/empty"] = {"README.md": b"# Nothing\n"}
    Image.new("RGB", (8, 8)).save(tmp_path / "photo.png")
    code, _, err = run(capsys, "predict", address, tmp_path / "photo.png", "--output", tmp_path / "out")
    assert code == 2
    assert message in err.splitlines()[-1]


def test_without_the_library_the_extra_is_named(hub, model, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(
        ValueError, match=r"huggingface_hub is not installed.*pip install 'official-yolact\[hub\]'"
    ):
        model_names.find_model(ADDRESS)


def test_a_model_without_a_card_is_not_pushed(hub, model, capsys):
    code, _, err = run(capsys, "push", model, ADDRESS)
    assert (code, hub.requests) == (2, [])
    assert f"has no README.md: write one with `yolact card {model}`" in err


def test_a_card_says_what_the_files_say_and_replaces_no_file_of_another(model, capsys):
    metrics = {"box_AP": 0.5, "box_AP50": 0.75, "mask_AP": 0.25, "mask_AP50": -1.0}
    metrics["classes"] = {"fig": {"objects": 7, "box_AP": 0.5, "mask_AP": 0.125}}
    (model / "metrics.json").write_text(json.dumps(metrics))
    code, out, _ = run(
        capsys, "card", model, "--title", "Figs | and <dates>", "--data-license", "CC0", "--json"
    )
    card = (model / "README.md").read_text()
    assert (code, json.loads(out)["card"]) == (0, str(model / "README.md"))
    head = card.split("---\n")[1]
    assert "license:" not in head
    assert "pipeline_tag: image-segmentation\n" in head
    for line in (
        "# Figs \\| and \\<dates\\>",
        "| box | 50.0 | 75.0 |",
        "| mask | 25.0 |  |",
        "| fig | 7 | 50.0 | 12.5 |",
        "| date | 0 |  |  |",
        "- backbone: resnet (depth_multiplier 0.25, model_id 18)",
        "- input: 64 × 64 pixels",
        "- weights: not stated",
        "- photos and annotations: CC0",
    ):
        assert f"\n{line}\n" in card
    size = os.path.getsize(model / "ckpt-0.data-00000-of-00001")
    assert f"`ckpt-0.data-00000-of-00001`: {size / 1e6:.2f} MB" in card
    assert run(capsys, "card", model)[0] == 0
    (model / "README.md").write_text("by hand")
    code, _, err = run(capsys, "card", model)
    assert (code, (model / "README.md").read_text()) == (2, "by hand")
    assert "--force" in err
    assert run(capsys, "card", model, "--license", "CC BY")[0] == 2


def test_a_report_gives_the_card_intervals_a_threshold_and_the_speed(model, capsys):
    import report_example

    report = report_example.make_report(("fig", "date"))
    (model / "report.json").write_text(json.dumps(report))
    assert run(capsys, "card", model)[0] == 0
    card = (model / "README.md").read_text()
    ap = report["measurements"]["mask"]["numbers"]["AP"]
    assert f"| mask | {100 * ap['value']:.1f} ({100 * ap['low']:.1f}–{100 * ap['high']:.1f})" in card
    assert "In brackets: the 95 % interval" in card
    best = report["measurements"]["mask"]["thresholds"]["recommended"]
    assert f"`--score-threshold {best['threshold']:.2f}` has the best F1" in card
    assert report["speed"]["device"] in card
    assert "ms a photo with 1 at once" in card
    (model / "report.json").write_text(json.dumps({**report, "format": 99}))
    code, _, err = run(capsys, "card", model)
    assert (code, "is no report of format 1: run `yolact eval` again" in err) == (2, True)
