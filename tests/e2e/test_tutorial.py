"""The tutorial's command blocks, typed one after the other on a few small photos."""

import pathlib
import re
import shlex
import shutil

import pytest

from official_yolact.cli import main

pytestmark = pytest.mark.slow

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
# A training of two steps of a network of the smallest size; the tutorial's takes minutes.
SMALL = [
    "task.init_checkpoint=''",
    "task.model.input_size=[64,64]",
    "task.model.backbone={type: resnet, resnet: {model_id: 10, depth_multiplier: 0.25}}",
    "runtime.enable_xla=false",
    "task.model.decoder.yolact_fpn.num_filters=16",
    "task.model.head.num_filters=16",
    "task.model.protonet.num_filters=16",
    "trainer.train_steps=2",
    "trainer.steps_per_loop=2",
    "trainer.validation_interval=2",
    "trainer.checkpoint_interval=2",
    "trainer.summary_interval=2",
]


def read_commands(page):
    """List the commands of a page in their order, words apart."""
    text = (CHECKOUT / "docs" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in re.sub(r"\\\n\s*", "", block).splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("yolact ")]


def test_the_commands_of_the_tutorial_lead_from_photos_to_predictions(tmp_path, monkeypatch, capsys):
    assert (
        main.main(["data", "shapes", "--output", str(tmp_path / "shapes"), "--train", "8", "--val", "1"]) == 0
    )
    shutil.copytree(tmp_path / "shapes" / "train", tmp_path / "photos")
    shutil.copy(tmp_path / "shapes" / "instances_train.json", tmp_path / "annotations.json")
    monkeypatch.chdir(tmp_path)
    done = []
    for words in read_commands("first-photos.md"):
        if words[:2] == ["weights", "get"]:  # needs a network; tests of its own serve the file
            continue
        if words[0] == "train":
            words = [*words, *SMALL]
        code = main.main(words)
        assert code == 0, (words, capsys.readouterr().err)
        done.append(words[0])
        if words[0] == "predict":
            break
    assert [word for word in done if word != "data"] == ["config", "train", "eval", "predict"]
    for made in (
        "parts",
        "records",
        "look/stored/sheet.png",
        "look/batch",
        "mine.yaml",
        "runs/mine/params.yaml",
    ):
        assert (tmp_path / made).exists(), made
    assert (tmp_path / "out" / "predictions.json").is_file()
