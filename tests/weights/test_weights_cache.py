"""Files of the cache: downloaded once, checked, and what happens without a network."""

import dataclasses
import hashlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import file_server
import pytest

from official_yolact.files import downloads
from official_yolact.weights import cache
from official_yolact.weights import imported
from official_yolact.weights import named_weights

CONTENT = os.urandom(3_000_000)
SUM = hashlib.sha256(CONTENT).hexdigest()
MOBILENET = named_weights.find("imagenet/mobilenetv2-0.5")
ENTRY = dataclasses.replace(MOBILENET, size=len(CONTENT), is_size_exact=True, sha256=SUM)
PATH = f"/{ENTRY.file_name}"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


@pytest.fixture
def server(monkeypatch):
    with file_server.serve({PATH: CONTENT}) as running:
        monkeypatch.setenv(cache.MIRROR_VARIABLE, running.url)
        yield running


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_downloaded_once(server, folder):
    seen = []
    path = cache.fetch(ENTRY, pause=0.0, progress=lambda done, total: seen.append((done, total)))
    assert pathlib.Path(path).read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert cache.fetch(ENTRY) == path
    assert server.requests == [("GET", None)]
    assert names(folder) == [ENTRY.file_name]


def test_a_redirection_is_followed(server):
    server.files["/elsewhere/file"] = server.files.pop(PATH)
    server.moved[PATH] = f"{server.url}/elsewhere/file"
    server.cuts = [1_000_000]
    assert pathlib.Path(cache.fetch(ENTRY, pause=0.0)).read_bytes() == CONTENT
    # Both requests ask twice, here and there; the last one asks for the rest.
    assert [range_ for _, range_ in server.requests] == [None, None, "bytes=1000000-", "bytes=1000000-"]


def test_what_breaks_off_goes_on_at_the_next_call(server, folder):
    server.cuts, server.statuses = [1_000_000], [200, 403]
    with pytest.raises(OSError, match=r"imagenet/mobilenetv2-0.5: .* the server answers 403"):
        cache.fetch(ENTRY, pause=0.0)
    assert names(folder) == [f"{ENTRY.file_name}.part", f"{ENTRY.file_name}.part.json"]
    assert pathlib.Path(cache.fetch(ENTRY, pause=0.0)).read_bytes() == CONTENT
    assert server.requests[-1] == ("GET", "bytes=1000000-")
    assert names(folder) == [ENTRY.file_name]


@pytest.mark.parametrize(
    ("changes", "headers", "message"),
    [
        pytest.param({"sha256": "0" * 64}, {}, "sha256 is .*, expected is 0000", id="sum"),
        pytest.param({"size": 1234}, {}, "has 3000000 bytes, expected are 1234", id="size"),
        pytest.param(
            {"sha256": ""},
            {"x-goog-hash": "crc32c=AAAAAA==, md5=AAAAAAAAAAAAAAAAAAAAAA=="},
            "its md5 is .*, the server states 0000",
            id="the server's sum",
        ),
    ],
)
def test_another_file_is_refused_and_removed(server, folder, changes, headers, message):
    server.headers = headers
    with pytest.raises(ValueError, match=f"^imagenet/mobilenetv2-0.5: .*{message}"):
        cache.fetch(dataclasses.replace(ENTRY, **changes), pause=0.0)
    assert not (folder / ENTRY.file_name).exists()
    server.headers = {}
    assert pathlib.Path(cache.fetch(ENTRY, pause=0.0)).read_bytes() == CONTENT


def test_a_sum_that_the_server_states_rightly_is_no_hindrance(server):
    import base64

    digest = base64.b64encode(hashlib.md5(CONTENT).digest()).decode()
    server.headers = {"x-goog-hash": f"crc32c=AAAAAA==,md5={digest}"}
    cache.fetch(dataclasses.replace(ENTRY, sha256=""), pause=0.0)


