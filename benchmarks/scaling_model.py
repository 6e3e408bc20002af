"""Predict throughput, hours and the bottleneck of training on GPUs and TPU slices; nothing is run.

python benchmarks/scaling_model.py [--experiment NAME] [--input_ms MS] [--machine NAME]
        [--image_ms BATCH:MS ...] [--cores N]

Prints a table and then one line of JSON. What is summed over the replicas and the multiply-accumulates
are counted on the model as it is built; the milliseconds of the input pipeline are measured
(`benchmarks/input_pipeline.py`); peaks, efficiencies, bandwidths and cores are assumptions, which
docs/scaling.md names one by one. With `--machine` and `--image_ms`, the figures that
`benchmarks/train_step.py` prints on such a machine for one or more batches take the place of peak and
efficiency.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

INPUT_MS = 10.0
"""Of one core for a 640x480 photo with 7 instances, the slowest that docs/data.md states."""

READ_MS = 0.14
"""Of one core for a record that only passes by; a host reads those of all hosts."""

RECORD_MB = 0.16
"""COCO's 118,287 training images take 19 GB."""

PAPER_STEPS, PAPER_BATCH, PAPER_RATE = 800_000, 8, 1e-3
# Forward once, and backward once by the inputs and once by the weights; 2 operations each.
_OPERATIONS_PER_MAC = 6
_COUNTS = 3
_SYNC_REDUCTIONS = 5


class Network(NamedTuple):
    """What a step of an experiment costs.

    Attributes:
      gmacs: 10^9 multiply-accumulates of a forward pass of one image.
      reduced_bytes: summed over the replicas at each step.
      collectives: sums over the replicas that follow one another.
    """

    gmacs: float
    reduced_bytes: int
    collectives: int


class Machine(NamedTuple):
    """A kind of host with its accelerators.

    Attributes:
      name: of the machine and the precision.
      per_host: accelerators.
      peak_tflops: of one accelerator, 10^12 operations a second.
      efficiency: share of the peak that the whole step reaches.
      cores: of the host, for the input.
      local_gb: 10^9 bytes a second that a ring over the accelerators of one host passes on.
      remote_gb: the same between hosts, for all accelerators of a host together.
      latency_us: of one collective, beside its bytes.
      sync_bn: whether its recipe synchronises batch norm.
    """

    name: str
    per_host: int
    peak_tflops: float
    efficiency: float
    cores: float
    local_gb: float
    remote_gb: float
    latency_us: float
    sync_bn: bool = False


MACHINES = (
    Machine("V100 float32", 8, 15.7, 0.50, 32, 120.0, 2.5, 50.0),
    Machine("A100 float32", 8, 156.0, 0.15, 48, 200.0, 40.0, 50.0),
    Machine("A100 bfloat16", 8, 312.0, 0.20, 48, 200.0, 40.0, 50.0),
    Machine("TPU v5e bfloat16", 8, 197.0, 0.25, 112, 50.0, 50.0, 10.0, True),
    Machine("TPU v4 bfloat16", 4, 275.0, 0.25, 120, 50.0, 50.0, 10.0, True),
)

LAYOUTS = (
    ("V100 float32", 1, 8),
    ("V100 float32", 8, 8),
    ("V100 float32", 64, 8),
    ("A100 float32", 1, 8),
    ("A100 float32", 8, 8),
    ("A100 float32", 64, 8),
    ("A100 bfloat16", 1, 8),
    ("A100 bfloat16", 8, 8),
    ("A100 bfloat16", 64, 8),
    ("TPU v5e bfloat16", 8, 8),
    ("TPU v5e bfloat16", 64, 8),
    ("TPU v4 bfloat16", 4, 16),
    ("TPU v4 bfloat16", 16, 16),
)
"""Machine, accelerators, images of each in a step."""


class StepTime(NamedTuple):
    """Time of a step without reduction and input: `fixed_ms` + images x `image_ms`."""

    fixed_ms: float
    image_ms: float


class Prediction(NamedTuple):
    """A row of the table.

    Attributes:
      machine: its name.
      accelerators: in all.
      hosts: that hold them.
      batch: global.
      learning_rate: by the linear rule.
      steps: of the paper's 6.4 million images.
      compute_ms: of a step.
      reduce_ms: of a step, after the computing.
      input_ms: of a step, beside the computing: what a host needs for its share of the batch, and to
        read past the others'.
      read_mb: 10^6 bytes a second that each host reads.
      images_per_second: of all accelerators.
      hours: for the paper's 6.4 million images, evaluation left out.
      of_linear: share of the throughput that as many accelerators would have alone.
      cores_needed: of each host, for an input that is never waited for.
      bottleneck: `compute`, `all-reduce` or `input`.
    """

    machine: str
    accelerators: int
    hosts: int
    batch: int
    learning_rate: float
    steps: int
    compute_ms: float
    reduce_ms: float
    input_ms: float
    read_mb: float
    images_per_second: float
    hours: float
    of_linear: float
    cores_needed: float
    bottleneck: str


