"""Videos and streams through `yolact predict`, with a model of NumPy that finds three objects in every picture."""

import errno
import functools
import http.server
import json
import os
import pathlib
import resource
import signal
import threading

import clips
import pytest
import rtsp_server
import small_runtime
from PIL import Image

from official_yolact.cli import main
from official_yolact.video import reading

TIMES = (0, 40, 100, 500, 501, 900, 1500)


@pytest.fixture(autouse=True)
def model(monkeypatch):
    predictor = small_runtime.make_predictor()
    monkeypatch.setattr("official_yolact.serving.models.load", lambda *_, **__: predictor)
    return predictor


@pytest.fixture
def clip(tmp_path):
    return clips.write(tmp_path / "clip.mp4", TIMES)


@pytest.fixture
def predict(tmp_path, capsys):
    """Run the command; gives its exit code, its account, its messages and its folder."""

    def run(*words):
        capsys.readouterr()
        code = main.main(["predict", "m", *map(str, words), "--output", str(tmp_path / "out"), "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else None, err, tmp_path / "out"

    return run


def entries(folder):
    return json.loads((folder / "predictions.json").read_text())


def test_a_video_becomes_a_video_with_the_same_frames_and_times(predict, clip):
    code, account, err, out = predict(clip)
    assert code == 0
    assert (account["pictures"], account["frames"], account["videos"], account["detections"]) == (7, 7, 1, 21)
    assert sorted(os.listdir(out)) == ["clip.mp4", "predictions.json"]
    found = clips.read(out / "clip.mp4")
    assert [time for time, _ in found] == [time / 1000 for time in TIMES]
    assert "7/7 pictures, " in err
    assert " a second" in err
    assert "7 of them frames of 1 videos" in err
    listed = entries(out)
    assert [(e["image_id"], e["frame"], e["time"]) for e in listed[::3]] == [
        (number + 1, number, time / 1000) for number, time in enumerate(TIMES)
    ]
    assert {e["file_name"] for e in listed} == {clip}


def test_a_part_of_a_video_keeps_numbers_and_times(predict, clip):
    code, _, _, out = predict(
        clip, "--every", "2", "--start", "0:00.05", "--end", "1.2", "--save", "lines,video"
    )
    assert code == 0
    lines = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    assert [(line["frame"], line["time"]) for line in lines] == [(2, 0.1), (4, 0.501)]
    assert [time for time, _ in clips.read(out / "clip.mp4")] == [0, 0.401]


def test_photos_and_videos_of_a_folder_share_batches_and_numbers(predict, clip, tmp_path, model):
    folder = tmp_path / "mixed"
    folder.mkdir()
    os.rename(clip, folder / "b.mp4")
    for name in ("a", "b"):
        Image.fromarray(clips.paint(3)).save(folder / f"{name}.jpg")
    code, account, _, out = predict(folder)
    assert (code, account["pictures"]) == (0, 9)
    assert sorted(os.listdir(out)) == ["a.jpg", "b-2.mp4", "b.jpg", "predictions.json"]
    assert [e["image_id"] for e in entries(out)[::3]] == list(range(1, 10))


def test_an_animated_picture_is_a_video(predict, tmp_path):
    path = clips.write_animation(tmp_path / "a.gif", (50, 70, 200, 30))
    code, account, _, out = predict(path, "--save", "video,frames")
    assert (code, account["frames"]) == (0, 4)
    assert [time for time, _ in clips.read(out / "a.mp4")] == [0, 0.05, 0.12, 0.32]
    assert sorted(os.listdir(out / "frames" / "a")) == [f"{number:06d}.jpg" for number in range(4)]


def test_without_pyav_the_video_is_webm_and_a_line_names_the_extra(predict, clip, monkeypatch):
    monkeypatch.setattr(reading, "has_av", lambda: False)
    code, account, err, out = predict(clip)
    assert (code, account["frames"]) == (0, 7)
    assert len(clips.read(out / "clip.webm")) == 7
    assert "pip install 'official-yolact[video]'" in err
    assert [e["time"] for e in entries(out)[::3]] == [time / 1000 for time in TIMES]


def test_a_video_that_is_cut_off_ends_with_code_2_and_what_it_had_is_kept(predict, tmp_path):
    path = clips.write(tmp_path / "a.mp4", range(0, 2000, 40), container={"movflags": "faststart"})
    clips.cut_off(path, 0.5)
    Image.fromarray(clips.paint(0)).save(tmp_path / "b.jpg")
    code, account, err, out = predict(path, tmp_path / "b.jpg")
    assert code == 2
    assert account["pictures"] == account["frames"] + 1
    assert 0 < account["frames"] < 50
    (message,) = account["cut_off"]
    assert (
        message
        == f"{path}: after {account['frames']} frames: its header states 50 frames, and {account['frames']} are there"
    )
    assert f"yolact: not whole: {message}" in err
    assert len(clips.read(out / "a.mp4")) == account["frames"]
    assert len(entries(out)) == 3 * account["pictures"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("camera:77", "camera:77: there is no such camera, or another program uses it"),
        ("rtsp://127.0.0.1:9/x", "rtsp://127.0.0.1:9/x: the stream cannot be opened: Connection refused"),
        ("file:///etc/passwd", "file:// is not read"),
        ("concat:a.mp4|b.mp4", "no such picture or folder"),
        ("http:/x", "no such picture or folder"),
    ],
)
def test_what_is_not_there_or_not_allowed_is_one_message(predict, name, says):
    code, account, err, out = predict(name)
    assert (code, account) == (2, None)
    assert says in err.splitlines()[-1]
    assert err.count("yolact: ") == 1
    assert not out.exists()


def test_a_part_behind_the_end_is_an_error(predict, clip):
    code, _, err, out = predict(clip, "--start", "5")
    assert code == 2
    assert f"{clip}: no frame lies between --start and --end" in err
    assert not out.exists()


class _Server:
    """Serves a file by HTTP, whole or up to a byte at which it stops sending."""

    def __init__(self, folder, stops_at=None, kind=None):
        class Handler(http.server.SimpleHTTPRequestHandler):
            def guess_type(self, path):
                return kind or super().guess_type(path)

            def log_message(self, *_):
                pass

            def copyfile(self, source, outputfile):
                if stops_at is None:
                    super().copyfile(source, outputfile)
                    return
                outputfile.write(source.read(stops_at))
                outputfile.flush()
                stopped.wait(20)

        stopped = self.stopped = threading.Event()
        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))
        )
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.server.shutdown()
        self.server.server_close()


