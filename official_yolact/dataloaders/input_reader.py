"""The dataset that training and evaluation consume."""

from __future__ import annotations

import os
from typing import Any

import tensorflow as tf
from absl import logging

from official_yolact.configs import yolact as configs
from official_yolact.dataloaders import reader
from official_yolact.dataloaders import repeats as repeats_lib
from official_yolact.dataloaders import shards as shards_lib
from official_yolact.dataloaders import unusable
from official_yolact.dataloaders import yolact_input
from official_yolact.records import repeat_factors


def _divide_batch(global_batch_size: int, input_context: Any) -> tuple[int, int, int]:
    """Give the batch of a replica, the number of input pipelines, and which of them this is."""
    if global_batch_size < 1:
        raise ValueError(f"global_batch_size={global_batch_size}: must be at least 1")
    if input_context is None:
        return global_batch_size, 1, 0
    replicas = input_context.num_replicas_in_sync
    if global_batch_size % replicas:
        raise ValueError(
            f"global_batch_size={global_batch_size} does not divide by num_replicas={replicas}: "
            f"take a multiple of {replicas}"
        )
    pipelines = input_context.num_input_pipelines
    return global_batch_size // replicas, pipelines, input_context.input_pipeline_id


def _check(config: configs.DataConfig) -> None:
    if config.cache:
        raise ValueError("cache=true would freeze the augmentation: leave it out, the system caches files")
    if config.tfds_name:
        raise ValueError(f"tfds_name={config.tfds_name!r}: give TFRecords as input_path")
    if config.enable_tf_data_service and not config.is_training:
        raise ValueError(
            "enable_tf_data_service=true: evaluation needs every record once; leave it out there"
        )
    if config.enable_tf_data_service and not config.tf_data_service_address:
        raise ValueError("enable_tf_data_service=true: name the dispatcher in tf_data_service_address")


def _parse_all(
    records: Any,
    parser: yolact_input.Parser,
    deterministic: bool,
    found: unusable.UnusableRecords | None,
) -> Any:
    """Parse in parallel; a record that cannot be used gives a blank example in its place."""
    # Nothing in it is Python control flow: autograph would only make tracing slower.
    parse = tf.autograph.experimental.do_not_convert(parser.parse)

    def report(position: Any, number: Any) -> Any:
        number = tf.numpy_function(found.add, [number], tf.int64) if found else number
        with tf.control_dependencies([number]):
            return parser.blank(tf.identity(position))

    def parse_one(position: Any, number: Any, serialized: Any, *partners: Any) -> Any:
        one = tf.data.Dataset.from_tensors((serialized, position, *partners))
        if partners:
            # A partner that cannot be used must not cost the record its example.
            alone = (serialized, position, *[tf.constant(b"")] * len(partners))
            one = one.concatenate(tf.data.Dataset.from_tensors(alone))
        spare = tf.data.Dataset.from_tensors((position, number))
        spare = spare.map(tf.autograph.experimental.do_not_convert(report))
        return one.map(parse).ignore_errors(log_warning=True).concatenate(spare).take(1)

    return records.interleave(
        parse_one,
        cycle_length=2 * (os.cpu_count() or 1),
        block_length=1,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=deterministic,
    )


def build_dataset(
    data_config: configs.DataConfig,
    model_config: configs.YolactModel,
    seed: int,
    input_context: Any = None,
    start_position: int = 0,
    found: unusable.UnusableRecords | None = None,
) -> Any:
    """Build the dataset of (image, labels) batches of a replica.

    Training repeats without end. The order over all input pipelines, and each augmentation, is a
    function of (seed, position); pipeline i of k takes the positions p with p mod k = i.
    Evaluation gives every record once; batches are filled up with blank examples, so that all
    are full and every pipeline has the same number of them.

    With tf.data service, which only training may use, each worker reads whole epochs of its own and
    batches come in whatever order they are ready: the example at a position is still the same, but
    a restart does not continue where the run stopped.

    Args:
      data_config: section of the data.
      model_config: section of the model.
      seed: of order and augmentation; `data_config.seed` goes before it.
      input_context: `tf.distribute.InputContext`, or None for one replica.
      start_position: first position of the training: steps done times the global batch.
      found: is told which records could not be used; not through tf.data service.

    Returns:
      `tf.data.Dataset` of (float32 [B, height, width, 3], `schema.Labels`), B the global batch
      over the replicas.

    Raises:
      ValueError: the batch does not divide, or data and model do not fit together.
      OSError: files that are not there, cut short, or not what their manifest says.
    """
    _check(data_config)
    batch, pipelines, pipeline = _divide_batch(data_config.global_batch_size, input_context)
    shards = shards_lib.find_shards(data_config.input_path, model_config.num_classes, data_config.verify)
    repeats = repeats_lib.find_repeats(data_config, shards, model_config.num_classes)
    if found is not None:
        found.watch(shards, repeats.epoch_length if repeats else None)
    seed = seed if data_config.seed is None else data_config.seed
    is_training, is_service = bool(data_config.is_training), bool(data_config.enable_tf_data_service)
    parser = yolact_input.Parser(data_config.parser, model_config, is_training, seed)
    records = _read(data_config, shards, seed, start_position, repeats)
    if parser.num_partners:
        records = reader.add_partners(records, parser.num_partners)
    if pipelines > 1 and not is_service:
        records = records.filter(lambda position, *_: position % pipelines == pipeline)
    deterministic = data_config.deterministic is not False
    examples = _parse_all(records, parser, deterministic, None if is_service else found)
    if not is_training:
        steps = -(-shards.num_records // data_config.global_batch_size)
        blanks = tf.data.Dataset.range(shards.num_records, 2**62).map(parser.blank)
        share = steps * data_config.global_batch_size // pipelines
        examples = examples.concatenate(blanks).take(share)
    examples = examples.batch(batch, drop_remainder=True, num_parallel_calls=tf.data.AUTOTUNE)
    if is_service:
        examples = _distribute(examples, data_config)
    return examples.prefetch(data_config.prefetch_buffer_size or tf.data.AUTOTUNE)


def _read(
    config: configs.DataConfig,
    shards: shards_lib.Shards,
    seed: int,
    start_position: int,
    repeats: repeat_factors.Repeats | None,
) -> Any:
    if not config.is_training:
        return reader.read_in_order(shards)
    return reader.read_shuffled(
        shards,
        seed,
        config.shuffle_buffer_size,
        start_position,
        config.cycle_length or 8,
        config.block_length,
        repeats,
    )


def _distribute(batches: Any, config: configs.DataConfig) -> Any:
    """Let the workers of tf.data service make the batches, each from whole epochs of its own."""
    logging.warning(
        "tf.data service at %s makes the training batches: their order is not repeatable, and a restart does "
        "not continue where the run stopped",
        config.tf_data_service_address,
    )
    return batches.apply(
        tf.data.experimental.service.distribute(
            processing_mode=tf.data.experimental.service.ShardingPolicy.DYNAMIC,
            service=config.tf_data_service_address,
            job_name=config.tf_data_service_job_name,
        )
    )
