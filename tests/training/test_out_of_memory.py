"""What is said when memory runs out."""

import pytest
import tensorflow as tf

import orbit
from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import loading
from official_yolact.training import out_of_memory
from official_yolact.training import trainer

GPU = "OOM when allocating tensor with shape[8,256,138,138] and type float on /device:GPU:0 by allocator GPU"
XLA = "Out of memory while trying to allocate 7.5GiB.\n"


def load(*overrides):
    return loading.load_experiment("yolact_tiny_shapes", [], ["task.train_data.input_path=x", *overrides])


def explain(params, message, replicas=1):
    error = tf.errors.ResourceExhaustedError(None, None, message)
    with pytest.raises(out_of_memory.OutOfMemoryError) as caught, out_of_memory.explaining(params, replicas):
        raise error
    return str(caught.value)


def test_what_would_fit_is_said_with_the_keys_to_set():
    text = explain(load("task.train_data.global_batch_size=16,runtime.mixed_precision_dtype=float32"), GPU, 2)
    assert "with 8 images of" in text
    assert "float [8,256,138,138]" in text
    assert "trainer.gradient_accumulation=2: 4 at a time" in text
    assert "task.train_data.global_batch_size=8, if half as many images fit; 4, if not" in text
    assert "runtime.mixed_precision_dtype=bfloat16" in text
    assert "task.model.freeze_backbone_level=2" in text


def test_parts_that_are_used_already_become_finer():
    params = load("task.train_data.global_batch_size=12,trainer.gradient_accumulation=2")
    text = explain(params, XLA)
    assert "with 6 images of" in text
    assert "7.5 GiB" in text
    assert "trainer.gradient_accumulation=3: 4 at a time" in text


def test_of_one_image_no_smaller_batch_is_proposed():
    params = load(
        "task.train_data.global_batch_size=1,runtime.mixed_precision_dtype=bfloat16",
        "task.model.freeze_backbone_level=2",
    )
    text = explain(params, XLA)
    assert "gradient_accumulation" not in text
    assert "global_batch_size" not in text
    assert "bfloat16" not in text
    assert "task.model.input_size" in text


def test_of_an_evaluation_its_own_batch_is_named():
    params = load("task.validation_data.global_batch_size=6,runtime.mixed_precision_dtype=float32")
    error = tf.errors.ResourceExhaustedError(None, None, GPU)
    with (
        pytest.raises(out_of_memory.OutOfMemoryError) as caught,
        out_of_memory.explaining(params, 2, evaluates=True),
    ):
        raise error
    text = str(caught.value)
    assert "in an evaluation step with 3 images of" in text
    assert "task.validation_data.global_batch_size=4, or less" in text
    assert "mixed_precision_dtype=bfloat16" in text
    assert "train_data" not in text
    assert "freeze" not in text


def test_the_trainer_explains_evaluations_too(monkeypatch):
    def exhaust(self, num_steps):
        raise tf.errors.ResourceExhaustedError(None, None, GPU)

    monkeypatch.setattr(orbit.StandardEvaluator, "evaluate", exhaust)
    built = object.__new__(trainer.YolactTrainer)
    built._config, built._strategy = load(), tf.distribute.get_strategy()
    with pytest.raises(out_of_memory.OutOfMemoryError, match="in an evaluation step"):
        built.evaluate(1)


def test_a_full_disk_is_not_taken_for_memory():
    error = tf.errors.ResourceExhaustedError(None, None, "/run/ckpt-4_temp; No space left on device")
    with pytest.raises(tf.errors.ResourceExhaustedError), out_of_memory.explaining(load(), 1):
        raise error
