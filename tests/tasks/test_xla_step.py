"""The whole step of every experiment is a program that a TPU can run, as far as that shows without one.

Its shapes are all static, nothing in it leaves the device, and TensorFlow's build for TPUs has a compiler
for each of its operations with its types. Programs are looked at as XLA is given them, at the size of
input and batch that the experiment trains with: nothing is run, so size costs nothing.
"""

import gc
import glob
import importlib.util
import os
import pathlib
import sys

import pytest
import tensorflow as tf
import tf_keras

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import experiments
from official_yolact.configs import loading
from official_yolact.modeling.backbones import yolact_darknet
from official_yolact.modeling.backbones import yolact_resnet
from official_yolact.modeling.layers import processor_conv


def load_helper(name):
    spec = importlib.util.spec_from_file_location(name, pathlib.Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


whole_step = load_helper("whole_step")
xla_program = load_helper("xla_program")

TPU_OPS = xla_program.TpuOps()
SMALL = "task.model.input_size=[64,64],task.train_data.global_batch_size=2"


# An optimizer treats every weight alike, so each kind is looked at in an experiment's program only.
PLAIN = "{trainer: {optimizer_config: {optimizer: {type: torch_sgd}, ema: null}}}"


def network(params):
    """Give what of a configuration decides the program but for the optimizer: model and losses."""
    task = params.as_dict()["task"]
    return repr((task["model"], task["losses"]))


def optimizer_kinds(name):
    """Give the kinds of the optimizer's parts in a configuration."""
    config = loading.load_config(name).as_dict()["trainer"]["optimizer_config"]
    kinds = {(part, (config[part] or {}).get("type")) for part in ("optimizer", "learning_rate", "warmup")}
    return kinds | {("ema", config["ema"] is not None)}


RECIPES = sorted(os.path.basename(path) for path in glob.glob(os.path.join(loading.YAML_DIR, "*.yaml")))


# One of each architecture in the precision of TPUs; the others have more blocks, other sizes or classes.
USUAL = (
    "yolact_tiny_shapes", "yolact_resnet50_coco", "yolact_darknet53_coco", "yolact_plus_resnet50_coco",
    "yolact_mobilenetv2_coco", "yolact_next_shapes", "yolact_resnet50_coco_tpu.yaml",
)  # fmt: skip


def mark_rare(name, *precision):
    is_usual = name in USUAL and (precision != ("float32",) or name == USUAL[0])
    return pytest.param(name, *precision, marks=[] if is_usual else pytest.mark.rare)


def list_programs():
    """List (experiment, precision), and each recipe whose network is another than any experiment's."""
    known = {network(loading.load_config(name)) for name in experiments.EXPERIMENTS}
    others = [name for name in RECIPES if network(loading.load_config(name)) not in known]
    ours = [(name, precision) for name in experiments.EXPERIMENTS for precision in ("float32", "bfloat16")]
    return [mark_rare(*program) for program in ours + [(name, "bfloat16") for name in others]]


@pytest.fixture
def shallow(monkeypatch):
    """Give every stage of our backbones a single block, or two where deformable ones alternate."""
    monkeypatch.setattr(yolact_resnet, "BLOCKS", {50: (1, 1, 1, 1), 101: (1, 1, 2, 1)})
    monkeypatch.setattr(yolact_darknet, "BLOCKS", {53: (1, 1, 1, 1, 1)})


@pytest.fixture(autouse=True)
def on_tpu(monkeypatch):
    """Build the programs that a TPU is given, not what the same step is on a processor."""
    monkeypatch.setattr(processor_conv, "on_processor", lambda: False)


@pytest.fixture
def build():
    """Build steps, and free them afterwards."""
    built = []

    def build_one(*args, **kwargs):
        built.append(whole_step.build(*args, **kwargs))
        return built[-1]

    yield build_one
    for step in built:
        step.empty()
    built.clear()
    tf_keras.backend.clear_session()
    gc.collect()


def check(function, specs):
    """Give the faults of a function's program, and the number of its instructions."""
    missing = TPU_OPS.find_missing(function.get_concrete_function(*specs))
    program = xla_program.lower(function, *specs)
    return [*sorted(missing), *xla_program.find_faults(program)], xla_program.count_instructions(program)


def check_training(step):
    """Assert that the step is static and made of what a TPU compiles."""
    image, names, labels = step.list_specs(is_training=True)
    faults, instructions = check(step.make_train(names), [image, *labels])
    assert faults == []
    # Forward, gradient and update of each weight: it was not an empty program.
    assert instructions > 10 * len(step.model.trainable_variables)


@pytest.mark.parametrize(("name", "precision"), list_programs())
def test_the_whole_training_step_is_static_and_made_of_what_a_tpu_compiles(name, precision, shallow, build):
    check_training(build(name, precision, *([PLAIN] if name in RECIPES else [])))


@pytest.mark.parametrize("name", map(mark_rare, experiments.EXPERIMENTS))
def test_detection_is_static_and_made_of_what_a_tpu_compiles(name, shallow, build):
    step = build(name, "bfloat16")
    image, names, labels = step.list_specs(is_training=False)
    faults, instructions = check(step.make_detect(names), [image, *labels])
    assert faults == []
    assert instructions > len(step.model.variables)


def test_no_recipe_has_an_optimizer_that_no_experiment_has():
    known = set().union(*map(optimizer_kinds, experiments.EXPERIMENTS))
    assert set().union(*map(optimizer_kinds, RECIPES)) <= known


@pytest.mark.rare
def test_so_it_is_with_all_the_blocks_of_the_largest_network(build):
    check_training(build("yolact_plus_resnet101_coco", "bfloat16"))


def test_so_it_is_with_gradients_of_two_parts(build):
    check_training(build("yolact_tiny_shapes", "bfloat16", "trainer.gradient_accumulation=2"))


def spoil(operation):
    """Put an operation on the outputs into the losses."""

    def prepare(task):
        whole = task.step._compute_losses

        def compute_losses(labels, model_outputs, *args, **kwargs):
            losses = whole(labels, model_outputs, *args, **kwargs)
            scores = tf.stop_gradient(tf.cast(model_outputs["cls_outputs"], tf.float32))
            boxes = tf.stop_gradient(tf.cast(model_outputs["box_outputs"], tf.float32))
            return {**losses, "total_loss": losses["total_loss"] + operation(scores, boxes)}

        task.step._compute_losses = compute_losses

    return prepare


def combined_suppression(scores, boxes):
    kept = tf.image.combined_non_max_suppression(boxes[:, :, None], scores, 10, 10)
    return tf.reduce_sum(kept.nmsed_scores)


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (lambda scores, _: tf.reduce_sum(tf.boolean_mask(scores, scores > 0)), "<="),
        (lambda scores, _: tf.reduce_sum(tf.cast(tf.where(scores[..., 0] > 0), tf.float32)), "<="),
        (lambda scores, _: tf.reduce_sum(tf.unique(tf.reshape(scores, [-1])).y), ""),
        (lambda scores, _: tf.numpy_function(lambda x: x, [scores[0, 0, 0]], tf.float32), "PyFunc"),
        (combined_suppression, "CombinedNonMaxSuppression"),
    ],
    ids=["boolean_mask", "where", "unique", "numpy_function", "combined_non_max_suppression"],
)
def test_what_a_tpu_cannot_run_is_seen(operation, message, build):
    step = build("yolact_tiny_shapes", "float32", SMALL, prepare=spoil(operation))
    image, names, labels = step.list_specs(is_training=True)
    function = step.make_train(names)
    missing = sorted(TPU_OPS.find_missing(function.get_concrete_function(image, *labels)))
    faults = missing or xla_program.find_faults(xla_program.lower(function, image, *labels))
    assert any(message in fault for fault in faults), faults


