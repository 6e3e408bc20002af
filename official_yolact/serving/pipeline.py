"""From sources through a model into sinks, with no more than three batches of pictures in memory.

While the network computes one, the next is read, and the last one drawn and written.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence

from official_yolact.serving import ahead
from official_yolact.serving import searching
from official_yolact.serving import shots
from official_yolact.serving.sinks import sink as sink_lib
from official_yolact.serving.sinks import window
from official_yolact.video import reading
from official_yolact.video import spans
from official_yolact_runtime import detections as detections_lib
from official_yolact_runtime import predictor as predictor_lib

Progress = Callable[[int, int | None], None]
"""Called with (done, total) after each picture; total is None where nobody knows it."""


@dataclasses.dataclass
class Account:
    """What came of the sources.

    Attributes:
      num_pictures: photos and frames in which instances were looked for.
      num_frames: frames among them.
      num_videos: videos that were read.
      num_detections: instances found.
      skipped: one message for each source that could not be read, naming it.
      cut_off: one message for each video that ends early or is damaged, naming it.
    """

    num_pictures: int = 0
    num_frames: int = 0
    num_videos: int = 0
    num_detections: int = 0
    skipped: list[str] = dataclasses.field(default_factory=list)
    cut_off: list[str] = dataclasses.field(default_factory=list)


def predict(
    predictor: predictor_lib.Predictor,
    sources: Sequence[shots.Source],
    sinks: Sequence[sink_lib.Sink],
    account: Account,
    *,
    span: spans.Span | None = None,
    search: searching.Search | None = None,
    progress: Progress | None = None,
) -> None:
    """Find instances in all sources, and hand them to all sinks, which are finished whatever happens.

    Args:
      predictor: the model.
      sources: photos and videos; pictures of several share a batch.
      sinks: what is written.
      account: is kept while the sources are read.
      span: which frames of a video are looked at; None: all.
      search: how they are looked for, and which are shown.
      progress: called after each picture.

    Raises:
      OSError: a sink cannot write; names the file.
      ValueError: something would be lost, or no source could be read.
      KeyboardInterrupt: the sinks have what was done until then.
    """
    read = _Reading(predictor, sources, span or spans.Span(), account, progress)
    batch = predictor.runtime.batch_size
    with sink_lib.finishing(sinks) as write, contextlib.closing(ahead.make_ahead(read, batch)) as pictures:

        def put(pair: searching.Found) -> searching.Found:
            write(*pair)
            return pair

        pairs = searching.find(predictor, pictures, search or searching.Search())
        # A window belongs to the main thread.
        is_shown = any(isinstance(sink, window.Window) for sink in sinks)
        for shot, found in map(put, pairs) if is_shown else ahead.map_ahead(put, pairs, batch):
            _count(account, shot, found)
            read.report(1)
    if sources and len(account.skipped) == len(sources):
        others = f" (and {len(sources) - 1} more)" if len(sources) > 1 else ""
        what = "picture" if not any(source.is_video for source in sources) else "source"
        raise ValueError(f"no {what} could be read: {account.skipped[0]}{others}")
    if not account.num_pictures and account.cut_off:
        raise ValueError(account.cut_off[0])
    if sources and not account.num_pictures:
        raise ValueError(
            f"{sources[0].name}: no frame lies between --start and --end: the video ends earlier"
        )


def _count(account: Account, shot: shots.Shot, found: detections_lib.Detections) -> None:
    account.num_pictures += 1
    account.num_frames += shot.frame is not None
    account.num_detections += len(found)


class _Reading:
    """Reads all sources, and counts what is done of their total."""

    def __init__(
        self,
        predictor: predictor_lib.Predictor,
        sources: Sequence[shots.Source],
        span: spans.Span,
        account: Account,
        progress: Progress | None,
    ) -> None:
        self._predictor, self._sources, self._span = predictor, sources, span
        self._account, self._progress = account, progress
        self._done = 0
        self._lock = threading.Lock()  # pictures that cannot be read are reported by the thread that reads
        # Photos are counted at once, a video when it is opened.
        self._total: int | None = sum(not source.is_video for source in sources)
        self._unopened = sum(source.is_video for source in sources)
        self._next_id = max((source.image_id or 0 for source in sources), default=0) + 1

    def __iter__(self) -> Iterator[shots.Shot]:
        for source in self._sources:
            yield from self._read_video(source) if source.is_video else self._read_photo(source)

    def report(self, count: int) -> None:
        """Show that pictures are done."""
        with self._lock:
            self._done += count
            if self._progress:
                self._progress(self._done, None if self._unopened else self._total)

    def _read_photo(self, source: shots.Source) -> Iterator[shots.Shot]:
        image_id = self._take_id() if source.image_id is None else source.image_id
        try:
            image = self._predictor.read(source.name if source.data is None else source.data, source.size)
        except (OSError, ValueError) as error:
            self._account.skipped.append(str(error))
            self.report(1)
        else:
            yield shots.Shot(source, image_id, image)

    def _read_video(self, source: shots.Source) -> Iterator[shots.Shot]:
        self._unopened -= 1
        try:
            reader = reading.open_video(source.address or source.name)
        except (OSError, ValueError) as error:
            self._account.skipped.append(str(error))
            return
        self._account.num_videos += 1
        expected = self._span.count(reader.num_frames, reader.rate)
        self._total = None if expected is None or self._total is None else self._total + expected
        clip = shots.Clip(reader.time_base, reader.rate / self._span.every)
        count = 0
        try:
            for frame in reader.read(self._span):
                count += 1
                yield shots.Shot(source, self._take_id(), frame.image, frame.number, frame.time, clip)
        except ValueError as error:
            self._account.cut_off.append(f"{source.name}: after {count} frames: {error}")
        finally:
            reader.close()
        if reader.num_damaged:
            self._account.cut_off.append(f"{source.name}: {reader.num_damaged} frames cannot be decoded")
        if self._total is not None and expected is not None:
            self._total += count - expected

    def _take_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1