def assume_step_time(network: Network, machine: Machine) -> StepTime:
    """Derive the time of an image from operations, peak and efficiency."""
    operations = _OPERATIONS_PER_MAC * network.gmacs * 1e9
    return StepTime(0.0, 1e3 * operations / (machine.peak_tflops * 1e12 * machine.efficiency))


def fit_step_time(points: Sequence[tuple[int, float]]) -> StepTime:
    """Fit the time of a step to measurements, by least squares.

    Args:
      points: of (images, milliseconds of a step divided by its images), as `benchmarks/train_step.py`
        gives them for one device.

    Returns:
      The line. One point, and a line that would start below zero, give one through zero.
    """
    images = [float(batch) for batch, _ in points]
    steps = [batch * milliseconds for batch, milliseconds in points]
    mean, mean_step = sum(images) / len(images), sum(steps) / len(steps)
    spread = sum((x - mean) ** 2 for x in images)
    pairs = list(zip(images, steps, strict=True))
    if spread:
        slope = sum((x - mean) * (y - mean_step) for x, y in pairs) / spread
        if mean_step >= slope * mean and slope > 0:
            return StepTime(mean_step - slope * mean, slope)
    return StepTime(0.0, sum(x * y for x, y in pairs) / sum(x * x for x in images))


def time_all_reduce(network: Network, machine: Machine, accelerators: int) -> float:
    """Give the milliseconds in which a ring sums over all accelerators."""
    if accelerators == 1:
        return 0.0
    is_local = accelerators <= machine.per_host
    bandwidth = machine.local_gb if is_local else min(machine.local_gb, machine.remote_gb)
    passes = 2 * (accelerators - 1) / accelerators
    return 1e3 * passes * network.reduced_bytes / (bandwidth * 1e9) + (
        network.collectives * machine.latency_us / 1e3
    )


def predict(
    network: Network,
    machine: Machine,
    accelerators: int,
    images_each: int,
    input_ms: float,
    step_time: StepTime | None = None,
    read_ms: float = READ_MS,
) -> Prediction:
    """Predict one layout.

    Args:
      network: what the step costs.
      machine: the hosts.
      accelerators: in all; of a multiple of hosts, or of one host in part.
      images_each: of each accelerator in a step.
      input_ms: of one core for one image.
      step_time: as measured; None takes peak and efficiency.
      read_ms: of one core for a record of another host.

    Returns:
      The row.
    """
    hosts = math.ceil(accelerators / machine.per_host)
    batch = accelerators * images_each
    time = step_time or assume_step_time(network, machine)
    compute = time.fixed_ms + images_each * time.image_ms
    reduce = time_all_reduce(network, machine, accelerators)
    share = batch / hosts
    core_ms = share * input_ms + (batch - share) * read_ms
    feed = core_ms / machine.cores
    rate = 1e3 * batch / max(compute + reduce, feed)
    busy = "compute" if compute >= reduce else "all-reduce"
    return Prediction(
        machine=machine.name,
        accelerators=accelerators,
        hosts=hosts,
        batch=batch,
        learning_rate=PAPER_RATE * batch / PAPER_BATCH,
        steps=PAPER_STEPS * PAPER_BATCH // batch,
        compute_ms=compute,
        reduce_ms=reduce,
        input_ms=feed,
        read_mb=rate * RECORD_MB,
        images_per_second=rate,
        hours=PAPER_STEPS * PAPER_BATCH / rate / 3600 if rate else math.inf,
        of_linear=rate * compute / (1e3 * batch),
        cores_needed=core_ms / (compute + reduce),
        bottleneck="input" if feed > compute + reduce else busy,
    )


