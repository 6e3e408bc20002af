"""`yolact import-weights`: published weights to a directory that training can start from."""

from __future__ import annotations

import argparse
import json
import sys

# The names that a person gives, ours and the field's, and the experiment whose backbone is meant.
_MODELS = {
    "mobilenetv2": "yolact_mobilenetv2_coco",
    "mobilenet_v2": "yolact_mobilenetv2_coco",
    "yolact_mobilenetv2_coco": "yolact_mobilenetv2_coco",
}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "import-weights",
        help="turn published weights into a directory to start from",
        description="Import ImageNet MobileNetV2 weights (.npz) as a backbone for task.init_checkpoint.",
    )
    parser.add_argument("file", help="the weights, .npz")
    parser.add_argument("--model", required=True, choices=sorted(_MODELS), help="what the weights are of")
    parser.add_argument("--output", required=True, metavar="DIR", help="directory to write")
    parser.add_argument("--json", action="store_true", help="print the account as one line of JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from official_yolact import registry_imports  # noqa: F401  for its effects
    from official_yolact.checkpoints import mobilenet_v2
    from official_yolact.configs import loading

    model = loading.load_experiment(_MODELS[args.model]).task.model
    done = mobilenet_v2.import_mobilenet_v2(args.file, model, args.output)
    for name in done.skipped:
        print(f"skipped {name}: the feature pyramid does not use this layer", file=sys.stderr)
    print(
        f"{args.file}: {done.read} tensors read, {done.mapped} mapped, {len(done.skipped)} skipped",
        file=sys.stderr,
    )
    print(
        f"start from it: task.init_checkpoint={args.output} task.init_checkpoint_modules=backbone",
        file=sys.stderr,
    )
    if args.json:
        account = {
            "read": done.read,
            "mapped": done.mapped,
            "skipped": done.skipped,
            "checkpoint": done.checkpoint,
        }
        print(json.dumps(account))
    return 0
