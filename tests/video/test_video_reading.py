import os
import pathlib
import re
from fractions import Fraction

import av
import clips
import cv2
import numpy as np
import pytest

from official_yolact.video import frames
from official_yolact.video import opencv_reader
from official_yolact.video import reading
from official_yolact.video import spans

TIMES = (0, 40, 100, 500, 501, 900, 1500)


def read(path, **span):
    reader = reading.open_video(str(path))
    try:
        return list(reader.read(spans.Span(**span)))
    finally:
        reader.close()


def seconds(found):
    return [float(frame.time) for frame in found]


def test_frames_at_any_distance_keep_their_times_and_numbers(tmp_path):
    path = clips.write(tmp_path / "a.mp4", TIMES)
    found = read(path)
    assert [frame.time for frame in found] == [Fraction(time, 1000) for time in TIMES]
    assert [frame.number for frame in found] == list(range(len(TIMES)))
    for index, frame in enumerate(found):
        assert abs(frame.image[40:].mean() - clips.paint(index)[40:].mean()) < 3


def test_a_span_has_every_nth_frame_of_a_part(tmp_path):
    path = clips.write(tmp_path / "a.mp4", range(0, 1000, 100))
    found = read(path, every=3, start=Fraction("0.2"), end=Fraction("0.8"))
    assert [(frame.number, float(frame.time)) for frame in found] == [(2, 0.2), (5, 0.5)]
    assert read(path, start=Fraction(2)) == []


@pytest.mark.parametrize(
    ("every", "start", "end", "count"), [(1, 0, None, 10), (3, 0, None, 4), (2, 0.3, 0.8, 3)]
)
def test_the_number_of_frames_is_estimated_before_they_are_read(every, start, end, count):
    span = spans.Span(every, Fraction(str(start)), None if end is None else Fraction(str(end)))
    assert span.count(10, Fraction(10)) == count
    assert spans.Span().count(None, Fraction(10)) is None


@pytest.mark.parametrize(
    ("text", "time"), [("7", 7), ("0.25", Fraction(1, 4)), ("01:05.5", Fraction(131, 2)), ("1:00:00", 3600)]
)
def test_times_are_seconds_or_a_clock(text, time):
    assert spans.parse_time(text) == time


@pytest.mark.parametrize("text", ["", "x", "-1", "1:60", "1:2:3:4", "1:99:00", "nan"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match="is no time"):
        spans.parse_time(text)


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_a_turned_video_is_shown_upright_as_opencv_shows_it(tmp_path, angle):
    path = clips.write(tmp_path / "a.mp4")
    clips.turn_track(path, angle)
    capture = cv2.VideoCapture(path)
    expected = cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)
    image = read(path)[0].image
    assert image.shape == expected.shape == ((64, 48, 3) if angle != 180 else (48, 64, 3))
    assert np.abs(image.astype(int) - expected).max() < 12


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_an_animated_picture_is_a_video_with_the_times_of_its_frames(tmp_path, suffix):
    path = clips.write_animation(tmp_path / f"a.{suffix}", (50, 70, 200, 30))
    assert reading.is_video(path)
    found = read(path)
    assert seconds(found) == [0, 0.05, 0.12, 0.32]
    assert found[2].image.shape == (48, 64, 3)


def test_a_picture_that_does_not_move_is_no_video(tmp_path):
    from PIL import Image

    for suffix in ("gif", "png", "webp", "jpg", "tiff"):
        path = str(tmp_path / f"a.{suffix}")
        Image.fromarray(clips.paint(0)).save(path)
        assert not reading.is_video(path)
    assert not reading.is_video(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mkv", "libx264"),
        ("a.webm", "libvpx"),
        ("a.avi", "mpeg4"),
        ("a.ts", "libx264"),
    ],
)
def test_videos_are_known_by_their_content(tmp_path, name, codec):
    path = clips.write(tmp_path / name, range(0, 800, 40), codec=codec)
    plain = tmp_path / "plain"
    os.rename(path, plain)
    found = read(plain)
    assert len(found) == 20
    assert seconds(found) == pytest.approx([0.04 * index for index in range(20)], abs=1e-9)
    if not name.endswith("ts"):
        assert reading.is_video(str(plain))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_a_file_that_is_cut_off_gives_its_good_frames_and_then_says_so(tmp_path, name):
    container = {"movflags": "faststart"} if name == "a.mp4" else None
    codec = "mpeg4" if name == "a.avi" else "libx264"
    options = {"g": "5"}
    path = clips.write(tmp_path / name, range(0, 2000, 40), codec=codec, options=options, container=container)
    clips.cut_off(path, 0.6)
    reader = reading.open_video(path)
    found = []
    with pytest.raises(frames.EndsEarlyError, match=r"states|cannot be read on"):  # noqa: PT012
        for frame in reader.read(spans.Span()):
            found.append(frame)
    assert 10 < len(found) < 48
    reader.close()
    assert seconds(found) == pytest.approx([0.04 * index for index in range(len(found))], abs=1e-9)


