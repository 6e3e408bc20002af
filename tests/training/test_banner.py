"""The block of lines that says what a run is."""

import os

import pytest
import tensorflow as tf
import tf_keras

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import loading
from official_yolact.configs import training as configs
from official_yolact.environment import precision
from official_yolact.training import banner
from official_yolact.training import strategies


def experiment(records, *overrides, name="yolact_tiny_shapes"):
    base = [
        f"task.train_data.input_path={records}/train-*.tfrecord",
        f"task.validation_data.input_path={records}/val-*.tfrecord",
        "runtime.distribution_strategy=one_device,runtime.num_gpus=0,task.model.freeze_bn=false",
    ]
    return loading.load_experiment(name, [], [*base, *overrides])


def describe(params, mode="train_and_eval", model_dir="runs/a", restored=None):
    dense = tf_keras.layers.Dense(4)
    norm = tf_keras.layers.BatchNormalization()
    model = tf_keras.Sequential([tf_keras.Input([10]), dense, norm])  # 44 and 8 of 16 are trained
    text = banner.describe_run(params, mode, model_dir, strategies.build(params.runtime), model, restored)
    rows = [line.strip() for line in text.splitlines()]
    names = ("mode", "devices", "strategy", "precision", "batch", "learning rate", "steps", "parameters")
    names += ("weights", "training data", "validation data", "directory")
    return {name: row.removeprefix(name).strip() for row in rows for name in names if row.startswith(name)}


def test_it_states_everything_that_decides_what_is_learned(tiny_records, monkeypatch):
    monkeypatch.setattr(precision, "find_bfloat16_instructions", lambda: "")
    params = experiment(
        tiny_records,
        "task.train_data.global_batch_size=8,task.validation_data.global_batch_size=4",
        "trainer.train_steps=30,trainer.validation_interval=10,trainer.checkpoint_interval=5",
        "trainer.steps_per_loop=5,trainer.summary_interval=5,trainer.gradient_accumulation=2",
        "trainer.early_stopping_patience=3",
    )
    rows = describe(params)
    assert rows["devices"].startswith(f"CPU, {len(os.sched_getaffinity(0))} cores (")
    assert rows["strategy"] == "one_device, 1 replica"
    assert rows["precision"] == "compute float32, variables float32; XLA off"
    assert rows["batch"] == "8 images a step, 8 a replica in 2 parts of 4"
    # 30 steps of 8 images over 12 records.
    assert rows["steps"].startswith("30 (20.0 epochs); a line every 5, a checkpoint every 5, an evaluation")
    assert rows["steps"].endswith("every 10, ends after 3 evaluations without a better one")
    assert rows["parameters"] == "52 of 60 are trained; frozen: nothing"
    assert rows["weights"] == "random, seed 0"
    assert rows["training data"].startswith("12 records, ")
    assert "instances in 1 file: " in rows["training data"]
    assert rows["validation data"].startswith("7 records, ")
    assert rows["directory"] == os.path.abspath("runs/a")


def test_it_says_where_bfloat16_would_be_faster(tiny_records, monkeypatch):
    monkeypatch.setattr(precision, "find_bfloat16_instructions", lambda: "AVX-512 BF16")
    rows = describe(experiment(tiny_records))
    assert rows["precision"].endswith(
        "; bfloat16 is faster here (AVX-512 BF16): runtime.mixed_precision_dtype=bfloat16"
    )


def test_it_says_what_the_weights_are(tiny_records):
    assert describe(experiment(tiny_records), restored="a/ckpt-7")["weights"] == "a/ckpt-7, all of it"
    params = experiment(tiny_records, "task.init_checkpoint=models/r50")
    assert describe(params)["weights"] == "models/r50 (all); see init_checkpoint above"

    assert describe(params, "eval")["weights"] == "models/r50 (all); see init_checkpoint above"
    assert describe(experiment(tiny_records), "continuous_eval")["weights"] == "none yet"


def test_a_tpu_always_compiles(tiny_records, monkeypatch):
    monkeypatch.setattr(strategies, "list_devices", lambda strategy: ["/job:worker/device:TPU:0"])
    assert describe(experiment(tiny_records))["precision"].endswith("; XLA on")


def test_it_says_what_is_frozen_and_what_is_not_repeatable(tiny_records):
    rows = describe(
        experiment(
            tiny_records,
            "task.model.freeze_bn=true,task.model.freeze_backbone_level=3",
            "task.train_data.enable_tf_data_service=true",
            "task.train_data.tf_data_service_address='grpc://a:5050'",
        )
    )
    assert rows["parameters"].endswith("frozen: every batch norm and the backbone up to level 3")
    assert rows["training data"].endswith("; tf.data service at grpc://a:5050: order not repeatable")


def test_an_evaluation_has_no_lines_of_training(tiny_records):
    rows = describe(experiment(tiny_records), mode="eval", restored="a/ckpt-7")
    assert not {"batch", "learning rate", "steps", "training data"} & rows.keys()


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_the_precision_is_that_of_the_process(tiny_records, policy):
    tf_keras.mixed_precision.set_global_policy(policy)
    row = describe(experiment(tiny_records))["precision"]
    assert row.startswith(f"compute {policy.removeprefix('mixed_')}, variables float32")
    assert ("loss scale dynamic" in row) == (policy == "mixed_float16")


def schedule(**kwargs):
    return banner.describe_schedule(configs.OptimizationConfig(kwargs))


def test_learning_rates_are_told_with_every_change():
    stepwise = {
        "type": "stepwise",
        "stepwise": {"boundaries": [1000, 20000], "values": [0.1, 0.01, 0.001]},
    }
    warmup = {"type": "linear", "linear": {"warmup_steps": 500, "warmup_learning_rate": 1e-4}}
    optimizer = {"type": "torch_sgd"}
    assert (
        schedule(learning_rate=stepwise, warmup=warmup, optimizer=optimizer)
        == "0.1, 0.01 from step 1,000, 0.001 from step 20,000; 500 steps of warm-up (linear) from 0.0001"
    )
    constant = {"type": "constant", "constant": {"learning_rate": 0.005}}
    assert schedule(learning_rate=constant, optimizer=optimizer) == "0.005"
    cosine = {"type": "cosine", "cosine": {"initial_learning_rate": 0.004, "decay_steps": 2000}}
    assert schedule(learning_rate=cosine, optimizer=optimizer).startswith(
        "cosine: initial_learning_rate 0.004, decay_steps 2000"
    )


def test_records_without_a_manifest_are_counted(tmp_path):
    path = str(tmp_path / "train-0.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        for _ in range(5):
            writer.write(b"record")
    data = loading.load_experiment("yolact_tiny_shapes", [], []).task.train_data.replace(input_path=path)
    assert banner._count_data(data) == (5, None)