def test_a_stream_is_read_from_its_address(predict, tmp_path):
    clips.write(tmp_path / "a.ts", range(0, 400, 40))
    with _Server(tmp_path) as server:
        code, account, _, out = predict(f"{server.url}/a.ts")
    assert (code, account["frames"]) == (0, 10)
    assert len(clips.read(out / "a.mp4")) == 10


def test_a_stream_that_stops_ends_with_what_it_had(predict, tmp_path, monkeypatch):
    monkeypatch.setattr("official_yolact.video.kinds.TIMEOUT_SECONDS", 1.0)
    path = clips.write(tmp_path / "a.ts", range(0, 4000, 40), options={"g": "5"})
    with _Server(tmp_path, stops_at=os.path.getsize(path) * 3 // 4) as server:
        code, account, err, out = predict(f"{server.url}/a.ts")
    assert code == 2
    assert 30 < account["frames"] < 100
    assert "cannot be read on: nothing came for 1 s" in err
    assert len(clips.read(out / "a.mp4")) == account["frames"]


@pytest.mark.parametrize("has_av", [True, False], ids=["pyav", "opencv"])
def test_an_rtsp_stream_is_read_to_its_end(predict, monkeypatch, has_av):
    monkeypatch.setattr(reading, "has_av", lambda: has_av)
    with rtsp_server.RtspServer(rtsp_server.encode(60)) as server:
        code, account, err, out = predict(
            f"rtsp://user:secret@{server.address}/live.sdp", "--save", "lines,video"
        )
    assert "PLAY" in server.requests
    assert account["frames"] >= 50
    assert code == 0
    times = [json.loads(line)["time"] for line in (out / "predictions.jsonl").read_text().splitlines()]
    assert times == pytest.approx([0.04 * index for index in range(len(times))], abs=1e-3)
    assert "secret" not in err + (out / "predictions.jsonl").read_text()
    assert f"live{'.mp4' if has_av else '.webm'}" in os.listdir(out)


def test_an_rtsp_stream_that_stops_ends_with_what_it_had(predict, monkeypatch):
    monkeypatch.setattr("official_yolact.video.kinds.TIMEOUT_SECONDS", 1.0)
    with rtsp_server.RtspServer(rtsp_server.encode(60), stops=True) as server:
        code, account, err, out = predict(f"rtsp://{server.address}/live")
    assert code == 2
    assert account["frames"] >= 50
    assert "cannot be read on: nothing came for 1 s" in err
    assert len(clips.read(out / "live.mp4")) == account["frames"]


def test_a_network_camera_of_single_jpegs_is_read(predict, tmp_path):
    parts = []
    for index in range(12):
        Image.fromarray(clips.paint(index)).save(tmp_path / "frame.jpg")
        data = (tmp_path / "frame.jpg").read_bytes()
        parts.append(
            b"--part\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(data), data)
        )
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "live.mjpg").write_bytes(b"".join(parts))
    with _Server(tmp_path / "net", kind="multipart/x-mixed-replace;boundary=part") as server:
        code, account, _, out = predict(f"{server.url}/live.mjpg", "--save", "video,lines")
    assert (code, account["frames"]) == (0, 12)
    assert len(clips.read(out / "live.mp4")) == 12


