"""Configurations that cannot be used: each fault is told with line, key path, value, rule and cure."""

import copy
import glob
import os
import random
import string

import pytest
import yaml

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import contradictions
from official_yolact.configs import experiments
from official_yolact.configs import loading
from official_yolact.configs import training

HEAD = "experiment: yolact_tiny_shapes\n"
RATE = "trainer.optimizer_config.learning_rate"

# text after HEAD (so that its first line is line 2) -> key path, value, part of the rule, part of the
# cure, line of the file.
BAD = [
    # What YAML makes of a text.
    ("trainer: {train_steps: '8'}", "trainer.train_steps", "'8'", "is str, expected int", "write 8 without", 2),
    ("trainer: {train_steps: '1_000'}", "trainer.train_steps", "'1_000'", "is str", "write 1000 without", 2),
    ("trainer: {train_steps: 1,000}", "trainer.000", "None", "unknown key", "", 2),
    ("trainer: {train_steps: 010}", "trainer.train_steps", "010", "is read as 8", "leading zero", 2),
    ("trainer: {train_steps: 1:30}", "trainer.train_steps", "1:30", "is read as 90", "colon", 2),
    ("trainer: {train_steps: 1e3}", "trainer.train_steps", "1000.0", "is float", "write 1000", 2),
    ("trainer: {train_steps: abc}", "trainer.train_steps", "'abc'", "is str", "a whole number", 2),
    ("trainer: {train_steps: [1, 2]}", "trainer.train_steps", "[1, 2]", "is list", "write one value", 2),
    ("trainer: {train_steps: }", "trainer.train_steps", "None", "is NoneType", "keep the default", 2),
    ("trainer: {train_steps: 3.7}", "trainer.train_steps", "3.7", "is float", "keep the default (2000)", 2),
    ("trainer: {train_steps: true}", "trainer.train_steps", "True", "is bool", "a whole number", 2),
    ("trainer: {train_steps: 1e400}", "trainer.train_steps", "inf", "is float", "a whole number", 2),
    ("trainer: {train_steps: 99999999999999999999}", "trainer.train_steps", "9999", "64 bits", "smaller", 2),
    ("trainer: {train_steps: 2026-01-01}", "trainer.train_steps", "2026", "is read as a date", "quotes", 2),
    ("trainer: {train_steps: {a: 1}}", "trainer.train_steps", "{'a': 1}", "is a mapping", "write the value", 2),
    ("trainer: 5", "trainer", "5", "is no value for a section", "write its keys", 2),
    ("trainer:", "trainer", "None", "is empty (null)", "write its keys", 2),
    ("\ntask:\n  model: [1, 2]", "task.model", "[1, 2]", "is no value for a section", "num_classes", 4),
    ("task: {init_checkpoint: no}", "task.init_checkpoint", "False", "is bool", "put it in quotes", 2),
    ("runtime: {distribution_strategy: off}", "runtime.distribution_strategy", "False", "is bool", "quotes", 2),
    ("task: {train_data: {is_training: 'no'}}", "task.train_data.is_training", "'no'", "is str", "write false", 2),
    ("task: {model: {input_size: 96}}", "task.model.input_size", "96", "is int", "write a list: [96]", 2),
    ("task: {model: {input_size: [96, 'x']}}", "task.model.input_size", "'x'", "is list", "element 'x'", 2),
    ("task: {losses: {crowd_iou: .nan}}", "task.losses.crowd_iou", "nan", "not a finite", "digits", 2),
    ("task: {losses: {crowd_iou: .inf}}", "task.losses.crowd_iou", "inf", "not a finite", "digits", 2),
    ("task: {seed: 1}\ntask: {seed: 2}", "task", "", "stands on line 2 and again on line 3", "keep one", 3),
    ("task:\n  seed: 1\n  seed: 2", "task.seed", "", "stands on line 3 and again on line 4", "keep one", 4),
    ("task:\n\tseed: 1", "", "", "a tab indents the line", "with spaces", 3),
    ("task: {seed: 1", "", "", "not valid YAML", "brackets", 3),
    ("task: {seed: 1}}", "", "", "not valid YAML", "brackets", 2),
    ("task: !!python/name:os.system", "task", "!!python/name", "a tag that makes an object", "delete the tag", 2),
    ("task: !!python/tuple [1]", "task", "!!python/tuple", "a tag that makes an object", "delete the tag", 2),
    (
        "task: !!python/object/apply:os.system [ls]",
        "task",
        "!!python/object",
        "makes an object",
        "delete the tag",
        2,
    ),
    ("---\ntask: {seed: 2}", "", "", "several documents", "`---`", 2),
    ("a: &a [x]\nb: &b {c: *b}", "", "", "an alias that holds itself", "write the values out", 1),
    ("task: {? [1] : 2}", "task", "", "a key that is no word", "key: value", 2),
    # Keys.
    ("trainer: {train_step: 5}", "trainer.train_step", "5", "unknown key", "did you mean 'train_steps'", 2),
    ("train_steps: 5", "train_steps", "5", "unknown key", "belongs under 'trainer.train_steps'", 2),
    ("trainer:\n  optimizer_config:\n    ema: {decay: 1.0}", "trainer.optimizer_config.ema.decay", "1.0", "unknown key", "average_decay", 4),
    ("1: 2", "1", "2", "unknown key", "valid here are", 2),
    ("task: {default_params: {}}", "task.default_params", "{}", "unknown key", "valid here", 2),
    # Values.
    ("trainer: {train_steps: -3}", "trainer.train_steps", "-3", "expected 0 or more", "default (2000)", 2),
    ("trainer: {steps_per_loop: 0}", "trainer.steps_per_loop", "0", "above 0", "default (100)", 2),
    ("trainer: {validation_steps: 10}", "trainer.validation_steps", "10", "AP of a part", "default (-1)", 2),
    ("trainer: {nonfinite: ignore}", "trainer.nonfinite", "'ignore'", "skip, restore, stop", "default ('skip')", 2),
    ("trainer: {nonfinite: skp}", "trainer.nonfinite", "'skp'", "one of", "did you mean 'skip'", 2),
    ("trainer: {input_timeout: -1}", "trainer.input_timeout", "-1", "0 or more", "default (600.0)", 2),
    ("trainer: {num_pictures: -1}", "trainer.num_pictures", "-1", "0 or more", "default (4)", 2),
    ("trainer: {early_stopping_patience: -1}", "trainer.early_stopping_patience", "-1", "0 or more", "", 2),
    ("trainer: {eval_tf_while_loop: true}", "trainer.eval_tf_while_loop", "True", "to the host", "False", 2),
    ("trainer: {best_checkpoint_metric_comp: max}", "trainer.best_checkpoint_metric_comp", "'max'", "higher, lower", "", 2),
    ("trainer: {best_checkpoint_export_subdir: ../x}", "trainer.best_checkpoint_export_subdir", "'../x'", "inside the model", "", 2),
    ("schedule_batch_size: -8", "schedule_batch_size", "-8", "expected 0", "write 0", 2),
    ("task: {seed: -1}", "task.seed", "-1", "from 0 to 2^32", "default (0)", 2),
    ("task: {init_checkpoint_modules: head}", "task.init_checkpoint_modules", "'head'", "all, backbone", "", 2),
    ("task: {train_data: {global_batch_size: 0}}", "task.train_data.global_batch_size", "0", "above 0", "16", 2),
    ("task: {train_data: {is_training: false}}", "task.train_data.is_training", "False", "the training's", "", 2),
    ("task: {train_data: {cache: yes}}", "task.train_data.cache", "True", "freeze the augmentation", "", 2),
    ("task: {train_data: {tfds_name: coco}}", "task.train_data.tfds_name", "'coco'", "TFRecords", "", 2),
    ("task: {validation_data: {drop_remainder: true}}", "task.validation_data.drop_remainder", "True", "no AP", "", 2),
    ("task: {train_data: {verify: sha}}", "task.train_data.verify", "'sha'", "one of none", "sha256", 2),
    ("task: {train_data: {parser: {augment: {preset: papr}}}}", "task.train_data.parser.augment.preset", "'papr'", "one of", "did you mean 'paper'", 2),
    ("task: {train_data: {parser: {augment: {flip: 1.5}}}}", "task.train_data.parser.augment.flip", "1.5", "from 0 to 1", "", 2),
    ("task: {model: {num_classes: 1}}", "task.model.num_classes", "1", "2 or more", "default (7)", 2),
    ("task: {model: {input_size: [96]}}", "task.model.input_size", "[96]", "(height, width)", "", 2),
    ("task: {model: {backbone: {type: resnext}}}", "task.model.backbone.type", "'resnext'", "one of", "'resnet'", 2),
    ("task: {model: {backbone: {type: null}}}", "task.model.backbone.type", "None", "one of", "", 2),
    ("task: {model: {backbone: {resnet: {model_id: 19}}}}", "task.model.backbone.resnet.model_id", "19", "18", "", 2),
    ("task: {model: {backbone: {type: mobilenet, mobilenet: {model_id: MobilenetV2}}}}", "task.model.backbone.mobilenet.model_id", "'MobilenetV2'", "one of", "did you mean 'MobileNetV2'", 2),
    ("task: {model: {detection_generator: {nms: soft}}}", "task.model.detection_generator.nms", "'soft'", "fast", "", 2),
    ("task: {losses: {crowd_iou: 2.0}}", "task.losses.crowd_iou", "2.0", "from 0 to 1", "default (0.7)", 2),
    ("runtime: {distribution_strategy: miror}", "runtime.distribution_strategy", "'miror'", "one of", "'mirrored'", 2),
    ("runtime: {distribution_strategy: parameter_server}", "runtime.distribution_strategy", "'param", "one of", "", 2),
    ("runtime: {num_gpus: -1}", "runtime.num_gpus", "-1", "0 or more, or null", "", 2),
    ("runtime: {mixed_precision_dtype: fp16}", "runtime.mixed_precision_dtype", "'fp16'", "one of", "float16", 2),
    ("runtime: {loss_scale: static}", "runtime.loss_scale", "'static'", "dynamic or a number", "", 2),
    ("trainer: {optimizer_config: {optimizer: {type: adm}}}", "trainer.optimizer_config.optimizer.type", "'adm'", "one of", "'adam'", 2),
    ("trainer: {optimizer_config: {optimizer: {type: slide}}}", "trainer.optimizer_config.optimizer.type", "'slide'", "one of", "", 2),
    ("trainer: {optimizer_config: {optimizer: {type: adafactor}}}", "trainer.optimizer_config.optimizer.type", "'adafactor'", "one of", "'adafactor_keras'", 2),
    ("task: {backbone_learning_rate_multiplier: 0}", "task.backbone_learning_rate_multiplier", "0", "above 0", "default (1.0)", 2),
    ("trainer: {optimizer_config: {optimizer: {adam: {beta_1: 3}}}}", "trainer.optimizer_config.optimizer.adam.beta_1", "3", "below 1", "default (0.9)", 2),
    ("trainer: {optimizer_config: {ema: {average_decay: 1.5}}}", "trainer.optimizer_config.ema.average_decay", "1.5", "from 0 to 1", "0.998", 2),
    ("trainer: {optimizer_config: {warmup: {linear: {warmup_steps: 0}}}}", "trainer.optimizer_config.warmup.linear.warmup_steps", "0", "above 0", "", 2),
    ("trainer: {optimizer_config: {learning_rate: {type: cosin}}}", f"{RATE}.type", "'cosin'", "one of", "'cosine'", 2),
    ("trainer: {optimizer_config: {learning_rate: {cosine: {initial_learning_rate: -1}}}}", f"{RATE}.cosine.initial_learning_rate", "-1", "above 0", "0.004", 2),
    ("trainer: {optimizer_config: {learning_rate: {cosine: {initial_learning_rate: '1e-3'}}}}", f"{RATE}.cosine.initial_learning_rate", "'1e-3'", "is str", "write 0.001 without quotes", 2),
    ("trainer: {optimizer_config: {learning_rate: {type: stepwise}}}", f"{RATE}.stepwise.boundaries", "None", "a list of numbers", "", 2),
    ("trainer: {optimizer_config: {learning_rate: {type: stepwise, stepwise: {boundaries: [9, 5], values: [1, 2, 3]}}}}", f"{RATE}.stepwise.boundaries", "[9, 5]", "increase", "write [5, 9]", 2),
    ("trainer: {optimizer_config: {learning_rate: {type: stepwise, stepwise: {boundaries: [5, 9], values: [1, 2]}}}}", f"{RATE}.stepwise.values", "[1, 2]", "2 rates for 2 boundaries, expected 3", "one after the last", 2),
    # Contradictions; the line is that of a key that was written.
    ("task: {backbone_learning_rate_multiplier: 0.1}\ntrainer: {optimizer_config: {optimizer: {type: adam_experimental}}}", "task.backbone_learning_rate_multiplier", "0.1", "one rate for all variables", "take one of torch_sgd", 2),
    ("task: {model: {max_level: 7}}", "task.model.anchor.scales", "[20.0", "3 scales for the 5 levels", "one for each", 2),
    ("task: {model: {min_level: 6, max_level: 5}}", "task.model.min_level", "6", "above task.model.max_level", "", 2),
    ("task: {model: {backbone: {type: spinenet}}}", "task.model.decoder.type", "'yolact_fpn'", "needs 'identity'", "", 2),
    ("task:\n  model:\n    decoder: {type: identity}", "task.model.decoder.type", "'identity'", "needs 'yolact_fpn'", "", 4),
    ("task: {model: {input_size: [100, 128], decoder: {type: identity}, backbone: {type: spinenet, spinenet: {max_level: 5}}}}", "task.model.input_size", "[100, 128]", "divisible by 128", "write [128, 128]", 2),
    ("task: {model: {backbone: {type: vit}}}", "task.model.backbone.type", "'vit'", "no pyramid", "choose", 2),
    ("task: {model: {backbone: {type: yolact_resnet, yolact_resnet: {deformable_blocks: [0, 5, 6, 3]}}}}", "task.model.backbone.yolact_resnet.deformable_blocks", "[0, 5, 6, 3]", "[3, 4, 6, 3]", "lower", 2),
    ("task: {losses: {negative_iou: 0.6}}", "task.losses.negative_iou", "0.6", "must not be above", "positive_iou", 2),
    ("task: {losses: {class_weight: 0, box_weight: 0, mask_weight: 0, semantic_weight: 0}}", "task.losses.class_weight", "0", "nothing is learnt", "a weight", 2),
    ("trainer: {steps_per_loop: 30}", "trainer.summary_interval", "100", "no multiple of trainer.steps_per_loop (30)", "write 90", 2),
    ("trainer: {gradient_accumulation: 3}", "trainer.gradient_accumulation", "3", "does not divide", "divisor of 16", 2),
    ("trainer: {best_checkpoint_eval_metric: AP}", "trainer.best_checkpoint_eval_metric", "'AP'", "box_AP50", "mask_AP", 2),
    ("trainer: {best_checkpoint_metric_comp: lower}", "trainer.best_checkpoint_metric_comp", "'lower'", "the worst mask_AP", "write higher", 2),
    ("trainer: {early_stopping_patience: 3, best_checkpoint_eval_metric: '', best_checkpoint_export_subdir: ''}", "trainer.early_stopping_patience", "3", "to judge by", "mask_AP", 2),
    ("runtime: {distribution_strategy: tpu, mixed_precision_dtype: float16}", "runtime.mixed_precision_dtype", "'float16'", "tpu", "write bfloat16", 2),
    ("runtime: {loss_scale: dynamic}", "runtime.loss_scale", "'dynamic'", "for float16 only", "delete the line", 2),
    ("runtime: {tpu: local}", "runtime.tpu", "'local'", "names a TPU", "distribution_strategy: tpu", 2),
    ("runtime: {distribution_strategy: one_device, num_gpus: 2}", "runtime.num_gpus", "2", "more than", "mirrored", 2),
    ("runtime: {worker_hosts: 'a:1,b:2'}", "runtime.worker_hosts", "'a:1,b:2'", "names 2 hosts", "multi_worker", 2),
    ("runtime: {distribution_strategy: multi_worker_mirrored, worker_hosts: 'a:1,b:2'}", "runtime.task_index", "-1", "from 0 to 1", "runtime.task_index=0", 2),
    ("runtime: {distribution_strategy: multi_worker_mirrored, worker_hosts: 'a,b:2', task_index: 0}", "runtime.worker_hosts", "'a,b:2'", "'a' is none", "10.0.0.1:2222", 2),
    ("runtime: {all_reduce_alg: ring}", "runtime.all_reduce_alg", "'ring'", "nccl, hierarchical_copy", "", 2),
    ("task: {train_data: {enable_tf_data_service: true}}", "task.train_data.enable_tf_data_service", "True", "address", "grpc://", 2),
]  # fmt: skip