def test_a_file_that_is_not_there_and_no_network_say_where_to_put_the_file(server, folder, monkeypatch):
    del server.files[PATH]
    place = rf"download {ENTRY.url} on another machine and put {ENTRY.file_name} into {folder}$"
    with pytest.raises(OSError, match=f"the server answers 404 Not Found: check the address. .*{place}"):
        cache.fetch(ENTRY, pause=0.0)
    monkeypatch.setattr(downloads, "ATTEMPTS", 2)
    with pytest.raises(OSError, match=f"cannot be reached or breaks off .*{place}"):
        cache.fetch(ENTRY, mirror="http://127.0.0.1:9", pause=0.0)


def test_a_file_that_was_put_there_is_checked_and_needs_no_network(folder):
    folder.mkdir(parents=True)
    (folder / ENTRY.file_name).write_bytes(CONTENT)
    assert cache.fetch(ENTRY, mirror="http://127.0.0.1:9") == str(folder / ENTRY.file_name)
    (folder / ENTRY.file_name).write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(
        ValueError, match=rf"{ENTRY.file_name}: its sha256 is .*, that of {ENTRY.name} is {SUM}: remove it"
    ):
        cache.fetch(ENTRY)
    (folder / ENTRY.file_name).write_bytes(CONTENT[:-1])
    with pytest.raises(ValueError, match=r"has 2999999 bytes, .* has 3000000: remove the file"):
        cache.fetch(ENTRY)


def test_a_folder_that_cannot_be_written_is_named_with_the_cure(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "file"))
    with pytest.raises(
        OSError,
        match=r"file/weights: cannot be written .*: name another cache folder in .* OFFICIAL_YOLACT_CACHE",
    ):
        cache.fetch(ENTRY)


def start():
    code = (
        "import dataclasses; from official_yolact.weights import cache, named_weights;"
        f"entry = dataclasses.replace(named_weights.find({ENTRY.name!r}), sha256={SUM!r});"
        "print(cache.fetch(entry, note=print))"
    )
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_two_processes_download_once(server):
    server.pause = 0.02
    both = [start(), start()]
    said = [one.communicate()[0] for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert sum("another process fetches it; waiting" in one for one in said) == 1
    assert len(server.requests) == 1


def test_one_that_is_killed_leaves_what_the_next_goes_on_with(server, folder):
    server.pause = 0.05
    one = start()
    end = time.monotonic() + 20
    while not list(folder.glob("*.part")) or not next(folder.glob("*.part")).stat().st_size:
        assert time.monotonic() < end
        time.sleep(0.02)
    one.send_signal(signal.SIGKILL)
    one.communicate()
    server.pause = 0.0
    assert not (folder / ENTRY.file_name).exists()
    assert pathlib.Path(cache.fetch(ENTRY, pause=0.0)).read_bytes() == CONTENT
    assert server.requests[-1][1] is not None


def test_megabytes_end_once_at_their_total():
    seen = []
    show = downloads.in_megabytes(lambda done, total: seen.append((done, total)))
    for done in (0, 1_000_000, 3_100_000, 3_200_000):
        show(done, 3_200_000)
    assert seen == [(0, 4), (1, 4), (3, 4), (4, 4)]


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.delenv(cache.CACHE_VARIABLE)
    monkeypatch.setenv("HOME", str(tmp_path))
    for above, expected in (
        (str(tmp_path / "xdg"), tmp_path / "xdg"),
        ("relative", tmp_path / ".cache"),
        ("", tmp_path / ".cache"),
    ):
        monkeypatch.setenv("XDG_CACHE_HOME", above)
        assert cache.find_folder() == str(expected / "official_yolact" / "weights")


def test_a_name_is_described_by_where_it_is(server, folder):
    assert imported.describe(MOBILENET.name) == (
        f"{MOBILENET.name}: is downloaded when the training begins, about 3.2 MB from {server.url}{PATH}"
    )
    folder.mkdir(parents=True)
    (folder / ENTRY.file_name).write_bytes(b"")
    assert imported.describe(MOBILENET.name).endswith(f"in the cache, not imported yet ({folder}{PATH})")
    with pytest.raises(FileNotFoundError, match=f"run `yolact weights get {MOBILENET.name}` first"):
        imported.resolve(MOBILENET.name)
    assert imported.resolve("runs/a") == "runs/a"