def test_a_playlist_from_the_net_opens_no_file(predict, clip, tmp_path):
    folder = tmp_path / "net"
    folder.mkdir()
    (folder / "list.m3u8").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.5,\nfile://{clip}\n#EXT-X-ENDLIST\n"
    )
    with _Server(folder) as server:
        code, account, _, out = predict(f"{server.url}/list.m3u8")
    assert code == 2
    assert account is None
    assert not out.exists()


def test_a_full_disk_is_named_and_the_video_can_be_played(predict, tmp_path):
    path = clips.write(tmp_path / "a.mp4", range(0, 8000, 40))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(path) // 2, limits[1]))
    try:
        code, account, err, out = predict(path, "--save", "video,lines", "--mask-format", "none")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (code, account) == (2, None)
    assert f"yolact: error: {out}/a.mp4: cannot be written" in err.splitlines()[-1]
    assert os.strerror(errno.EFBIG) in err or "perhaps the disk is full" in err
    found = clips.read(out / "a.mp4")
    assert 20 < len(found) < 200
    assert {*os.listdir(out)} <= {"a.mp4", "predictions.jsonl"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_an_interruption_keeps_what_was_done(predict, tmp_path, model, monkeypatch, number):
    path = clips.write(tmp_path / "a.mp4", range(0, 2000, 40))
    draw, calls = model.finish, []

    def finish(*arguments):
        calls.append(1)
        if len(calls) == 20:
            signal.raise_signal(number)
        return draw(*arguments)

    monkeypatch.setattr(model, "finish", finish)
    # Tests may run in the background, where Ctrl-C is ignored and stays so.
    started = signal.signal(number, signal.default_int_handler)
    try:
        code, _, err, out = predict(path, "--save", "video,predictions,lines")
        assert signal.getsignal(number) == signal.default_int_handler
    finally:
        signal.signal(number, started)
    assert code == 130
    assert err.splitlines()[-1] == "yolact: interrupted"
    count = len(clips.read(out / "a.mp4"))
    assert 8 <= count <= 20
    assert len(entries(out)) == 3 * count
    assert len((out / "predictions.jsonl").read_text().splitlines()) == count


def test_nothing_is_replaced_that_another_program_wrote(predict, clip):
    out = predict(clip)[3]
    assert predict(clip)[0] == 0
    (out / "clip.mp4").write_bytes(b"mine")
    code, _, err, _ = predict(clip)
    assert code == 2
    assert "clip.mp4 exists, and is not as this program wrote it" in err
    assert (out / "clip.mp4").read_bytes() == b"mine"
    assert predict(clip, "--force")[0] == 0


def test_a_video_is_not_overwritten_by_its_own_result(predict, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    path = clips.write(folder / "clip.mp4")
    before = pathlib.Path(path).read_bytes()
    code, _, err, _ = predict(path, "--force")
    assert code == 2
    assert "would overwrite the picture itself" in err
    assert pathlib.Path(path).read_bytes() == before


def test_a_window_is_opened_by_show_alone(predict, clip, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    assert predict(clip)[0] == 0
    code, _, err, _ = predict(clip, "--show")
    assert code == 2
    assert "--show: no window can be opened here" in err