def write(folder, content, name="mine.yaml"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def examine(path, *overrides):
    return loading.examine_experiment(None, [path], overrides)


def errors(findings):
    return [one for one in findings if one.severity == "error"]


@pytest.mark.parametrize(
    ("text", "path", "value", "rule", "cure", "line"), BAD, ids=[" ".join(row[0].split()) for row in BAD]
)
def test_a_fault_is_told_with_its_place_value_rule_and_cure(tmp_path, text, path, value, rule, cure, line):
    params, findings = examine(write(tmp_path, f"{HEAD}{text}\n"))
    assert params is None
    matching = [one for one in findings if (one.path, one.line) == (path, line) and rule in one.rule]
    assert matching, [str(one) for one in findings]
    assert value in matching[0].value
    assert cure in matching[0].cure
    assert matching[0].origin.endswith("mine.yaml")
    assert str(matching[0]).startswith(f"{matching[0].origin}:{line}: ")


@pytest.mark.parametrize(
    ("content", "rule", "line"),
    [
        (b"", "holds nothing, not a mapping", None),
        (b"# only a comment\n", "holds nothing, not a mapping", None),
        (b"- 1\n- 2\n", "holds list, not a mapping", None),
        (b"just words\n", "holds str, not a mapping", None),
        (b"experiment: yolact_tiny_shapes\n# caf\xe9\n", "not UTF-8: byte 0xe9", 2),
        ("experiment: yolact_tiny_shapes\n".encode("utf-16"), "not UTF-8: byte 0xff", 1),
        ("experiment: yolact_tiny_shapes\n".encode("utf-16-le"), "is UTF-16 or UTF-32", 1),
        (b"experiment: yolact_tiny_shapes\ntask: {seed: \x00}\n", "a control character", 2),
        (b"experiment: yolact_tiny_shape\n", "unknown experiment", 1),
        (b"task: {seed: 1}\n", "no experiment is named", None),
        (b"a: " + b"[" * 3000, "nested more than 60 deep", 1),
        (b"x" * 5_000_000, "5,000,000 characters", None),
    ],
)
def test_a_file_that_is_no_configuration_is_one_message(tmp_path, content, rule, line):
    path = write(tmp_path, content)
    params, findings = examine(path)
    assert params is None
    assert any(rule in one.rule and one.line == line for one in findings), [str(one) for one in findings]
    with pytest.raises(ValueError, match="mine.yaml"):
        loading.load_config(path)


def test_aliases_that_come_to_millions_of_values_are_refused_at_once(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    params, findings = examine(write(tmp_path, HEAD + "\n".join(lines)))
    assert params is None
    assert any("aliases that come to" in one.rule for one in findings)


def test_a_byte_order_mark_and_windows_lines_are_no_fault(tmp_path):
    params, findings = examine(
        write(tmp_path, b"\xef\xbb\xbf" + f"{HEAD}task: {{seed: 4}}".replace("\n", "\r\n").encode())
    )
    assert findings == []
    assert params.task.seed == 4


@pytest.mark.parametrize(
    ("text", "number"), [("1e-3", 1e-3), ("1.0E-3", 1e-3), (".5e-2", 5e-3), ("1_0.0", 10.0), ("1", 1)]
)
def test_numbers_are_read_as_people_write_them(tmp_path, text, number):
    path = write(tmp_path, f"{HEAD}task: {{losses: {{weight_decay: {text}}}}}\n")
    assert loading.load_config(path).task.losses.weight_decay == number


def test_merged_and_aliased_keys_are_read_as_yaml_has_them(tmp_path):
    text = "task:\n  train_data: &data {global_batch_size: 4, verify: none}\n  validation_data: {<<: *data, verify: sizes}\n"
    task = loading.load_config(write(tmp_path, HEAD + text)).task
    assert (task.validation_data.global_batch_size, task.validation_data.verify) == (4, "sizes")


def test_everything_that_is_wrong_is_told_at_once_in_the_order_of_lines(tmp_path):
    text = HEAD + "trainer:\n  train_steps: '8'\n  train_step: 5\n  steps_per_loop: 0\n  nonfinite: no\n"
    text += "runtime: {tpu: local, loss_scale: dynamic}\n"
    text += "task:\n  seed: 010\n  seed: -1\n  foo: !!python/name:os.system\n  losses: {crowd_iou: 2.0, negative_iou: 0.6}\n"
    params, findings = examine(write(tmp_path, text), "trainer.num_pictures=a", "task.model.max_level=7")
    assert params is None
    told = [(one.line, one.path) for one in findings]
    assert told == [
        (3, "trainer.train_steps"),
        (4, "trainer.train_step"),
        (5, "trainer.steps_per_loop"),
        (6, "trainer.nonfinite"),
        (7, "runtime.loss_scale"),
        (7, "runtime.tpu"),
        (9, "task.seed"),
        (10, "task.seed"),
        (11, "task.foo"),
        (12, "task.losses.crowd_iou"),
        (12, "task.losses.negative_iou"),
        (None, "trainer.num_pictures"),
        (None, "task.model.anchor.scales"),
    ]
    with pytest.raises(ValueError, match="cannot be used") as raised:
        loading.load_config(str(tmp_path / "mine.yaml"), ["trainer.num_pictures=a", "task.model.max_level=7"])
    for one in findings:
        assert str(one) in str(raised.value)


@pytest.mark.parametrize(
    ("term", "path", "value", "rule", "cure"),
    [
        ("trainer.train_steps=5;b=1", "trainer.train_steps", "'5;b=1'", "holds a second key=value", "by spaces"),
        ("task.init_checkpoint=a;task.seed=1", "task.init_checkpoint", "'a;task.seed=1'", "second key", "commas"),
        ("task.seed", "", "'task.seed'", "is no key and value", "write key.path=value"),
        ("task.seed=", "task.seed", "None", "is NoneType", "keep the default"),
        ("task.sed=1", "task.sed", "1", "unknown key", "did you mean 'seed'"),
        ("task=5,task.seed=3", "task", "5", "no value for a section", "write its keys"),
        ("task.seed.x=3", "task.seed", "{'x': 3}", "is a mapping", "write the value"),
        ("task.seed=[1", "task.seed", "", "not valid YAML", "brackets"),
        ("{task: {seed: '1'}}", "task.seed", "'1'", "is str", "write 1 without quotes"),
        ("task: {seed: 1, seed: 2}", "task.seed", "", "stands twice", "keep one"),
        ("runtime.tpu=local", "runtime.tpu", "'local'", "names a TPU", "tpu"),
        ("task..seed=1", "task.", "", "unknown key", "valid here"),
        ("{", "", "'{'", "not valid YAML", "brackets"),
    ],
)  # fmt: skip
def test_an_override_is_checked_like_a_file(tmp_path, term, path, value, rule, cure):
    params, findings = examine(write(tmp_path, HEAD), term)
    assert params is None
    [found] = [one for one in findings if one.path.startswith(path) and rule in one.rule]
    assert value in found.value
    assert cure in found.cure
    assert (found.origin, found.line) == ("override", None)


def test_a_value_from_a_file_is_placed_there_although_an_override_came_later(tmp_path):
    path = write(tmp_path, f"{HEAD}\n\ntrainer: {{steps_per_loop: 7}}\n")
    _, [found] = examine(path, "task.seed=3")
    assert (found.line, found.path) == (4, "trainer.summary_interval")


@pytest.mark.parametrize(
    ("text", "path", "rule"),
    [
        ("runtime: {per_gpu_thread_count: 2}", "runtime.per_gpu_thread_count", "gpu_thread_mode is not set"),
        ("runtime: {num_gpus: 0, gpu_thread_mode: gpu_private}", "runtime.gpu_thread_mode", "uses no GPU"),
        ("runtime: {num_packs: 2}", "runtime.num_packs", "all_reduce_alg is not set"),
        ("runtime: {distribution_strategy: multi_worker_mirrored, num_packs: 2}", "runtime.num_packs", "only mirrored"),
        ("runtime: {run_eagerly: true}", "runtime.run_eagerly", "has no effect"),
        ("runtime: {num_cores_per_replica: 2}", "runtime.num_cores_per_replica", "has no effect"),
        ("task: {train_data: {drop_remainder: true}}", "task.train_data.drop_remainder", "has no effect"),
        ("task: {train_data: {sharding: false}}", "task.train_data.sharding", "has no effect"),
        ("task: {validation_data: {seed: 3}}", "task.validation_data.seed", "has no effect"),
        ("task: {backbone_learning_rate_multiplier: 0.1, model: {freeze: [backbone]}}", "task.backbone_learning_rate_multiplier", "has no effect"),
        ("task: {allow_image_summary: true}", "task.allow_image_summary", "has no effect"),
        ("task: {losses: {mask_iou_weight: 3}}", "task.losses.mask_iou_weight", "mask_rescoring is false"),
        ("trainer: {optimizer_config: {optimizer: {lars: {momentum: 0.5}}}}", "trainer.optimizer_config.optimizer.lars", "has no effect"),
        ("trainer: {train_steps: 50}", "trainer.optimizer_config.warmup.linear.warmup_steps", "is warm-up"),
        ("runtime: {num_gpus: 3}", "task.train_data.global_batch_size", "does not divide"),
        ("runtime: {num_gpus: 0, enable_xla: true}", "runtime.enable_xla", "acts on GPUs only"),
    ],
)  # fmt: skip
def test_what_has_no_effect_is_a_warning_and_does_not_stop(tmp_path, text, path, rule):
    params, findings = examine(write(tmp_path, f"{HEAD}{text}\n"))
    assert params is not None
    [found] = [one for one in findings if one.path == path]
    assert rule in found.rule
    assert (found.severity, found.line) == ("warning", 2)


@pytest.mark.parametrize(
    "text",
    [
        "runtime: {gpu_thread_mode: gpu_private, per_gpu_thread_count: 3}",
        "runtime: {dataset_num_private_threads: 4}",
        "runtime: {all_reduce_alg: hierarchical_copy, num_packs: 2}",
    ],
)
def test_what_is_passed_on_to_tensorflow_is_not_said_to_have_no_effect(tmp_path, text):
    assert examine(write(tmp_path, f"{HEAD}{text}\n"))[1] == []


@pytest.mark.parametrize(
    "name", [*sorted(experiments.EXPERIMENTS), *sorted(glob.glob(os.path.join(loading.YAML_DIR, "*.yaml")))], ids=os.path.basename
)  # fmt: skip
def test_what_is_shipped_is_clean_and_reads_back_as_it_is(name, tmp_path):
    params, findings = loading.examine_config(name)
    assert findings == []
    again, findings = examine(write(tmp_path, yaml.safe_dump(params.as_dict())))
    assert findings == []
    assert again.as_dict() == params.as_dict()


def test_an_attribute_that_no_class_declares_is_found():
    from official_yolact.configs import check

    params = loading.load_experiment("yolact_tiny_shapes")
    params.task.trian_data = 5
    [found] = check.find_errors(params)
    assert str(found) == "task.trian_data: 5 is the value of an unknown key; did you mean 'train_data'?"


def test_the_metrics_that_may_be_named_are_those_that_the_evaluator_reports():
    from official_yolact.evaluation import measurement

    assert set(contradictions.EVALUATED) == {
        f"{kind}_{name}" for kind in ("box", "mask") for name in measurement.NAMES
    }


def test_every_policy_for_steps_that_are_not_finite_is_taken():
    for policy in training.NONFINITE_POLICIES:
        assert loading.load_experiment("yolact_tiny_shapes", [], [f"trainer.nonfinite={policy}"])


SPOILS = [None, True, -1, 0, 3, 2**70, 1e-3, -0.5, float("nan"), "", "abc", "8", "1e-3", "no", [], [1], ["a", 2], {}, {"a": 1}, [[1]], [{"a": 1}]]  # fmt: skip


def _leaves(data, prefix=()):
    for key, value in data.items():
        yield (*prefix, key)
        if isinstance(value, dict):
            yield from _leaves(value, (*prefix, key))


def _spoil(data, rng):
    keys = rng.choice(list(_leaves(data)))
    section = data
    for key in keys[:-1]:
        section = section[key]
    kind = rng.randrange(4)
    if kind == 0:
        del section[keys[-1]]
    elif kind == 1:
        name = list(str(keys[-1]))
        name[rng.randrange(len(name))] = rng.choice(string.ascii_lowercase)
        section["".join(name)] = section.pop(keys[-1])
    else:
        section[keys[-1]] = copy.deepcopy(rng.choice(SPOILS))


def test_any_change_of_a_good_file_gives_a_configuration_or_one_list_of_faults(tmp_path):
    rng = random.Random(7)
    good = loading.load_experiment("yolact_tiny_shapes").as_dict()
    outcomes = set()
    for _ in range(40):
        data = copy.deepcopy(good)
        for _ in range(rng.randrange(1, 4)):
            _spoil(data, rng)
        path = write(tmp_path, yaml.safe_dump(data))
        params, findings = examine(path)
        assert (params is None) == bool(errors(findings))
        assert all(one.rule and one.cure for one in findings)
        outcomes.add(params is None)
    assert outcomes == {True, False}


def test_any_damage_to_the_text_of_a_file_gives_a_configuration_or_one_list_of_faults(tmp_path):
    rng = random.Random(11)
    with open(os.path.join(loading.YAML_DIR, "yolact_resnet50_coco_tpu.yaml"), "rb") as file:
        good = file.read()
    for _ in range(60):
        damaged = bytearray(good)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(damaged))
            damaged[at : at + rng.randrange(3)] = rng.choice(
                [b"", b"\t", b"[", b"{", b"*a", b"&a ", b"\n", b": ", b"!", b"\xff", b"'", b"- "]
            )
        params, findings = examine(write(tmp_path, bytes(damaged)))
        assert (params is None) == bool(errors(findings))
