"""Trains and evaluates: Model Garden's flags, our checks, Model Garden's train_lib.

python -m official_yolact.train --experiment=yolact_resnet50_coco --mode=train_and_eval \
        --config_file=my.yaml --params_override=task.model.num_classes=4 --model_dir=runs/mine
"""

from __future__ import annotations

import os
import sys

from official_yolact.environment import keras_choice
from official_yolact.training import run_log

if __name__ == "__main__":
    keras_choice.leave_out_keras_3()
    run_log.RunLog().start()  # before TensorFlow is imported, which has something to say
else:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from absl import app
from absl import flags
from absl import logging

from official.common import flags as tfm_flags
from official_yolact import failures
from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import experiments
from official_yolact.configs import loading
from official_yolact.training import run

FLAGS = flags.FLAGS
_PROGRAM = "python -m official_yolact.train"


def parse_flags() -> experiments.YolactExperiment:
    """Build the configuration that the flags describe."""
    overrides = [FLAGS.params_override] if FLAGS.params_override else []
    params = loading.load_experiment(FLAGS.experiment, FLAGS.config_file or [], overrides)
    if FLAGS.tpu:
        params.override({"runtime": {"distribution_strategy": "tpu", "tpu": FLAGS.tpu}}, is_strict=True)
    if FLAGS.tf_data_service:
        service = {"enable_tf_data_service": True, "tf_data_service_address": FLAGS.tf_data_service}
        params.override({"task": {"train_data": service}}, is_strict=True)
    return params


def main(_: list[str]) -> None:
    """Run what the flags say; what cannot be used or go on ends with one message and exit code 2."""
    logging.set_verbosity(logging.INFO)
    try:
        params = parse_flags()
        params.lock()
        run.run(params, FLAGS.mode, FLAGS.model_dir, FLAGS.restart)
    except Exception as error:
        run_log.write_error(error)
        sys.exit(failures.report(error, sys.argv[1:], _PROGRAM))


def _parse_argv(argv: list[str]) -> list[str]:
    """Parse the flags; wrong ones end with one message and exit code 2, absl's own way with 1."""
    try:
        remaining: list[str] = FLAGS(argv)
    except flags.Error as error:
        sys.exit(failures.report(ValueError(str(error)), argv[1:], _PROGRAM))
    return remaining


def run_from_flags() -> None:
    """Define the flags and run."""
    tfm_flags.define_flags()
    flags.DEFINE_bool(
        "restart",
        False,
        "begin at step 0; what an earlier run left in model_dir moves to a folder there",
    )
    flags.mark_flags_as_required(["mode", "model_dir"])
    app.run(main, flags_parser=_parse_argv)


if __name__ == "__main__":
    run_from_flags()
