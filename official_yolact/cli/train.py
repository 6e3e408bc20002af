"""`yolact train`: a configuration, overrides and a directory; the rest is Model Garden's."""

from __future__ import annotations

import argparse
import shlex
import sys

from official_yolact.cli import options

_MODES = ("train", "eval", "train_and_eval", "continuous_eval", "train_and_post_eval")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "train",
        help="train a model from a YAML file",
        description="Train (and evaluate) a model. Runs python -m official_yolact.train, and prints how.",
    )
    options.add_config(parser)
    parser.add_argument(
        "--model_dir", "--model-dir", required=True, help="where the run is kept, and resumed"
    )
    parser.add_argument("--mode", choices=_MODES, default="train_and_eval", help="default: %(default)s")
    parser.add_argument(
        "--restart",
        action="store_true",
        help="begin at step 0; what an earlier run left in the directory is moved into a folder there",
    )
    parser.set_defaults(run=run, keeps_log=True)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from official_yolact.training import run_log

    with run_log.RunLog():  # before TensorFlow is imported, which has something to say
        _train(args)
    return 0


def _train(args: argparse.Namespace) -> None:
    from official_yolact.training import run_log

    run_log.show("loading TensorFlow ...")
    from absl import logging

    from official_yolact import registry_imports  # noqa: F401  for its effects
    from official_yolact.configs import loading
    from official_yolact.training import run as training

    logging.set_verbosity(logging.INFO)
    params = loading.load_config(args.config, args.overrides)
    print(equivalent(args, loading.find_config_file(args.config)), file=sys.stderr, flush=True)
    training.run(params, args.mode, args.model_dir, args.restart)


def equivalent(args: argparse.Namespace, config_file: str | None) -> str:
    """Write the Model Garden command that does the same."""
    words = ["python", "-m", "official_yolact.train"]
    words.append(f"--config_file={config_file}" if config_file else f"--experiment={args.config}")
    words += [f"--mode={args.mode}", f"--model_dir={args.model_dir}"]
    words += ["--restart"] if args.restart else []
    if args.overrides:
        words.append(f"--params_override={','.join(args.overrides)}")
    return shlex.join(words)
