import glob
import os

import pytest

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.cli import main
from official_yolact.configs import experiments
from official_yolact.configs import loading
from official_yolact.configs import memory
from official_yolact.configs import yolact
from official_yolact.environment import machine

GIB = 2**30
RECIPES = [
    *experiments.EXPERIMENTS,
    *(os.path.basename(p) for p in glob.glob(os.path.join(loading.YAML_DIR, "*.yaml"))),
]

IMPOSSIBLE = {
    "task.model.input_size": "[100000,100000]",
    "task.model.num_classes": 10**6,
    "task.model.protonet.num_prototypes": 10**6,
    "task.model.protonet.num_filters": 10**6,
    "task.model.head.num_filters": 10**6,
    "task.model.decoder.yolact_fpn.num_filters": 10**6,
    "task.model.anchor.scales_per_octave": 10**6,
    "task.model.detection_generator.max_detections": 10**8,
    "task.model.detection_generator.nms_top_k": 10**9,
    "task.train_data.global_batch_size": 10**9,
    "task.validation_data.global_batch_size": 10**9,
    "task.train_data.parser.max_num_instances": 10**8,
    "task.train_data.shuffle_buffer_size": 10**9,
    "task.train_data.prefetch_buffer_size": 10**9,
}


@pytest.fixture
def of_16_gib(monkeypatch):
    monkeypatch.setattr(machine, "read_usable_memory", lambda: 16 * GIB)


def test_the_parts_of_a_picture_are_those_worked_by_hand():
    model = yolact.YolactModel()
    assert memory.count_anchors(model) == 19_248
    cells = 69**2 + 35**2 + 18**2 + 9**2 + 5**2
    numbers = 3 * 550**2 + 19_248 * (4 + 81 + 32) + cells * 256 + 138**2 * 256 + 80 * 200**2
    assert memory.estimate_picture(model) == 4 * numbers
    assert memory.estimate_example(model, 100) == 550**2 * 3 * 2 + 100 * 138**2


@pytest.mark.parametrize("gib", [1, 2, 4])
def test_every_recipe_passes_on_a_small_machine(monkeypatch, gib):
    monkeypatch.setattr(machine, "read_usable_memory", lambda: gib * GIB)
    for name in RECIPES:
        params, findings = loading.examine_config(name)
        assert params is not None, findings


def test_a_cluster_is_checked_on_a_small_machine(monkeypatch):
    monkeypatch.setattr(machine, "read_usable_memory", lambda: 4 * GIB)
    for strategy in ("tpu", "multi_worker_mirrored"):
        large = [f"runtime.distribution_strategy={strategy}", "task.train_data.global_batch_size=4096"]
        params = loading.load_config("yolact_resnet50_coco", large)
        assert params.task.train_data.global_batch_size == 4096


@pytest.mark.parametrize("key", IMPOSSIBLE)
def test_what_cannot_fit_is_refused_with_what_would(of_16_gib, key):
    params, findings = loading.examine_config("yolact_resnet50_coco", [f"{key}={IMPOSSIBLE[key]}"])
    assert params is None
    errors = [one for one in findings if one.severity == "error"]
    assert [one.path for one in errors] == [key]
    assert "machine" in errors[0].rule
    assert "16.0 GiB" in errors[0].rule
    fits = errors[0].cure.removeprefix("lower it: ").removesuffix(" would be the most").replace(" ", "")
    again, _ = loading.examine_config("yolact_resnet50_coco", [f"{key}={fits}"])
    assert again is not None, "what the message says would fit is taken"


def test_each_of_several_is_named(of_16_gib):
    terms = ["task.model.num_classes=9223372036854775807", "task.model.protonet.num_prototypes=10000000"]
    _, findings = loading.examine_config("yolact_resnet50_coco", terms)
    assert {one.path for one in findings if one.severity == "error"} == {
        "task.model.num_classes",
        "task.model.protonet.num_prototypes",
    }


def test_a_batch_of_pictures_that_cannot_fit_is_refused_with_the_largest(of_16_gib):
    model = yolact.YolactModel()
    each = memory.estimate_picture(model)
    most = 16 * GIB // each
    memory.check_batch(model, most)
    with pytest.raises(ValueError, match=f"batch_size is 1000000000: .* at most {most} may fit"):
        memory.check_batch(model, 10**9)


def test_the_check_of_a_configuration_says_so_in_one_line(of_16_gib, capsys):
    assert main.main(["config", "check", "yolact_resnet50_coco", "task.model.num_classes=1000000"]) == 2
    out = capsys.readouterr().out
    assert "task.model.num_classes: 1000000 takes" in out
    assert "it cannot be used" in out


@pytest.mark.parametrize(
    ("option", "says"),
    [
        (["--batch-size", "1000000000"], "batch_size is 1000000000: so many pictures take"),
        (["--max-detections", "100000000"], "task.model.detection_generator.max_detections: 100000000 takes"),
        (["--top-k", "100000000"], ""),
    ],
    ids=["batch", "detections", "candidates"],
)
def test_the_options_of_eval_are_bounded_before_the_network_is_built(
    of_16_gib, tmp_path, capsys, option, says, monkeypatch
):
    from official.core import train_utils
    from official_yolact.modeling import factory
    from official_yolact_runtime import categories

    monkeypatch.setattr(factory, "build_model", None)
    params = loading.load_config("yolact_tiny_shapes")
    train_utils.serialize_config(params, str(tmp_path))
    names = tuple(f"c{i}" for i in range(params.task.model.num_classes - 1))
    categories.Categories(tuple(range(1, len(names) + 1)), names).save(str(tmp_path / categories.FILE_NAME))
    (tmp_path / "a.png").write_bytes(b"not read")
    command = ["eval", str(tmp_path), "--images", str(tmp_path), "--output", str(tmp_path / "out"), *option]
    assert main.main(command) == 2
    err = capsys.readouterr().err
    assert says in err
    assert len(err.strip().splitlines()) <= 3
    assert not (tmp_path / "out").exists()
