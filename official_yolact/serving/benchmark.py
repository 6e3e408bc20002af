"""How long models take for a photo, part by part; each model runs in a process of its own.

So each has its own memory, threads and start, and all are timed in turn: a busy moment of the machine falls
on all of them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import multiprocessing
import os
import signal
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import connection
from typing import Any

import numpy as np

import official_yolact_runtime
from official_yolact.serving import choosing
from official_yolact_runtime import detections as detections_lib
from official_yolact_runtime import export_info
from official_yolact_runtime import predictor as predictor_lib
from official_yolact_runtime.files import inputs

TOGETHER = "network + suppression"
"""The part of a model that has both in one graph."""

TENSORFLOW = "tensorflow"
TOTAL = "total"
_RUNTIMES = {
    ".tflite": {"litert": "ai_edge_litert"},
    ".onnx": {"onnx": "onnxruntime", "openvino": "openvino"},
}
"""By the ending of an export's file: the runtimes that read it, and the package of each."""

_PERCENTILE = 95
_MEGABYTE = 2**20


@dataclasses.dataclass(frozen=True)
class Target:
    """A model to be timed.

    Attributes:
      path: of the model, or of an export's file.
      runtime: as of `official_yolact.load`.
      precision: likewise.
    """

    path: str
    runtime: str
    precision: str


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is done with every model.

    Attributes:
      photo: a picture's path, or the bytes of its file.
      batches: numbers of pictures that are given at once.
      rounds: how often everything is timed.
      threads: of the network; None: as many as the runtime chooses.
      annotations: COCO annotations to measure AP with; None: it is not measured.
      images: folder of their images.
    """

    photo: str | bytes
    batches: Sequence[int]
    rounds: int
    threads: int | None
    annotations: str | None
    images: str | None


def list_targets(paths: Sequence[str], precisions: Sequence[str]) -> list[Target]:
    """List what is timed: a trained model in each precision, each file of an export with each runtime.

    Args:
      paths: of models, of exports, and of files of exports.
      precisions: of trained models, as of `official_yolact.load`.

    Raises:
      OSError: there is no such file or folder.
    """
    targets: list[Target] = []
    for path in paths:
        if not os.path.lexists(path) and not os.path.lexists(f"{path}.index"):
            raise FileNotFoundError(f"{path}: no such model directory or export{inputs.hint(path)}")
        if os.path.isfile(os.path.join(path, export_info.FILE_NAME)):
            found = export_info.ExportInfo.load(path).files
            files = [os.path.join(path, name) for name in found if name.endswith(tuple(_RUNTIMES))]
        else:
            files = [path]
        for file in files:
            runtimes = _RUNTIMES.get(os.path.splitext(file)[1])
            if runtimes is None:
                names = dict.fromkeys(choosing.choose_precision(name).name for name in precisions)
                targets += [Target(file, TENSORFLOW, name) for name in names]
            else:
                present = [name for name, module in runtimes.items() if importlib.util.find_spec(module)]
                targets += [Target(file, name, "auto") for name in present or ("auto",)]
    return targets


def run(
    targets: Sequence[Target], settings: Settings, report: Callable[[int, int], None]
) -> list[dict[str, Any]]:
    """Time models.

    Args:
      targets: the models, at least one; the others are compared with the first.
      settings: of all.
      report: called with (done, total) after each round.

    Returns:
      For each model and batch: `model`, `runtime`, `precision`, `batch`, `at_once` (pictures that pass the
      network at once), `detections` in the photo, `milliseconds` of a picture by part and in all (`median`,
      `p95`), `over_first` (the ratio of the medians to the first model's), `load_s`, `first_s`, `memory_mb`,
      `size_mb`, and with annotations `box_AP` and `mask_AP`.

    Raises:
      OSError, ValueError: a model cannot be loaded, or the photo cannot be read; names it.
    """
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(_start(target, settings)) for target in targets]
        loaded = [_receive(worker, target) for worker, target in zip(workers, targets, strict=True)]
        times: list[dict[int, list[dict[str, float]]]] = [{} for _ in targets]
        for done in range(settings.rounds + 1):
            for worker, target, found in zip(workers, targets, times, strict=True):
                for batch in settings.batches:
                    worker.send(batch)
                    spent = _receive(worker, target)
                    if done:  # the first round warms up
                        found.setdefault(batch, []).append(spent)
            report(done, settings.rounds)
        for worker in workers:
            worker.send(None)
        ended = [_receive(worker, target) for worker, target in zip(workers, targets, strict=True)]
    rows = [
        {**facts, "batch": batch, "milliseconds": summarize(found[batch], batch), **end}
        for batch in settings.batches
        for facts, found, end in zip(loaded, times, ended, strict=True)
    ]
    for row in rows:
        first = next(one for one in rows if one["batch"] == row["batch"])
        row["over_first"] = _compare(row["milliseconds"], first["milliseconds"])
    return rows


@contextlib.contextmanager
def _start(target: Target, settings: Settings) -> Iterator[connection.Connection]:
    """Start the process of a model; it ends when its connection is closed."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, target, settings), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.join(10)
        process.kill()


def _receive(worker: connection.Connection, target: Target) -> Any:
    try:
        answer = worker.recv()
    except EOFError:
        raise ValueError(f"{target.path}: its process has died (out of memory?)") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _work(pipe: connection.Connection, target: Target, settings: Settings) -> None:
    """Load a model, and time it as often as the connection asks: the main function of its process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, and its end closes the connection.
    with contextlib.suppress(EOFError, BrokenPipeError):
        try:
            _answer(pipe, target, settings)
        except (OSError, TypeError, ValueError) as error:
            pipe.send(type(error)(str(error)))


def _answer(pipe: connection.Connection, target: Target, settings: Settings) -> None:
    start = time.perf_counter()
    model = _load(target, settings)
    load_s = time.perf_counter() - start
    found = model(settings.photo, score_threshold=0.0)
    facts = {
        "model": target.path,
        "runtime": getattr(model.runtime, "description", target.runtime),
        "at_once": model.runtime.batch_size,
        "detections": len(found),
        "load_s": round(load_s, 2),
        "first_s": round(time.perf_counter() - start, 2),
        "size_mb": round(_measure_size(target.path, model) / _MEGABYTE, 2),
    }
    pipe.send(facts)
    while (batch := pipe.recv()) is not None:
        pipe.send(time_parts(model, settings.photo, batch))
    precision = _measure_precision(model, settings) if settings.annotations else {}
    pipe.send({"memory_mb": round(_read_peak_mb(), 1), **precision})


def _load(target: Target, settings: Settings) -> predictor_lib.Predictor:
    """Load a model; TensorFlow only for those that it runs."""
    if target.runtime == TENSORFLOW:
        from official_yolact.serving import loading  # noqa: PLC0415  TensorFlow

        return loading.load(
            target.path, max(settings.batches), precision=target.precision, threads=settings.threads
        )
    loaded: predictor_lib.Predictor = official_yolact_runtime.load(
        target.path, target.runtime, settings.threads
    )
    return loaded


def time_parts(
    model: predictor_lib.Predictor,
    photo: str | bytes,
    batch: int,
    last: tuple[str, Callable[[detections_lib.Detections], Any]] = ("draw", detections_lib.Detections.draw),
) -> dict[str, float]:
    """Predict so many pictures once.

    Args:
      model: what predicts.
      photo: a picture's path, or the bytes of its file.
      batch: so many times at once.
      last: name of the last part, and what it does with the detections of a picture.

    Returns:
      Seconds by part.
    """
    seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def timed(part: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        seconds[part] = seconds.get(part, 0.0) + time.perf_counter() - start

    with timed("decode"):
        images = [model.read(photo) for _ in range(batch)]
    runtime: Any = model.runtime
    for first in range(0, batch, runtime.batch_size):
        some = images[first : first + runtime.batch_size]
        if hasattr(runtime, "run_network"):
            with timed("network"):
                raw = runtime.run_network(runtime.preprocess(some))
                runtime.wait()
            with timed("suppression"):
                arrays = runtime.generate(raw, runtime.fit(some))
        else:
            with timed(TOGETHER):
                arrays = runtime.detect(some)
        with timed("masks"):
            found = [
                model.finish(image, {name: value[index] for name, value in arrays.items()}, 0.0, 100)
                for index, image in enumerate(some)
            ]
        with timed(last[0]):
            for one in found:
                last[1](one)
    return seconds


def summarize(rounds: Sequence[dict[str, float]], batch: int) -> dict[str, dict[str, float]]:
    """Give median and 95th percentile of the milliseconds of a picture, by part and in all."""
    columns = {part: [1e3 * spent[part] / batch for spent in rounds] for part in rounds[0]}
    columns[TOTAL] = [sum(values) for values in zip(*columns.values(), strict=True)]
    return {
        part: {
            "median": round(statistics.median(values), 3),
            "p95": round(float(np.percentile(values, _PERCENTILE)), 3),
        }
        for part, values in columns.items()
    }


def _compare(row: dict[str, dict[str, float]], first: dict[str, dict[str, float]]) -> dict[str, float]:
    """Divide the medians of a model by those of the first, where both have the part."""

    def read(times: dict[str, dict[str, float]]) -> dict[str, float]:
        medians = {part: numbers["median"] for part, numbers in times.items()}
        if TOGETHER not in medians:
            medians[TOGETHER] = medians["network"] + medians["suppression"]
        return medians

    ours, theirs = read(row), read(first)
    return {part: round(value / theirs[part], 3) for part, value in ours.items() if theirs.get(part, 0.0) > 0}


def _measure_precision(model: predictor_lib.Predictor, settings: Settings) -> dict[str, float]:
    """Measure the AP of boxes and masks."""
    from official_yolact.evaluation import coco_evaluator  # noqa: PLC0415  a light model needs TensorFlow here
    from official_yolact.evaluation import groundtruth  # noqa: PLC0415
    from official_yolact.serving import batch  # noqa: PLC0415
    from official_yolact.serving import sources  # noqa: PLC0415

    path, folder = str(settings.annotations), str(settings.images)
    listed = sources.list_annotated(groundtruth.load_images(path), folder, path)
    evaluator = coco_evaluator.CocoEvaluator(path, model.categories)
    batch.collect_detections(model, listed, evaluator)
    metrics = evaluator.evaluate().metrics()
    return {name: metrics[name] for name in ("box_AP", "mask_AP") if name in metrics}


def _measure_size(path: str, model: predictor_lib.Predictor) -> int:
    """Count the bytes of the files that hold the model."""
    if os.path.isfile(path):
        return os.path.getsize(path)
    checkpoint = model.weights.checkpoint if model.weights else ""
    folder, start = os.path.dirname(checkpoint) or ".", f"{os.path.basename(checkpoint)}."
    if checkpoint and os.path.isdir(folder):
        files = [os.path.join(folder, name) for name in os.listdir(folder) if name.startswith(start)]
    else:
        files = [os.path.join(at, name) for at, _, names in os.walk(path) for name in names]
    return sum(map(os.path.getsize, files))


def _read_peak_mb() -> float:
    """Read the largest resident memory that this process has had."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            # `ru_maxrss` counts what the process was before it became this program, too.
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:")) / 1024
    except (OSError, StopIteration):
        import resource  # noqa: PLC0415  no Windows has it

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MEGABYTE
