"""Pictures and videos with the instances drawn on them."""

from __future__ import annotations

from official_yolact.serving import shots
from official_yolact.serving.sinks import sink
from official_yolact.video import writing
from official_yolact_runtime import detections as detections_lib

FRAMES_FOLDER = "frames"


class Pictures(sink.Sink):
    """`NAME.jpg` of each photo."""

    def __init__(self, place: sink.Place, stems: list[str]) -> None:
        self._place = place
        for stem in stems:
            place.claim(f"{stem}.jpg")

    def write(self, shot: shots.Shot, found: detections_lib.Detections) -> None:
        """Write a photo; frames of videos are passed over."""
        if shot.frame is None:
            self._place.save(found, f"{shot.source.stem}.jpg")


class Frames(sink.Sink):
    """`frames/NAME/000012.jpg` of each frame of a video."""

    def __init__(self, place: sink.Place) -> None:
        self._place = place

    def write(self, shot: shots.Shot, found: detections_lib.Detections) -> None:
        """Write a frame; photos are passed over."""
        if shot.frame is not None:
            self._place.save(found, FRAMES_FOLDER, *name_parts(shot, ".jpg"))


class Videos(sink.Sink):
    """`NAME.mp4` of each video, or the suffix of what OpenCV writes."""

    def __init__(self, place: sink.Place, stems: list[str]) -> None:
        self._place = place
        self._extension = writing.find_extension() if stems else ""
        self._source: shots.Source | None = None
        self._writer: writing.Writer | None = None
        for stem in stems:
            place.claim(stem + self._extension)

    def write(self, shot: shots.Shot, found: detections_lib.Detections) -> None:
        """Append a frame to its video; photos are passed over."""
        if shot.source is not self._source:
            self.finish()
        if shot.clip is None or shot.time is None:
            return
        if self._writer is None:
            path = self._place.begin(shot.source.stem + self._extension)
            self._writer = writing.open_writer(path, shot.clip.time_base, shot.clip.rate)
            self._source = shot.source
        self._writer.write(found.draw(), shot.time)

    def finish(self) -> None:
        """Complete the video."""
        writer, self._writer, self._source = self._writer, None, None
        if writer is not None:
            writer.finish()

    def abandon(self) -> None:
        """Keep what can be played."""
        self.finish()


def name_parts(shot: shots.Shot, extension: str) -> tuple[str, ...]:
    """Name a file for a picture: by its photo, or by the number of a frame in a folder of its video."""
    if shot.frame is None:
        return (shot.source.stem + extension,)
    return shot.source.stem, f"{shot.frame:06d}{extension}"
