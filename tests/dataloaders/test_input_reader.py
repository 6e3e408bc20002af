"""The datasets of training and evaluation."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.configs import yolact as configs
from official_yolact.dataloaders import input_reader


@pytest.fixture
def path(write_shards: Callable[..., str], record: Callable[..., bytes]) -> str:
    bad = record(3, image__encoded=[b"\xff\xd8\xff not an image"])
    return write_shards([record(1), record(2), bad, record(4)], [record(5), record(6, []), record(7)])


def _config(path: str, training: bool, batch: int, **fields: Any) -> configs.DataConfig:
    config = configs.DataConfig(
        input_path=path, is_training=training, global_batch_size=batch, shuffle_buffer_size=3, **fields
    )
    config.parser.max_num_instances = 5
    return config


def _ids(dataset: Any, batches: int = 100) -> list[list[int]]:
    return [labels["image_id"].tolist() for _, labels in dataset.take(batches).as_numpy_iterator()]


@pytest.mark.parametrize("batch", [3, 7, 64])
def test_evaluation_gives_every_record_once_in_full_batches(
    path: str, model: configs.YolactModel, batch: int
) -> None:
    dataset = input_reader.build_dataset(_config(path, False, batch), model, 0)
    batches = list(dataset.as_numpy_iterator())
    assert len(batches) == -(-7 // batch)
    ids = np.concatenate([labels["image_id"] for _, labels in batches])
    weights = np.concatenate([labels["weight"] for _, labels in batches])
    np.testing.assert_array_equal(ids[:7], [1, 2, -1, 4, 5, 6, 7])
    assert (ids[7:] == -1).all()
    np.testing.assert_array_equal(weights, ids >= 0)
    assert all(image.shape == (batch, 64, 96, 3) for image, _ in batches)


def test_a_record_that_cannot_be_read_holds_its_place_with_weight_zero(
    path: str, model: configs.YolactModel
) -> None:
    dataset = input_reader.build_dataset(_config(path, True, 7), model, 0).take(2)
    for step, (image, labels) in enumerate(dataset.as_numpy_iterator()):
        assert sorted(labels["image_id"]) == [-1, 1, 2, 4, 5, 6, 7]
        assert labels["weight"].sum() == 6.0
        assert not image[labels["image_id"] == -1].any()
        np.testing.assert_array_equal(labels["seed"][:, 1], np.arange(7) + 7 * step)


def test_shapes_are_static(path: str, model: configs.YolactModel) -> None:
    for training in (True, False):
        spec = input_reader.build_dataset(_config(path, training, 2), model, 0).element_spec
        assert all(part.shape.is_fully_defined() for part in tf.nest.flatten(spec))


def test_a_restart_continues_as_if_it_had_not_stopped(path: str, model: configs.YolactModel) -> None:
    config = _config(path, True, 4)
    whole = list(input_reader.build_dataset(config, model, 5).take(6).as_numpy_iterator())
    rest = input_reader.build_dataset(config, model, 5, start_position=12).take(3)
    for expected, got in zip(whole[3:], rest.as_numpy_iterator(), strict=True):
        for a, b in zip(tf.nest.flatten(expected), tf.nest.flatten(got), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("training", "pipelines", "replicas"), [(True, 1, 2), (True, 2, 4), (False, 2, 2)])
def test_all_pipelines_together_consume_the_global_batch(
    path: str, model: configs.YolactModel, training: bool, pipelines: int, replicas: int
) -> None:
    config, steps = _config(path, training, 8), 2 if training else 1
    whole = _ids(input_reader.build_dataset(config, model, 5), steps)
    per_step: list[list[int]] = [[] for _ in range(steps)]
    each = replicas // pipelines
    for pipeline in range(pipelines):
        context = tf.distribute.InputContext(pipelines, pipeline, replicas)
        ids = _ids(input_reader.build_dataset(config, model, 5, context), steps * each)
        assert len(ids) == steps * each
        for index, batch in enumerate(ids):
            assert len(batch) == 8 // replicas
            per_step[index // each].extend(batch)
    assert [sorted(step) for step in per_step] == [sorted(step) for step in whole]


def test_a_batch_that_does_not_divide_is_named(path: str, model: configs.YolactModel) -> None:
    context = tf.distribute.InputContext(1, 0, 3)
    with pytest.raises(ValueError, match=r"global_batch_size=8 does not divide by num_replicas=3"):
        input_reader.build_dataset(_config(path, True, 8), model, 0, context)
    with pytest.raises(ValueError, match=r"global_batch_size=0"):
        input_reader.build_dataset(_config(path, True, 0), model, 0)


def test_what_would_break_the_order_is_refused(path: str, model: configs.YolactModel) -> None:
    for fields in ({"cache": True}, {"tfds_name": "coco"}):
        with pytest.raises(ValueError, match=next(iter(fields))):
            input_reader.build_dataset(_config(path, True, 2, **fields), model, 0)


def test_evaluation_refuses_the_service_and_training_needs_its_address(
    path: str, model: configs.YolactModel
) -> None:
    with pytest.raises(ValueError, match="evaluation needs every record once"):
        input_reader.build_dataset(_config(path, False, 2, enable_tf_data_service=True), model, 0)
    with pytest.raises(ValueError, match="tf_data_service_address"):
        input_reader.build_dataset(_config(path, True, 2, enable_tf_data_service=True), model, 0)


def test_the_workers_of_the_service_give_whole_epochs_of_the_same_examples(
    path: str, model: configs.YolactModel
) -> None:
    dispatcher = tf.data.experimental.service.DispatchServer()
    config = tf.data.experimental.service.WorkerConfig(dispatcher.target.split("://")[1])
    workers = [tf.data.experimental.service.WorkerServer(config) for _ in range(2)]
    fields = {
        "enable_tf_data_service": True,
        "tf_data_service_address": dispatcher.target,
        "tf_data_service_job_name": "train",
    }
    served = input_reader.build_dataset(_config(path, True, 7, **fields), model, 5)
    direct = input_reader.build_dataset(_config(path, True, 7), model, 5)
    expected = {
        int(position): int(image_id)
        for _, labels in direct.take(8).as_numpy_iterator()
        for position, image_id in zip(labels["seed"][:, 1], labels["image_id"], strict=True)
    }
    epochs = set()
    for _, labels in served.take(4).as_numpy_iterator():
        assert sorted(labels["image_id"]) == [-1, 1, 2, 4, 5, 6, 7]
        for position, image_id in zip(labels["seed"][:, 1], labels["image_id"], strict=True):
            assert expected.get(int(position), image_id) == image_id
        epochs.add(int(labels["seed"][0, 1]) // 7)
    assert len(epochs) == 4
    del served, workers, dispatcher


def test_the_data_section_s_own_seed_goes_first(path: str, model: configs.YolactModel) -> None:
    dataset = input_reader.build_dataset(_config(path, True, 2, seed=5), model, 0)
    (_, labels) = next(dataset.as_numpy_iterator())
    np.testing.assert_array_equal(labels["seed"], [[5, 0], [5, 1]])


def test_converted_records_are_read(tiny_records: str) -> None:
    import json

    with open(f"{tiny_records}/manifest-val.json", encoding="utf-8") as file:
        num_classes = len(json.load(file)["categories"]) + 1
    model = configs.YolactModel(num_classes=num_classes, input_size=[64, 64])
    config = _config(f"{tiny_records}/val-*.tfrecord", False, 4)
    batches = list(input_reader.build_dataset(config, model, 0).as_numpy_iterator())
    weights = np.concatenate([labels["weight"] for _, labels in batches])
    np.testing.assert_array_equal(weights, [1] * 7 + [0])
    assert any(labels["masks"].any() for _, labels in batches)
