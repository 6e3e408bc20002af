"""The scaling model gives what a person works out by hand, and the document shows what it gives."""

from __future__ import annotations

import importlib.util
import math
import pathlib
import sys
from typing import Any

import numpy as np
import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = CHECKOUT / "docs" / "scaling.md"


@pytest.fixture(scope="module")
def scaling() -> Any:
    spec = importlib.util.spec_from_file_location(
        "scaling_model", CHECKOUT / "benchmarks" / "scaling_model.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def network(scaling: Any) -> Any:
    return scaling.Network(gmacs=1.0, reduced_bytes=10**9, collectives=4)


@pytest.fixture
def machine(scaling: Any) -> Any:
    """6 TFLOP/s in effect: an image of 6 GFLOP takes 1 ms."""
    return scaling.Machine("x", 4, 60.0, 0.1, cores=10, local_gb=10.0, remote_gb=5.0, latency_us=250.0)


def test_a_host_of_four_is_worked_out_by_hand(scaling: Any, network: Any, machine: Any) -> None:
    row = scaling.predict(network, machine, 4, 8, input_ms=5.0)
    assert (row.hosts, row.batch, row.learning_rate, row.steps) == (1, 32, 4e-3, 200_000)
    assert row.compute_ms == pytest.approx(8.0)
    # A ring of four passes on 2 x 3/4 of 1 GB at 10 GB/s; four sums wait 0.25 ms each.
    assert row.reduce_ms == pytest.approx(150.0 + 1.0)
    assert row.input_ms == pytest.approx(32 * 5.0 / 10)
    assert row.images_per_second == pytest.approx(32 / 0.159)
    assert row.hours == pytest.approx(6.4e6 / (32 / 0.159) / 3600)
    assert row.of_linear == pytest.approx(8 / 159)
    assert row.bottleneck == "all-reduce"


def test_between_hosts_the_slower_link_counts_and_each_host_feeds_its_share(
    scaling: Any, network: Any, machine: Any
) -> None:
    row = scaling.predict(network, machine, 8, 8, input_ms=5.0)
    assert row.hosts == 2
    assert row.reduce_ms == pytest.approx(1e3 * 2 * 7 / 8 / 5 + 1.0)
    # Each reads the 32 records of the other too, at 0.14 ms.
    assert row.input_ms == pytest.approx((32 * 5.0 + 32 * 0.14) / 10)
    assert row.read_mb == pytest.approx(row.images_per_second * 0.16)
    assert scaling.predict(network, machine._replace(remote_gb=99.0), 8, 8, 5.0).reduce_ms == pytest.approx(
        1e3 * 2 * 7 / 8 / 10 + 1.0
    )


def test_one_accelerator_reduces_nothing(scaling: Any, network: Any, machine: Any) -> None:
    row = scaling.predict(network, machine, 1, 8, input_ms=1.0)
    assert (row.reduce_ms, row.bottleneck) == (0.0, "compute")
    assert row.images_per_second == pytest.approx(1000.0)
    assert row.of_linear == pytest.approx(1.0)


@pytest.mark.parametrize("accelerators", [1, 3, 4, 8, 64, 4096])
def test_with_infinite_bandwidth_and_free_input_throughput_is_linear(
    scaling: Any, network: Any, machine: Any, accelerators: int
) -> None:
    ideal = machine._replace(local_gb=math.inf, remote_gb=math.inf, latency_us=0.0)
    row = scaling.predict(network, ideal, accelerators, 8, input_ms=0.0, read_ms=0.0)
    assert row.images_per_second == pytest.approx(1000.0 * accelerators)
    assert (row.of_linear, row.bottleneck) == (pytest.approx(1.0), "compute")


@pytest.mark.parametrize("accelerators", [1, 4, 64])
def test_immensely_fast_accelerators_wait_for_the_input(
    scaling: Any, network: Any, machine: Any, accelerators: int
) -> None:
    endless = machine._replace(peak_tflops=1e12, local_gb=math.inf, remote_gb=math.inf, latency_us=0.0)
    row = scaling.predict(network, endless, accelerators, 8, input_ms=5.0, read_ms=0.0)
    assert row.images_per_second == pytest.approx(2000.0 * row.hosts)
    passing = scaling.predict(network, endless, accelerators, 8, input_ms=5.0, read_ms=0.5)
    assert passing.images_per_second == pytest.approx(1e4 * row.hosts / (5.0 + 0.5 * (row.hosts - 1)))
    assert row.bottleneck == "input"


def test_whatever_the_machine_no_limit_is_exceeded_and_the_bottleneck_is_the_longest(scaling: Any) -> None:
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(500):
        values = 10 ** rng.uniform(-1, 2, 7)
        network = scaling.Network(values[0], int(values[1] * 1e7), int(values[2]))
        machine = scaling.Machine("x", 8, values[3], 0.3, values[4] + 1, 2 * values[5], values[5], values[6])
        accelerators, each = int(rng.choice([1, 2, 8, 16, 64])), int(rng.integers(1, 33))
        row = scaling.predict(network, machine, accelerators, each, 10 ** rng.uniform(0, 5))
        alone = scaling.predict(network, machine, 1, each, 0.0).images_per_second
        assert row.images_per_second <= alone * accelerators * (1 + 1e-9)
        busy, step = row.compute_ms + row.reduce_ms, 1e3 * row.batch / row.images_per_second
        assert step == pytest.approx(max(busy, row.input_ms))
        times = {"compute": row.compute_ms, "all-reduce": row.reduce_ms}
        expected = "input" if row.input_ms > busy else max(times, key=lambda name: times[name])
        assert row.bottleneck == expected
        seen.add(row.bottleneck)
    assert seen == {"compute", "all-reduce", "input"}


def test_the_cores_that_are_needed_are_just_enough(scaling: Any, network: Any, machine: Any) -> None:
    row = scaling.predict(network, machine, 8, 8, input_ms=5.0)
    fed = scaling.predict(network, machine._replace(cores=row.cores_needed), 8, 8, input_ms=5.0)
    assert fed.input_ms == pytest.approx(row.compute_ms + row.reduce_ms)


def test_a_measured_step_takes_the_place_of_peak_and_efficiency(
    scaling: Any, network: Any, machine: Any
) -> None:
    measured = scaling.fit_step_time([(4, 4.5), (8, 3.25), (16, 2.625)])
    assert measured == pytest.approx((10.0, 2.0))
    row = scaling.predict(network, machine, 1, 32, 0.0, measured)
    assert row.compute_ms == pytest.approx(74.0)


@pytest.mark.parametrize("points", [[(8, 3.0)], [(4, 3.0), (8, 3.0)], [(8, 3.0), (8, 3.0)]])
def test_equal_times_per_image_give_a_line_through_zero(scaling: Any, points: list[Any]) -> None:
    assert scaling.fit_step_time(points) == pytest.approx((0.0, 3.0))


def test_a_line_that_would_start_below_zero_starts_at_zero(scaling: Any) -> None:
    fixed, image = scaling.fit_step_time([(4, 2.0), (8, 3.0)])
    assert fixed == 0.0
    assert 2.0 < image < 3.0


@pytest.mark.parametrize("batch", [8, 64, 256, 512])
def test_learning_rate_and_steps_are_those_that_the_configuration_scales_to(
    scaling: Any, network: Any, machine: Any, batch: int
) -> None:
    from official_yolact.configs import experiments
    from official_yolact.configs import schedules

    params = experiments.EXPERIMENTS["yolact_resnet50_coco"]()
    params.task.train_data.global_batch_size = batch
    schedules.scale_schedule(params)
    row = scaling.predict(network, machine, batch // 8, 8, 0.0)
    assert params.trainer.optimizer_config.learning_rate.get().values[0] == pytest.approx(row.learning_rate)
    assert params.trainer.train_steps == row.steps


def _read_rows(text: str) -> list[list[str]]:
    """Read the rows of the table of predictions, cell by cell."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("| ") and line.count("|") == 15
    ]


def _is_close(found: str, expected: str) -> bool:
    try:
        values = [float(cell.replace(",", "").replace("%", "")) for cell in (found, expected)]
    except ValueError:
        return found == expected
    return values[0] == pytest.approx(values[1], rel=0.02, abs=0.1)


def test_the_document_shows_what_the_model_gives(scaling: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes exactly, times and rates to 2 %: small changes of the network need no new table."""
    monkeypatch.setattr(sys, "path", [str(CHECKOUT / "benchmarks"), *sys.path])
    networks = scaling.measure_network("yolact_resnet50_coco")
    text = DOCUMENT.read_text(encoding="utf-8")
    for found in networks.values():
        assert f"{found.reduced_bytes:,}" in text
        assert f"| {found.collectives} |" in text
    shown = _read_rows(text)
    expected = _read_rows(scaling.format_table(scaling.predict_all(networks, scaling.INPUT_MS)))
    assert len(shown) == len(expected) == 1 + len(scaling.LAYOUTS)
    for row, given in zip(shown, expected, strict=True):
        assert all(map(_is_close, row, given)), (row, given)
