import os
from fractions import Fraction

import av
import clips
import pytest

from official_yolact.video import reading
from official_yolact.video import spans
from official_yolact.video import writing

TIMES = (3000, 3040, 3100, 3500, 3501, 3900, 4500)


def write(path, times=TIMES, size=clips.SIZE, rate=25):
    writer = writing.open_writer(str(path), Fraction(1, 1000), Fraction(rate))
    for index, time in enumerate(times):
        writer.write(clips.paint(index, size), Fraction(time, 1000))
    return writer


def test_times_are_kept_to_the_last_digit_from_the_first_frame_on(tmp_path):
    write(tmp_path / "a.mp4").finish()
    found = clips.read(tmp_path / "a.mp4")
    assert [time for time, _ in found] == [(time - 3000) / 1000 for time in TIMES]
    assert os.listdir(tmp_path) == ["a.mp4"]
    with av.open(str(tmp_path / "a.mp4")) as file:
        stream = file.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt, stream.frames) == (
            "h264",
            "yuv420p",
            7,
        )
    for index, (_, image) in enumerate(found):
        assert abs(image[40:].mean() - clips.paint(index)[40:].mean()) < 4


@pytest.mark.parametrize(
    "base", [Fraction(1, 25), Fraction(1001, 30000), Fraction(1, 90000), Fraction(1, 600)]
)
def test_any_time_base_is_kept_exactly(tmp_path, base):
    path = str(tmp_path / "a.mp4")
    writer = writing.open_writer(path, base, 1 / base if base > Fraction(1, 100) else Fraction(25))
    times = [base * step for step in (0, 1, 2, 5, 7, 100)]
    for index, time in enumerate(times):
        writer.write(clips.paint(index), time)
    writer.finish()
    reader = reading.open_video(path)
    assert [frame.time for frame in reader.read(spans.Span())] == times
    reader.close()


@pytest.mark.parametrize("has_av", [True, False])
def test_odd_sides_and_frames_of_another_size_fit_the_video(tmp_path, monkeypatch, has_av):
    monkeypatch.setattr(reading, "has_av", lambda: has_av)
    path = tmp_path / f"a{writing.find_extension()}"
    writer = writing.open_writer(str(path), Fraction(1, 10), Fraction(10))
    writer.write(clips.paint(0, (47, 63)), Fraction(0))
    writer.write(clips.paint(1, (90, 20)), Fraction(1, 10))
    writer.finish()
    assert [image.shape for _, image in clips.read(path)] == [(48, 64, 3)] * 2


def test_without_pyav_a_video_is_vp8_at_its_rate(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(reading, "has_av", lambda: False)
    assert writing.find_extension() == ".webm"
    write(tmp_path / "a.webm", range(0, 500, 100), rate=10).finish()
    found = clips.read(tmp_path / "a.webm")
    assert [time for time, _ in found] == [0, 0.1, 0.2, 0.3, 0.4]
    assert os.listdir(tmp_path) == ["a.webm"]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
def test_a_full_disk_leaves_a_video_that_can_be_played(tmp_path, monkeypatch, part):
    """Frames that reached the disk in whole fragments are there; nothing else is left in the folder."""
    import resource

    rate, times = 5, range(0, 20_000, 200)
    write(tmp_path / "whole.mp4", times, rate=rate).finish()
    size = (tmp_path / "whole.mp4").stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(size * part), limits[1]))
    try:
        writer = writing.open_writer(str(tmp_path / "a.mp4"), Fraction(1, 1000), Fraction(rate))
        with pytest.raises(OSError, match="a.mp4"):  # noqa: PT012  whichever frame meets the limit
            for index, time in enumerate(times):
                writer.write(clips.paint(index), Fraction(time, 1000))
            writer.finish()
        writer.finish()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    found = [time for time, _ in clips.read(tmp_path / "a.mp4")]
    assert found == [time / 1000 for time in times][: len(found)]
    assert len(found) >= part * 100 - 25
    assert sorted(os.listdir(tmp_path)) == ["a.mp4", "whole.mp4"]


def test_a_full_disk_is_found_out_where_opencv_writes(tmp_path, monkeypatch, capfd):
    import resource

    monkeypatch.setattr(reading, "has_av", lambda: False)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limits[1]))
    try:
        writer = write(tmp_path / "a.webm", range(0, 4000, 40))
        with pytest.raises(OSError, match=r"a\.webm"):
            writer.finish()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert 0 < len(clips.read(tmp_path / "a.webm")) < 100
    assert os.listdir(tmp_path) == ["a.webm"]


def test_a_video_without_frames_is_not_left(tmp_path):
    writer = writing.open_writer(str(tmp_path / "a.mp4"), Fraction(1, 25), Fraction(25))
    with pytest.raises(ValueError, match="without frames"):
        writer.finish()
    assert os.listdir(tmp_path) == []


def test_memory_does_not_grow_with_the_frames(tmp_path):
    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    path = str(tmp_path / "a.mp4")
    write(tmp_path / "a.mp4", range(0, 4000, 40), (120, 160)).finish()
    reader = reading.open_video(path)
    writer = writing.open_writer(str(tmp_path / "b.mp4"), reader.time_base, reader.rate)
    sizes = []
    for frame in reader.read(spans.Span()):
        writer.write(frame.image, frame.time)
        sizes.append(resident())
    writer.finish()
    assert len(sizes) == 100
    # 70 frames of 58 kB would be 4 MB.
    assert sizes[-1] - sizes[30] < 2e6
