"""What Model Garden's fields mean here and may hold; their types and defaults are Model Garden's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from official.core import config_definitions as cfg
from official.modeling.optimization.configs import learning_rate_config as rates
from official.modeling.optimization.configs import optimizer_config
from official.vision.configs import backbones
from official.vision.configs import common
from official.vision.modeling.backbones import efficientnet
from official.vision.modeling.backbones import mobiledet
from official.vision.modeling.backbones import mobilenet
from official.vision.modeling.backbones import resnet
from official.vision.modeling.backbones import revnet
from official.vision.modeling.backbones import spinenet
from official.vision.modeling.backbones import spinenet_mobile
from official_yolact.configs import settings
from official_yolact.configs.settings import AT_LEAST_ONE
from official_yolact.configs.settings import DECAY
from official_yolact.configs.settings import FRACTION
from official_yolact.configs.settings import NOT_NEGATIVE
from official_yolact.configs.settings import POSITIVE
from official_yolact.configs.settings import POSITIVE_SET
from official_yolact.configs.settings import SEED
from official_yolact.configs.settings import Rule
from official_yolact.configs.settings import Setting
from official_yolact.configs.settings import one_of

STRATEGIES = ("one_device", "mirrored", "multi_worker_mirrored", "tpu", "off")
_FREE_POSITIVE = settings.optional(POSITIVE)
_RULES: dict[type[Any], dict[str, Rule]] = {
    backbones.ResNet: {
        "model_id": one_of(*resnet.RESNET_SPECS),
        "depth_multiplier": POSITIVE,
        "stem_type": one_of("v0", "v1"),
    },
    backbones.RevNet: {"model_id": one_of(*revnet.REVNET_SPECS)},
    backbones.MobileNet: {
        "model_id": one_of(*mobilenet.SUPPORTED_SPECS_MAP),
        "filter_size_scale": POSITIVE,
    },
    backbones.MobileDet: {
        "model_id": one_of(*mobiledet.SUPPORTED_SPECS_MAP),
        "filter_size_scale": POSITIVE,
    },
    backbones.EfficientNet: {"model_id": one_of(*efficientnet.SCALING_MAP)},
    backbones.SpineNet: {"model_id": one_of(*spinenet.SCALING_MAP)},
    backbones.SpineNetMobile: {"model_id": one_of(*spinenet_mobile.SCALING_MAP)},
    common.NormActivation: {"norm_momentum": FRACTION, "norm_epsilon": POSITIVE},
    # Of an optimizer, those of these fields that it has.
    optimizer_config.BaseOptimizerConfig: {
        **dict.fromkeys(("momentum", "beta_1", "beta_2", "rho"), DECAY),
        "epsilon": POSITIVE,
        "weight_decay_rate": NOT_NEGATIVE,
        **dict.fromkeys(("clipnorm", "clipvalue", "global_clipnorm"), _FREE_POSITIVE),
    },
    optimizer_config.EMAConfig: {"average_decay": FRACTION, "start_step": NOT_NEGATIVE},
    rates.ConstantLrConfig: {"learning_rate": POSITIVE},
    rates.ExponentialLrConfig: dict.fromkeys(
        ("initial_learning_rate", "decay_steps", "decay_rate"), POSITIVE_SET
    ),
    rates.PolynomialLrConfig: {
        **dict.fromkeys(("initial_learning_rate", "decay_steps"), POSITIVE_SET),
        "end_learning_rate": NOT_NEGATIVE,
        "power": POSITIVE,
    },
    rates.CosineLrConfig: {
        **dict.fromkeys(("initial_learning_rate", "decay_steps"), POSITIVE_SET),
        "alpha": FRACTION,
    },
    rates.DirectPowerLrConfig: {"initial_learning_rate": POSITIVE_SET},
    rates.PowerAndLinearDecayLrConfig: {
        **dict.fromkeys(("initial_learning_rate", "total_decay_steps"), POSITIVE_SET),
        "linear_decay_fraction": Rule(lambda value: 0 < value <= 1, "above 0, to 1"),
    },
    rates.PowerDecayWithOffsetLrConfig: {"initial_learning_rate": POSITIVE_SET},
    rates.LinearWarmupConfig: {
        "warmup_steps": POSITIVE_SET,
        "warmup_learning_rate": NOT_NEGATIVE,
    },
    rates.PolynomialWarmupConfig: {"warmup_steps": POSITIVE_SET, "power": POSITIVE},
}
_PIECES: dict[type[Any], dict[str, Setting]] = {
    cfg.RuntimeConfig: {
        "distribution_strategy": Setting("devices that train together", one_of(*STRATEGIES)),
        "enable_xla": Setting("compile the training step for GPUs with XLA"),
        "gpu_thread_mode": Setting("TF_GPU_THREAD_MODE: threads that start the kernels of a GPU"),
        "per_gpu_thread_count": Setting("TF_GPU_THREAD_COUNT, with `gpu_thread_mode`"),
        "dataset_num_private_threads": Setting("threads of the input pipeline; null: as many as processors"),
        "tpu": Setting("name or address of the TPU, `local` on its own host"),
        "worker_hosts": Setting("HOST:PORT of every worker, with commas"),
        "task_index": Setting(
            "which of `worker_hosts` this is",
            Rule(lambda value: value >= -1, "-1 (not given), or the worker's number from 0"),
        ),
        "all_reduce_alg": Setting("how gradients are added up over devices; null: TensorFlow chooses"),
        "num_packs": Setting("parts in which `mirrored` adds them up, with `all_reduce_alg`"),
        "mixed_precision_dtype": Setting(
            "of the activations; weights, losses and the optimizer stay float32",
            one_of(None, "float32", "float16", "bfloat16"),
        ),
        "loss_scale": Setting(
            "factor of the loss with float16; null: dynamic",
            Rule(
                lambda value: value in (None, "dynamic") or (not isinstance(value, str) and value > 0),
                "null, dynamic or a number above 0",
            ),
        ),
        "run_eagerly": Setting(unread="the training step is always compiled into a graph"),
        "batchnorm_spatial_persistent": Setting(
            unread="set TF_USE_CUDNN_BATCHNORM_SPATIAL_PERSISTENT=1 instead"
        ),
        **dict.fromkeys(
            ("num_cores_per_replica", "default_shard_dim", "use_tpu_mp_strategy"),
            Setting(unread="a replica is one core"),
        ),
    },
    cfg.TrainerConfig: {
        "train_steps": Setting("steps of the whole training", NOT_NEGATIVE),
        "steps_per_loop": Setting("steps that run before signals and losses are looked at", POSITIVE),
        "summary_interval": Setting("steps between two reports", POSITIVE),
        "checkpoint_interval": Setting("steps between two checkpoints", POSITIVE),
        "max_to_keep": Setting("how many checkpoints are kept, the latest ones", POSITIVE),
        "continuous_eval_timeout": Setting(
            "seconds that mode `continuous_eval` waits for a checkpoint", POSITIVE
        ),
        "validation_steps": Setting(
            rule=Rule(lambda value: value == -1, "-1: the whole set; AP of a part of it is no AP")
        ),
        "validation_interval": Setting("steps between two evaluations", POSITIVE),
        "eval_tf_while_loop": Setting(
            rule=settings.never("false: each step of an evaluation hands its detections to the host")
        ),
        "best_checkpoint_export_subdir": Setting(
            "where the weights of the best evaluation are kept; empty: nowhere", settings.INSIDE
        ),
        "best_checkpoint_eval_metric": Setting("number of the evaluation that says which is best"),
        "best_checkpoint_metric_comp": Setting(
            "whether a higher number is better", one_of("higher", "lower")
        ),
        "loss_upper_bound": Setting("a total loss above it is a failure", POSITIVE),
        "recovery_begin_steps": Setting("steps before which no loss is a failure", NOT_NEGATIVE),
        "recovery_max_trials": Setting(
            "how often a run goes back to its last checkpoint after a failure; below 0: no loss is one"
        ),
        "validation_summary_subdir": Setting("where the numbers of evaluations are kept", settings.INSIDE),
    },
    cfg.TaskConfig: {
        "init_checkpoint": Setting(
            "directory or checkpoint to start from where the model directory has none, or a name of "
            "`yolact weights list`; empty: random weights"
        ),
        "name": Setting(unread="the task is the experiment's"),
        "differential_privacy_config": Setting(
            rule=Rule(lambda value: value is None, "null: it is not supported")
        ),
        "allow_image_summary": Setting(unread="trainer.num_pictures draws pictures"),
    },
    cfg.DataConfig: {
        "input_path": Setting("shards: a path, a glob, several of them with commas, or a list"),
        "global_batch_size": Setting("images of a step, of all replicas together", POSITIVE),
        "cycle_length": Setting("shards that are read in turn; null: 8", settings.optional(POSITIVE)),
        "block_length": Setting("records of a shard before it is the next one's turn", POSITIVE),
        "deterministic": Setting("keep the order of examples; null: yes"),
        "seed": Setting(
            "of order and augmentation of this section; null: `task.seed`", settings.optional(SEED)
        ),
        "prefetch_buffer_size": Setting(
            "batches made ahead; null: as tf.data decides", settings.optional(AT_LEAST_ONE)
        ),
        "enable_tf_data_service": Setting("let a tf.data service make the batches"),
        "tf_data_service_address": Setting("of its dispatcher, grpc://HOST:PORT"),
        "tf_data_service_job_name": Setting("of a job that several runs share"),
        "cache": Setting(rule=settings.never("false: it would freeze the augmentation")),
        "tfds_name": Setting(rule=settings.never("'': TFRecords are named in input_path instead")),
        **dict.fromkeys(
            ("tfds_split", "tfds_data_dir", "tfds_as_supervised", "tfds_skip_decoding_feature"),
            Setting(unread="TFRecords are named in input_path"),
        ),
        "sharding": Setting(unread="each input pipeline takes its part of the positions"),
        **dict.fromkeys(("ram_budget", "autotune_algorithm"), Setting(unread="tf.data decides by itself")),
        **dict.fromkeys(
            (
                "trainer_id",
                "enable_shared_tf_data_service_between_parallel_trainers",
                "apply_tf_data_service_before_batching",
            ),
            Setting(unread="only tf_data_service_address and tf_data_service_job_name are used"),
        ),
    },
}
SETTINGS: Mapping[type[Any], Mapping[str, Setting]] = _PIECES | {
    kind: {name: Setting(rule=rule) for name, rule in listed.items()} for kind, listed in _RULES.items()
}
"""Class of a section to field name to what is known of the field."""