def test_a_part_of_a_file_that_is_cut_off_behind_it_is_whole(tmp_path):
    path = clips.write(tmp_path / "a.mp4", range(0, 2000, 40), container={"movflags": "faststart"})
    clips.cut_off(path, 0.6)
    assert len(read(path, end=Fraction("0.2"))) == 5


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"#EXTM3U\n#EXTINF:1,\n{path}\n#EXT-X-ENDLIST\n", id="playlist"),
        pytest.param(b"ffconcat version 1.0\nfile '{path}'\n", id="list of files"),
        pytest.param(b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n", id="session description"),
        pytest.param(b"\0\0\0\x18ftypmp42\0\0\0\0", id="header alone"),
    ],
)
@pytest.mark.parametrize(
    "opener",
    [reading.open_video, lambda path: opencv_reader.OpenCvReader(path, path)],
    ids=["usual", "opencv"],
)
def test_a_file_opens_no_other_file(tmp_path, content, opener):
    path = clips.write(tmp_path / "good.mp4")
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(content.replace(b"{path}", path.encode()))
    with pytest.raises(ValueError, match=r"bad\.mp4: not a video that can be read"):
        opener(str(bad))


def test_sound_alone_is_refused(tmp_path):
    path = str(tmp_path / "a.mp4")
    with av.open(path, "w") as file:
        stream = file.add_stream("aac", rate=8000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    with pytest.raises(ValueError, match=r"a\.mp4: holds no video, but sound alone"):
        reading.open_video(path)


@pytest.mark.parametrize(
    "opener",
    [reading.open_video, lambda path: opencv_reader.OpenCvReader(path, path)],
    ids=["usual", "opencv"],
)
def test_frames_that_are_too_large_are_refused_before_they_are_decoded(tmp_path, monkeypatch, opener):
    path = clips.write(tmp_path / "a.mp4")
    monkeypatch.setattr("official_yolact.video.kinds.MAX_PIXELS", 48 * 64 - 1)
    with pytest.raises(
        ValueError, match=r"a\.mp4: (its frames of 64x48 pixels are more than|not a video that)"
    ):
        opener(path)


def test_opencv_reads_the_same_frames_at_the_same_times(tmp_path):
    path = clips.write(tmp_path / "a.mp4", TIMES)
    reader = opencv_reader.OpenCvReader(path, path)
    assert seconds(list(reader.read(spans.Span()))) == [time / 1000 for time in TIMES]
    assert reader.num_frames == len(TIMES)


@pytest.mark.parametrize("name", ["camera:77", "http://127.0.0.1:9/x.mp4", "rtsp://127.0.0.1:9/x"])
@pytest.mark.parametrize("has_av", [True, False])
def test_a_camera_or_a_stream_that_is_not_there_is_named(name, has_av, monkeypatch):
    monkeypatch.setattr(reading, "has_av", lambda: has_av)
    with pytest.raises(ValueError, match=f"{name}: (there is no such camera|the stream cannot be opened)"):
        reading.open_video(name)


def test_a_damaged_file_gives_frames_or_a_message_and_nothing_else(tmp_path):
    """Bytes are overwritten or cut off; no damage may raise anything but the two kinds of errors."""
    names = (("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.avi", "mpeg4"), ("a.ts", "libx264"))
    wholes = [clips.write(tmp_path / name, range(0, 400, 40), codec=codec) for name, codec in names]
    wholes += [
        clips.write_animation(tmp_path / f"a.{suffix}", (50,) * 5) for suffix in ("gif", "png", "webp")
    ]
    rng = np.random.default_rng(0)
    states = set()
    for index in range(150):
        whole = wholes[index % len(wholes)]
        content = bytearray(pathlib.Path(whole).read_bytes())
        if index % 3:
            limit = len(content) if index % 2 else min(len(content), 600)
            for at in rng.integers(0, limit, rng.choice([1, 3, 20, 200])):
                content[at] = rng.choice([0, 255, rng.integers(256)])
        else:
            del content[rng.integers(len(content)) :]
        path = tmp_path / f"bad{pathlib.Path(whole).suffix}"
        path.write_bytes(content)
        try:
            states.add(f"{len(read(path))} frames")
        except frames.EndsEarlyError:
            states.add("ends early")
        except ValueError as error:
            states.add("refused" if str(error).startswith(f"{path}: ") else str(error))
    assert {"ends early", "refused"} < states
    assert all(re.fullmatch(r"ends early|refused|\d+ frames", state) for state in states), states
