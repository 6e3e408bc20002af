"""Downloads that break off, lie or are refused; archives that are damaged; and the way to the records."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import file_server
import numpy as np
import PIL.Image
import pytest
from file_server import Server

from official_yolact.cli import main
from official_yolact.cli.data import coco2017 as command
from official_yolact.data.sets import archives
from official_yolact.data.sets import coco2017
from official_yolact.files import downloads

CONTENT = np.random.default_rng(0).integers(0, 256, 3_000_000, dtype=np.uint8).tobytes()
SUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with file_server.serve({"/file.bin": CONTENT}) as running:
        yield running


def download(server: Server, folder: pathlib.Path, **options: Any) -> pathlib.Path:
    path = folder / "got" / "file.bin"
    assert downloads.download(f"{server.url}/file.bin", str(path), pause=0.0, **options) == SUM
    assert path.read_bytes() == CONTENT
    assert [entry.name for entry in path.parent.iterdir()] == ["file.bin"]
    return path


def test_a_file_arrives_whole_with_its_sum(server: Server, tmp_path: pathlib.Path) -> None:
    seen: list[tuple[int, int]] = []
    download(server, tmp_path, sha256=SUM.upper(), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert server.requests == [("GET", None)]


def test_what_breaks_off_goes_on_where_it_ended(server: Server, tmp_path: pathlib.Path) -> None:
    server.cuts = [1_500_000, 700_000]
    notes: list[str] = []
    download(server, tmp_path, note=notes.append)
    asked = [range_ for _, range_ in server.requests]
    assert asked == [None, "bytes=1500000-", "bytes=2200000-"]
    assert "the connection ended after 1500000 of 3000000 bytes; next attempt" in notes[0]


def test_a_second_call_goes_on_with_what_an_earlier_one_left(server: Server, tmp_path: pathlib.Path) -> None:
    _leave_part(server, tmp_path)
    download(server, tmp_path)
    assert server.requests[-1] == ("GET", "bytes=1000000-")


def _leave_part(server: Server, tmp_path: pathlib.Path) -> None:
    """Break off after a million bytes and let the server refuse."""
    server.cuts, server.statuses = [1_000_000], [200, 403]
    with pytest.raises(OSError, match="file.bin: the server answers 403 Forbidden: check the address"):
        download(server, tmp_path)
    assert (tmp_path / "got" / "file.bin.part").stat().st_size == 1_000_000
    assert not (tmp_path / "got" / "file.bin").exists()


def test_a_file_that_changed_meanwhile_starts_anew(server: Server, tmp_path: pathlib.Path) -> None:
    server.files["/file.bin"] = bytes(2_000_000)
    _leave_part(server, tmp_path)
    server.files["/file.bin"], server.etag = CONTENT, '"two"'
    download(server, tmp_path)


def test_a_file_of_another_size_starts_anew_where_the_server_has_no_tag(
    server: Server, tmp_path: pathlib.Path
) -> None:
    server.etag = None
    server.files["/file.bin"] = bytes(2_000_000)
    _leave_part(server, tmp_path)
    server.files["/file.bin"] = CONTENT
    download(server, tmp_path)
    again = "bytes=1000000-"
    assert [range_ for _, range_ in server.requests] == [None, again, again, None]


def test_a_part_that_is_longer_than_the_file_starts_anew(server: Server, tmp_path: pathlib.Path) -> None:
    server.etag = None
    _leave_part(server, tmp_path)
    server.files["/file.bin"] = CONTENT[:900_000]
    path = tmp_path / "got" / "file.bin"
    downloads.download(f"{server.url}/file.bin", str(path), pause=0.0)
    assert path.read_bytes() == CONTENT[:900_000]


def test_a_server_without_ranges_starts_anew(server: Server, tmp_path: pathlib.Path) -> None:
    server.ranges, server.cuts = False, [1_500_000]
    download(server, tmp_path)
    assert len(server.requests) == 2


def test_a_part_at_the_wrong_place_is_not_taken(server: Server, tmp_path: pathlib.Path) -> None:
    _leave_part(server, tmp_path)
    server.extra = 5
    download(server, tmp_path)
    assert server.requests[-1] == ("GET", None)


def test_a_complete_part_needs_no_server(server: Server, tmp_path: pathlib.Path) -> None:
    _leave_part(server, tmp_path)
    (tmp_path / "got" / "file.bin.part").write_bytes(CONTENT)
    count = len(server.requests)
    download(server, tmp_path)
    assert len(server.requests) == count


@pytest.mark.parametrize("state", ["", "{}", "[]", '{"url": 1, "size": "x", "validator": 3}'])
def test_a_part_of_unknown_origin_starts_anew(server: Server, tmp_path: pathlib.Path, state: str) -> None:
    (tmp_path / "got").mkdir()
    (tmp_path / "got" / "file.bin.part").write_bytes(b"of something else")
    (tmp_path / "got" / "file.bin.part.json").write_text(state)
    download(server, tmp_path)


def test_passing_faults_of_the_server_are_waited_out(server: Server, tmp_path: pathlib.Path) -> None:
    server.statuses = [503, 429, 500, 200]
    download(server, tmp_path)


def test_an_endless_fault_ends(server: Server, tmp_path: pathlib.Path) -> None:
    server.statuses = [503] * 20
    with pytest.raises(OSError, match=r"cannot be reached or breaks off \(the server answers 503 .*5 times"):
        download(server, tmp_path)
    assert len(server.requests) == downloads.ATTEMPTS
    server.statuses, server.ranges, server.cuts = [], False, [1000] * 20
    with pytest.raises(OSError, match=r"the connection ended after 1000 of 3000000 bytes\), 5 times"):
        download(server, tmp_path)


def test_a_wrong_length_is_noticed(server: Server, tmp_path: pathlib.Path) -> None:
    server.length = str(len(CONTENT) + 10)
    server.ranges = False
    with pytest.raises(OSError, match="the connection ended after 3000000 of 3000010 bytes"):
        download(server, tmp_path)
    for length in (None, "many"):
        server.length = length
        with pytest.raises(ValueError, match="the server does not state the file's length"):
            download(server, tmp_path)


def test_a_wrong_sum_leaves_nothing(server: Server, tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match=f"its sha256 is {SUM}, expected is {'0' * 64}"):
        download(server, tmp_path, sha256="0" * 64)
    assert list((tmp_path / "got").iterdir()) == []


def test_no_network_is_said_clearly(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(
        OSError, match=r"http://127.0.0.1:9/x: cannot be reached .*refused.* check the network"
    ):
        downloads.download("http://127.0.0.1:9/x", str(tmp_path / "x"), pause=0.0)
    for url in ("file:///etc/passwd", "ftp://host/x", "x", "http://"):
        with pytest.raises(ValueError, match="is no address"):
            downloads.download(url, str(tmp_path / "x"))


def test_a_full_disk_is_said_before_the_transfer(
    server: Server, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 2_000_000})
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match="needs 0.0 GB, but 0.0 GB are free: make room"):
        download(server, tmp_path)
    assert (tmp_path / "got" / "file.bin.part").stat().st_size == 0


def test_two_downloads_of_one_file_do_not_mix(server: Server, tmp_path: pathlib.Path) -> None:
    def again(done: int, total: int) -> None:
        with pytest.raises(OSError, match="another process writes it"):
            downloads.download(f"{server.url}/file.bin", str(tmp_path / "got" / "file.bin"), pause=0.0)

    download(server, tmp_path, progress=again)


def test_a_killed_download_goes_on(server: Server, tmp_path: pathlib.Path) -> None:
    server.pause = 0.02
    path = tmp_path / "got" / "file.bin"
    code = "import sys; from official_yolact.files import downloads; downloads.download(*sys.argv[1:])"
    for wanted in (500_000, 1_500_000):
        child = subprocess.Popen([sys.executable, "-c", code, f"{server.url}/file.bin", str(path)])
        part = path.with_name("file.bin.part")
        deadline = time.monotonic() + 30
        while not (part.exists() and part.stat().st_size > wanted) and time.monotonic() < deadline:
            time.sleep(0.005)
        child.kill()
        assert child.wait() == -signal.SIGKILL
        assert not path.exists()
    server.pause = 0.0
    download(server, tmp_path)
    assert [bool(range_) for _, range_ in server.requests] == [False, True, True]


def test_a_disk_that_fills_up_is_named_and_the_download_goes_on_later(
    server: Server, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "got" / "file.bin"
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000));"
        "from official_yolact.files import downloads; downloads.download(*sys.argv[1:])"
    )
    command_line = [sys.executable, "-c", code, f"{server.url}/file.bin", str(path)]
    child = subprocess.run(command_line, capture_output=True, text=True, check=False)
    assert f"OSError: {path}.part: cannot be written (File too large): make room" in child.stderr
    assert [range_ for _, range_ in server.requests] == [None]
    download(server, tmp_path)
    assert server.requests[-1] == ("GET", "bytes=1500000-")


def make_zip(files: dict[str, bytes], **flags: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = flags.get("mode", 0o100644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(info, data)
    return buffer.getvalue()


def _damage(data: bytes) -> bytes:
    at = data.index(b"GOODDATA")
    return data[:at] + b"BADDDATA" + data[at + 8 :]


def _stored(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(name, data)
    return buffer.getvalue()


BAD_ARCHIVES: list[tuple[str, bytes, str]] = [
    ("text", b"<html>", "not a zip archive"),
    ("empty", b"", "not a zip archive"),
    ("cut", make_zip({"photos/1.jpg": b"x" * 999})[:60], "not a zip archive"),
    ("up", make_zip({"photos/1.jpg": b"x", "../evil.jpg": b"x"}), "'../evil.jpg' is a link or leads out"),
    ("up inside", make_zip({"photos/../../1.jpg": b"x"}), "leads out of the folder"),
    ("absolute", make_zip({"/etc/1.jpg": b"x"}), "'/etc/1.jpg' is a link or leads out"),
    ("backslash", make_zip({"photos\\..\\1.jpg": b"x"}), "is a link or leads out"),
    ("drive", make_zip({"C:/1.jpg": b"x"}), "is a link or leads out"),
    ("link", make_zip({"photos/1.jpg": b"/etc/passwd"}, mode=0o120777), "'photos/1.jpg' is a link"),
    ("device", make_zip({"photos/1.jpg": b""}, mode=0o020644), "'photos/1.jpg' is a link"),
    ("bomb", make_zip({"photos/1.jpg": bytes(5_000_000)}), "photos/1.jpg would grow from"),
    (
        "other files",
        make_zip({"photos/readme.txt": b"x", "1.jpg": b"x"}),
        r"no file photos/[0-9]+\.jpg in it",
    ),
    ("damaged", _damage(_stored("photos/1.jpg", b"GOODDATA")), "photos/1.jpg is damaged"),
]


@pytest.mark.parametrize(
    ("data", "message"), [row[1:] for row in BAD_ARCHIVES], ids=[r[0] for r in BAD_ARCHIVES]
)
def test_a_bad_archive_is_refused_and_leaves_nothing(
    tmp_path: pathlib.Path, data: bytes, message: str
) -> None:
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        archives.unpack(str(tmp_path / "a.zip"), str(tmp_path / "out"), "photos", r"[0-9]+\.jpg")
    assert str(tmp_path / "a.zip") in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "out"]


def test_unpacking_passes_over_other_files_and_replaces_an_unfinished_folder(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.zip").write_bytes(
        make_zip({"photos/": b"", "photos/1.jpg": b"one", "photos/x.txt": b"no"})
    )
    (tmp_path / "photos.incomplete").mkdir()
    (tmp_path / "photos.incomplete" / "9.jpg").write_bytes(b"cut")
    assert archives.unpack(str(tmp_path / "a.zip"), str(tmp_path), "photos", r"[0-9]+\.jpg") == 1
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "photos").iterdir()] == [("1.jpg", b"one")]
    assert not (tmp_path / "photos.incomplete").exists()


@pytest.mark.parametrize("edited", [b"mine!", b"longer than it was"], ids=["same size", "another size"])
def test_unpacking_keeps_what_is_there_and_says_where_it_differs(
    edited: bytes, tmp_path: pathlib.Path
) -> None:
    members = {f"photos/{number}.jpg": f"photo{number}".encode()[-5:] for number in range(4)}
    (tmp_path / "a.zip").write_bytes(make_zip(members))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "0.jpg").write_bytes(edited)
    (tmp_path / "photos" / "1.jpg").write_bytes(members["photos/1.jpg"])
    (tmp_path / "photos" / "2.jpg").symlink_to("nowhere")
    before = os.stat(tmp_path / "photos" / "1.jpg").st_ino
    said: list[str] = []
    assert archives.unpack(str(tmp_path / "a.zip"), str(tmp_path), "photos", r"[0-9]+\.jpg", note=said.append)
    assert (tmp_path / "photos" / "0.jpg").read_bytes() == edited
    assert os.stat(tmp_path / "photos" / "1.jpg").st_ino == before
    assert (tmp_path / "photos" / "2.jpg").is_symlink()
    assert (tmp_path / "photos" / "3.jpg").read_bytes() == members["photos/3.jpg"]
    assert [line.partition(": ")[0] for line in said] == [
        str(tmp_path / "photos" / name) for name in ("0.jpg", "2.jpg")
    ]
    assert all("is not as in a.zip: it stays as it is" in line for line in said)
    assert not (tmp_path / "photos.incomplete").exists()


def make_split(split: str, count: int) -> tuple[dict[str, bytes], bytes]:
    """Give photos by name in the archive, and their annotations."""
    photos, images, annotations = {}, [], []
    for number in range(1, count + 1):
        file = io.BytesIO()
        PIL.Image.new("RGB", (32, 24), (number, 99, 0)).save(file, "JPEG")
        photos[f"{split}2017/{number:012d}.jpg"] = file.getvalue()
        images.append({"id": number, "file_name": f"{number:012d}.jpg", "height": 24, "width": 32})
        box = {"bbox": [2, 3, 10, 8], "area": 80, "segmentation": [[2, 3, 12, 3, 12, 11, 2, 11]]}
        annotations.append({"id": number, "image_id": number, "category_id": 18, "iscrowd": 0, **box})
    content = {"images": images, "annotations": annotations, "categories": [{"id": 18, "name": "dog"}]}
    return photos, json.dumps(content).encode()


@pytest.fixture
def mirror(server: Server) -> Server:
    """Serve a small COCO."""
    annotations = {}
    for split, count in (("train", 3), ("val", 2)):
        photos, annotations[f"annotations/instances_{split}2017.json"] = make_split(split, count)
        server.files[f"/zips/{split}2017.zip"] = make_zip(photos)
    annotations["annotations/captions_val2017.json"] = b"{}"
    server.files["/annotations/annotations_trainval2017.zip"] = make_zip(annotations)
    return server


def run(mirror: Server, folder: pathlib.Path, *options: str) -> int:
    return main.main(["data", "coco2017", "--output", str(folder), "--base-url", mirror.url, *options])


def test_the_command_downloads_unpacks_and_converts(
    mirror: Server, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "coco"
    assert run(mirror, folder, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["splits"]["train"]["records"], result["splits"]["val"]["instances"]) == (3, 2)
    assert list(folder.glob("train-*.tfrecord"))
    assert list(folder.glob("val-*.tfrecord"))
    assert sorted(path.name for path in (folder / "annotations").iterdir()) == [
        "instances_train2017.json",
        "instances_val2017.json",
    ]
    assert [path.name for path in (folder / "archives").iterdir()] == ["checksums.json"]
    sums = json.loads((folder / "archives" / "checksums.json").read_text())
    data = mirror.files["/zips/val2017.zip"]
    assert sums["val2017.zip"] == {
        "url": f"{mirror.url}/zips/val2017.zip",
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    # Everything is there: nothing is asked of the server or written again.
    before, count = (
        {path: path.stat().st_mtime_ns for path in folder.rglob("*.tfrecord")},
        len(mirror.requests),
    )
    assert run(mirror, folder) == 0
    assert len(mirror.requests) == count
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.tfrecord")} == before


def test_one_split_is_enough_and_the_other_comes_later(mirror: Server, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "coco"
    assert run(mirror, folder, "--splits", "val", "--no-convert", "--keep-archives") == 0
    assert sorted(path.name for path in folder.iterdir()) == ["annotations", "archives", "val2017"]
    assert (folder / "archives" / "val2017.zip").is_file()
    assert run(mirror, folder, "--no-convert") == 0
    assert len(list((folder / "train2017").iterdir())) == 3
    assert not list(folder.glob("*.tfrecord"))


def test_an_interrupted_command_goes_on(mirror: Server, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "coco"
    # Three sizes, the annotations, half of the training images, and then the server refuses.
    mirror.statuses, mirror.cuts = [200, 200, 200, 200, 200, 403], [10**9, 700]
    assert run(mirror, folder, "--no-convert") == 2
    assert (folder / "archives" / "train2017.zip.part").stat().st_size == 700
    assert run(mirror, folder, "--no-convert") == 0
    assert ("GET", "bytes=700-") in mirror.requests
    assert len(list((folder / "train2017").iterdir())) == 3


def test_a_folder_is_taken_as_it_is(mirror: Server, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "mine"
    assert run(mirror, folder, "--no-convert") == 0
    (folder / "images").mkdir()
    (folder / "val2017").rename(folder / "images" / "val2017")
    count = len(mirror.requests)
    assert main.main(["data", "coco2017", "--from", str(folder), "--output", str(tmp_path / "records")]) == 0
    assert len(mirror.requests) == count
    assert (tmp_path / "records" / "manifest-val.json").is_file()
    assert not list(folder.glob("*.tfrecord"))


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("annotations/instances_val2017.json", "unpack annotations_trainval2017.zip there"),
        ("val2017", "no such folder with images, nor"),
    ],
)
def test_what_a_folder_lacks_is_named(tmp_path: pathlib.Path, missing: str, message: str) -> None:
    for name in ("annotations/instances_val2017.json", "val2017/1.jpg"):
        if not name.startswith(missing):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("{}")
    with pytest.raises(FileNotFoundError, match=message):
        coco2017.find(str(tmp_path), ["val"])


BAD_OPTIONS: list[tuple[list[str], str]] = [
    (["--splits", "test"], "split 'test': known are train, val"),
    (["--splits", ","], "splits is ','"),
    (["--sha256", "train2017.zip"], "--sha256 is 'train2017.zip': give NAME=SUM"),
    (["--sha256", f"x.zip={'0' * 64}"], "sha256 of 'x.zip': known are train2017.zip"),
    (["--sha256", "train2017.zip=12"], "give 64 hexadecimal digits"),
    (["--sha256", f"annotations_trainval2017.zip={'0' * 64}"], "annotations_trainval2017.zip: its sha256 is"),
    (["--base-url", "file:///etc"], "is no address"),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS)
def test_what_cannot_be_done_is_said(
    mirror: Server,
    tmp_path: pathlib.Path,
    options: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(mirror, tmp_path / "coco", *options) == 2
    assert message in capsys.readouterr().err


def test_an_archive_that_is_not_there_is_named(
    mirror: Server, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del mirror.files["/zips/train2017.zip"]
    assert run(mirror, tmp_path / "coco") == 2
    assert (
        "zips/train2017.zip: the server answers 404 Not Found: check the address" in capsys.readouterr().err
    )


def test_room_for_everything_is_asked_for_first(
    mirror: Server, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 3000})
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match="COCO 2017 needs 0.0 GB"):
        coco2017.fetch(str(tmp_path), ["val"], base_url=mirror.url, pause=0.0)
    assert {method for method, _ in mirror.requests} == {"HEAD"}


def test_the_help_names_the_official_server() -> None:
    assert command.BASE_URL == coco2017.BASE_URL
    assert {archive.name for archive in coco2017.ARCHIVES.values()} == {
        "train2017.zip",
        "val2017.zip",
        "annotations_trainval2017.zip",
    }