def count_reduced(task_config: Any) -> tuple[int, int]:
    """Count what a step on several replicas sums over them.

    That is, in float32 whatever the precision: in one sum the gradients of all trainable weights with
    a flag for each loss; the three counts that normalise the losses; in one sum the stored
    statistics of batch norms that train; and with synchronised batch norms, for each of them in turn,
    sums, sums of squares and counts on the way forward, and the gradients of two of them on the way
    back, each as long as its channels.

    Args:
      task_config: a checked `YolactTask`.

    Returns:
      Bytes and sums.
    """
    from official.core import task_factory
    from official_yolact import registry_imports  # noqa: F401  for its effects
    from official_yolact.tasks import train_step

    task = task_factory.get_task(task_config)
    model = task.build_model()
    numbers = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    numbers += len(task.step.names) + _COUNTS
    collectives = 2
    norms = train_step.find_batch_norms(model)
    channels = sum(int(norm.moving_mean.shape[0]) for norm in norms)
    if norms:
        numbers += 2 * channels
        collectives += 1
    if any(getattr(norm, "synchronized", False) for norm in norms):
        numbers += _SYNC_REDUCTIONS * channels
        collectives += _SYNC_REDUCTIONS * len(norms)
    return 4 * numbers, collectives


def measure_network(experiment: str) -> dict[bool, Network]:
    """Count a network, with batch norms of each replica's own (False) and synchronised ones (True)."""
    import model_costs

    from official_yolact.configs import experiments
    from official_yolact.configs import names

    name = names.resolve_name(experiment)
    costs = model_costs.measure(name)
    gmacs = costs["gmacs"]["network"] + costs["gmacs_training_only"]["semantic_head"]
    networks = {}
    for sync_bn in (False, True):
        config = experiments.EXPERIMENTS[name]().task
        config.model.norm_activation.use_sync_bn = sync_bn
        networks[sync_bn] = Network(gmacs, *count_reduced(config))
    return networks


def predict_all(
    networks: dict[bool, Network],
    input_ms: float,
    only: str | None = None,
    step_time: StepTime | None = None,
    cores: float | None = None,
) -> list[Prediction]:
    """Predict `LAYOUTS`, or those of one machine, with what was measured there."""
    machines = {machine.name: machine for machine in MACHINES}
    if cores is not None:
        machines = {name: machine._replace(cores=cores) for name, machine in machines.items()}
    return [
        predict(
            networks[machines[name].sync_bn], machines[name], accelerators, images_each, input_ms, step_time
        )
        for name, accelerators, images_each in LAYOUTS
        if only in (None, name)
    ]


def format_table(rows: list[Prediction]) -> str:
    """Write the rows as a Markdown table."""
    lines = [
        "| accelerators | hosts | batch | learning rate | steps | compute, ms | all-reduce, ms | input, ms "
        "| each host reads, MB/s | images/s | of linear | hours | cores a host needs | bottleneck |",
        "|" + "---|" * 14,
    ]
    for row in rows:
        lines.append(
            f"| {row.accelerators} × {row.machine} | {row.hosts} | {row.batch} | {row.learning_rate:g} "
            f"| {row.steps:,} | {row.compute_ms:.0f} | {row.reduce_ms:.1f} | {row.input_ms:.1f} "
            f"| {row.read_mb:,.0f} | {row.images_per_second:,.0f} | {row.of_linear:.0%} | {row.hours:.3g} "
            f"| {row.cores_needed:.1f} | {row.bottleneck} |"
        )
    return "\n".join(lines)


def _read_point(text: str) -> tuple[int, float]:
    batch, _, milliseconds = text.partition(":")
    return int(batch), float(milliseconds)


def main() -> None:
    """Count, predict and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--experiment", default="yolact_resnet50_coco")
    parser.add_argument("--input_ms", type=float, default=INPUT_MS, help="of one core for one image")
    parser.add_argument("--machine", choices=[machine.name for machine in MACHINES])
    parser.add_argument("--image_ms", nargs="+", type=_read_point, metavar="BATCH:MS")
    parser.add_argument("--cores", type=float, help="of each host")
    args = parser.parse_args()
    if args.image_ms and not args.machine:
        parser.error("--image_ms needs --machine: on which machine was it measured?")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    networks = measure_network(args.experiment)
    step_time = fit_step_time(args.image_ms) if args.image_ms else None
    rows = predict_all(networks, args.input_ms, args.machine, step_time, args.cores)
    print(format_table(rows))
    result = {
        "experiment": args.experiment,
        "input_ms": args.input_ms,
        "measured_step": step_time and step_time._asdict(),
        "networks": {
            ("synchronised" if sync else "own") + "_batch_norm": network._asdict()
            for sync, network in networks.items()
        },
        "machines": [machine._asdict() for machine in MACHINES],
        "rows": [row._asdict() for row in rows],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