def test_types_are_compared_too():
    strings = tf.function(lambda x: tf.reshape(x, [1])).get_concrete_function(tf.TensorSpec([], tf.string))
    assert any(fault.startswith("Reshape") for fault in TPU_OPS.find_missing(strings))
    floats = tf.function(lambda x: tf.reshape(x, [1])).get_concrete_function(tf.TensorSpec([], tf.bfloat16))
    assert TPU_OPS.find_missing(floats) == set()


def test_replicas_of_a_tpu_can_add_up_and_the_list_is_of_our_tensorflow():
    assert {"CrossReplicaSum", "XlaAllReduce", "CollectivePermute"} <= TPU_OPS.ops.keys()
    assert TPU_OPS.version.split(".")[:2] == tf.__version__.split(".")[:2]


def test_batches_from_the_pipeline_have_static_shapes(tiny_records, build):
    step = build(
        "yolact_tiny_shapes", "float32", f"task.train_data.input_path={tiny_records}/train-*.tfrecord", SMALL
    )
    (image, labels) = step.task.build_inputs(step.params.task.train_data).element_spec
    expected, names, specs = step.list_specs(is_training=True)
    assert image == expected
    assert labels == dict(zip(names, specs, strict=True))
    assert all(spec.shape.is_fully_defined() for spec in [image, *labels.values()])


def test_the_compiled_step_computes_what_the_other_does(tiny_records, build, monkeypatch):
    """Losses and gradient norm of two steps, float32; the second step's follow from the first's weights."""
    monkeypatch.setattr(processor_conv, "on_processor", lambda: True)
    overrides = (
        f"task.train_data.input_path={tiny_records}/train-*.tfrecord,task.model.freeze_bn=true",
        "{trainer: {optimizer_config: {optimizer: {type: torch_sgd}, ema: null, warmup: {type: null},"
        " learning_rate: {type: constant, constant: {learning_rate: 0.001}}}}}",
    )
    found = []
    for compiled in (False, True):
        step = build("yolact_tiny_shapes", "float32", SMALL, *overrides)
        _, names, _ = step.list_specs(is_training=True)
        train = step.make_train(names, compiled)
        batches = step.task.build_inputs(step.params.task.train_data).take(2)
        logs = [train(image, *(labels[name] for name in names)) for image, labels in batches]
        found.append([{name: float(value) for name, value in one.items()} for one in logs])
    for plain, compiled in zip(*found, strict=True):
        for name, value in plain.items():
            assert compiled[name] == pytest.approx(value, rel=1e-5), name
