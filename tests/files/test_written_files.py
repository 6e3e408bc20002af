"""The rule of `official_yolact.files`: nothing is lost, a file is whole or absent."""

from __future__ import annotations

import errno
import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

import official_yolact
import official_yolact_runtime
from official_yolact.files import storage
from official_yolact_runtime.files import outputs
from official_yolact_runtime.files import written


@pytest.fixture(params=["attributes", "a list"])
def kept(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How it is kept what the program wrote: at the files, or in a list beside them."""
    if request.param == "a list":
        for name in ("setxattr", "getxattr"):
            monkeypatch.delattr(os, name, raising=False)
    return str(request.param)


def names_in(folder: pathlib.Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != written.LEDGER)


def test_what_the_program_wrote_it_replaces_and_nothing_else(kept: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "new" / "a.json"
    outputs.write(str(path), "one")
    outputs.write(str(path), "two")
    outputs.write(str(path), "two")
    assert path.read_text() == "two"
    assert (path.parent / written.LEDGER).exists() == (kept == "a list")
    path.write_text("edited")
    with pytest.raises(ValueError, match=r"a\.json exists, .* --force"):
        outputs.write(str(path), "three")
    assert path.read_text() == "edited"
    outputs.write(str(path), "three", force=True)
    assert path.read_text() == "three"
    assert names_in(path.parent) == ["a.json"]


def test_a_file_of_another_program_is_refused(kept: str, tmp_path: pathlib.Path) -> None:
    outputs.write(str(tmp_path / "ours"), "ours")
    other = tmp_path / "other"
    other.write_text("ours")
    with pytest.raises(ValueError, match="other exists"):
        outputs.write(str(other), "new")
    assert other.read_text() == "ours"


def test_a_write_protected_file_is_refused(kept: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a"
    outputs.write(str(path), "one")
    path.chmod(0o444)
    with pytest.raises(ValueError, match="a exists"):
        outputs.write(str(path), "two")


@pytest.mark.parametrize("make", [os.link, os.symlink], ids=["hard link", "link"])
@pytest.mark.parametrize("force", [False, True], ids=["", "forced"])
def test_an_input_is_never_written(make: object, force: bool, tmp_path: pathlib.Path) -> None:
    source, alias = tmp_path / "source", tmp_path / "alias"
    outputs.write(str(source), "source")
    assert callable(make)
    make(source, alias)
    for output, given in ((source, source), (alias, source), (source, alias)):
        with pytest.raises(ValueError, match="is the file that is read"):
            outputs.write(str(output), "new", inputs=[None, "missing", str(given)], force=force)
    assert source.read_text() == "source"


def test_a_link_is_not_followed(tmp_path: pathlib.Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    outputs.write(str(target), "target")
    link.symlink_to(target)
    with pytest.raises(ValueError, match=r"link: is a link to .*target.* --force"):
        outputs.write(str(link), "new")
    outputs.write(str(link), "new", force=True)
    assert (target.read_text(), link.read_text(), link.is_symlink()) == ("target", "new", False)


def test_a_dangling_link_is_not_followed(tmp_path: pathlib.Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="is a link"):
        outputs.write(str(tmp_path / "link"), "new")
    assert not (tmp_path / "nowhere").exists()


def test_a_link_below_the_output_folder_does_not_lead_out_of_it(tmp_path: pathlib.Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "train").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="leads out of"):
        outputs.write(str(tmp_path / "out" / "train" / "a"), "new", root=str(tmp_path / "out"), force=True)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_the_output_folder_itself_may_be_a_link(tmp_path: pathlib.Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    outputs.write(str(tmp_path / "out" / "train" / "a"), "new", root=str(tmp_path / "out"))
    assert (tmp_path / "disk" / "train" / "a").read_text() == "new"


def test_a_folder_and_a_special_file_are_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe"):
        with pytest.raises(ValueError, match=f"{name}: is "):
            outputs.write(str(tmp_path / name), "new", force=True)
    with pytest.raises(OSError, match="cannot be written"):
        outputs.write(str(tmp_path / "pipe" / "a"), "new")
    assert names_in(tmp_path) == ["folder", "pipe"]


@pytest.mark.parametrize("function", ["open", "fsync", "replace"])
def test_a_failure_names_the_file_and_leaves_nothing(
    kept: str, function: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    outputs.write(str(path), "old")

    def fail(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("builtins.open" if function == "open" else f"os.{function}", fail)
    with pytest.raises(OSError, match=r"cannot be written: No space left .*a\.json"):
        storage.store(str(path), [b"new"])
    if function != "open":
        with pytest.raises(OSError, match=r"cannot be written: No space left .*a\.json"):
            outputs.write(str(path), "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["a.json"]


def test_a_source_that_fails_in_the_middle_leaves_nothing(tmp_path: pathlib.Path) -> None:
    def blocks() -> Iterator[bytes]:
        yield b"half"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        storage.store(str(tmp_path / "a"), blocks())
    assert not names_in(tmp_path)


def test_a_failure_takes_the_note_back(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "setxattr", raising=False)
    monkeypatch.delattr(os, "getxattr", raising=False)
    outputs.write(str(tmp_path / "a"), "a")
    before = (tmp_path / written.LEDGER).read_bytes()

    def fail(*arguments: object) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="cannot be written"):
        outputs.write(str(tmp_path / "b"), "b")
    assert (tmp_path / written.LEDGER).read_bytes() == before
    with pytest.raises(OSError, match="cannot be written"):
        outputs.write(str(tmp_path / "new" / "b"), "b")
    assert not list((tmp_path / "new").iterdir())


def test_a_torn_note_spoils_no_other(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "setxattr", raising=False)
    monkeypatch.delattr(os, "getxattr", raising=False)
    (tmp_path / written.LEDGER).write_bytes(b"0123")
    for _ in range(2):
        outputs.write(str(tmp_path / "a\nb"), "a")
    assert (tmp_path / written.LEDGER).read_bytes().startswith(b"0123\n")


def test_numbers_that_json_has_not_are_refused_by_name(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match=r"a\.json: is not written: \[1\]\.score is nan, which JSON"):
        outputs.write_json(str(tmp_path / "a.json"), [1, {"score": float("nan")}])
    assert not names_in(tmp_path)


def test_what_is_stored_and_moved_is_known_as_ours(kept: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a"
    for content in (b"one", b"two"):
        outputs.check(str(path))
        _, digest = storage.store(str(tmp_path / "staged"), [content])
        outputs.move(str(tmp_path / "staged"), str(path), digest)
        assert path.read_bytes() == content
    path.write_bytes(b"edited")
    with pytest.raises(ValueError, match="a exists"):
        outputs.check(str(path))
    assert names_in(tmp_path) == ["a"]


_WRITE_LARGE = """
import resource, signal, sys
from official_yolact.files import storage
from official_yolact_runtime.files import outputs
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
if sys.argv[2] == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for write in (outputs.write, lambda path, content: storage.store(path, [content[:9], content[9:]])):
    try:
        write(sys.argv[1], b"x" * 300_000)
    except OSError as error:
        print(error)
"""


@pytest.mark.parametrize("kind", ["limit", "disk"])
def test_a_write_that_fails_in_the_middle_leaves_what_was_there(kind: str, tmp_path: pathlib.Path) -> None:
    """A limit of the size of files stands in for the full disk where no small disk can be mounted."""
    small = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(tmp_path)]
    mounted = kind == "disk" and shutil.which("mount") and not subprocess.run(small, check=False).returncode
    try:
        path = tmp_path / "a.json"
        outputs.write(str(path), "old")
        words = [sys.executable, "-c", _WRITE_LARGE, str(path), "disk" if mounted else "limit"]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        said = "No space left on device" if mounted else "File too large"
        assert done.stdout.count(f"cannot be written: {said}: '{path}'") == 2
        assert path.read_text() == "old"
        assert names_in(tmp_path) == ["a.json"]
    finally:
        if mounted:
            subprocess.run(["umount", str(tmp_path)], check=True)


_WRITE_AND_WAIT = """
import sys, time
from official_yolact.files import storage
from official_yolact_runtime.files import outputs
def blocks():
    yield b"x"
    print("open", flush=True)
    time.sleep(600)
storage.store(sys.argv[1], blocks())
"""


def left_over(folder: pathlib.Path) -> set[str]:
    return {os.path.basename(path) for path in outputs.list_left_over(str(folder))}


def test_a_file_is_left_over_when_nobody_writes_it_any_more(tmp_path: pathlib.Path) -> None:
    words = [sys.executable, "-c", _WRITE_AND_WAIT, str(tmp_path / "b")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        (theirs,) = os.listdir(tmp_path)

        def blocks() -> Iterator[bytes]:
            yield b"x"
            (ours,) = set(os.listdir(tmp_path)) - {theirs}
            assert left_over(tmp_path) == set()
            # A process before this one had its number, as every first one of a container has.
            earlier = f"{ours.rpartition('-')[0]}-0123abcd.incomplete"
            (tmp_path / earlier).write_text("")
            (tmp_path / "photo.incomplete").write_text("")
            (tmp_path / ".yolact-0123abcd-x-0123abcd.incomplete").write_text("")
            assert left_over(tmp_path) == {earlier}
            (tmp_path / earlier).unlink()

        storage.store(str(tmp_path / "a"), blocks())
        other.kill()
        other.wait()
    assert left_over(tmp_path) == {theirs}
    assert outputs.list_left_over(str(tmp_path / "nowhere")) == []


def test_a_file_of_another_host_is_left_over_once_it_is_an_hour_old(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blocks() -> Iterator[bytes]:
        yield b"x"
        (name,) = os.listdir(tmp_path)
        monkeypatch.setattr("socket.gethostname", lambda: "another")
        now = os.stat(tmp_path / name).st_mtime
        for age, found in ((0, set()), (3500, set()), (3700, {name})):
            os.utime(tmp_path / name, (now - age, now - age))
            assert left_over(tmp_path) == found

    storage.store(str(tmp_path / "a"), blocks())


def test_what_is_stored_is_known_as_ours_and_noted_once(kept: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a"
    for content in (b"one", b"two", b"one"):
        storage.store(str(path), [content])
        outputs.check(str(path))
    ledger = tmp_path / written.LEDGER
    assert ledger.exists() == (kept == "a list")
    staged = tmp_path / "work" / "staged"
    staged.parent.mkdir()
    _, digest = storage.store(str(staged), [b"three"], staged=True)
    assert os.listdir(staged.parent) == ["staged"]
    outputs.move(str(staged), str(path), digest)
    outputs.check(str(path))
    lines = ledger.read_bytes().splitlines() if kept == "a list" else []
    assert len(lines) == len(set(lines)) == (3 if kept == "a list" else 0)
    path.write_bytes(b"edited")
    with pytest.raises(ValueError, match="a exists"):
        outputs.check(str(path))


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_a_list_that_is_no_file_is_named_and_nothing_waits_for_it(
    kind: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = {"pipe": os.mkfifo, "folder": os.mkdir, "link": lambda path: os.symlink("elsewhere", path)}
    make[kind](tmp_path / written.LEDGER)
    (tmp_path / "other").write_text("other")
    with pytest.raises(ValueError, match="other exists"):
        outputs.write(str(tmp_path / "other"), "new")
    for name in ("setxattr", "getxattr"):
        monkeypatch.delattr(os, name, raising=False)
    with pytest.raises(ValueError, match="other exists"):
        outputs.write(str(tmp_path / "other"), "new")
    with pytest.raises(ValueError, match=r"\.yolact-written: is no regular file: remove it"):
        outputs.write(str(tmp_path / "new"), "new")
    assert names_in(tmp_path) == ["other"]
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o660, 0o755], ids=oct)
def test_a_file_keeps_its_mode(kept: str, mode: int, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a"
    outputs.write(str(path), "one")
    path.chmod(mode)
    outputs.write(str(path), "two")
    assert path.stat().st_mode & 0o777 == mode
    storage.store(str(path), [b"three"])
    assert path.stat().st_mode & 0o777 == mode
    _, digest = storage.store(str(tmp_path / "staged"), [b"four"], staged=True)
    outputs.move(str(tmp_path / "staged"), str(path), digest)
    assert (path.stat().st_mode & 0o777, path.read_text()) == (mode, "four")


def test_what_is_in_a_private_file_is_at_no_time_open_to_others(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a"
    outputs.write(str(path), "one")
    path.chmod(0o600)

    def blocks() -> Iterator[bytes]:
        yield b"two"
        assert {entry.stat().st_mode & 0o777 for entry in tmp_path.iterdir()} == {0o600}

    storage.store(str(path), blocks())


def test_files_get_their_final_names_and_locks_in_one_place() -> None:
    for package, pattern, places in (
        (official_yolact_runtime, r"\bos\.(replace|rename)\(|shutil\.move\(", ["files/outputs.py"]),
        (
            official_yolact,
            r"\bos\.(replace|rename)\(|gfile(\(\))?\.rename\(|shutil\.move\(",
            ["files/storage.py"],
        ),
        (official_yolact_runtime, r"\bflock\(|\blockf\(", []),
        (official_yolact, r"\bflock\(|\blockf\(", ["files/locks.py"]),
    ):
        root = pathlib.Path(package.__file__).parent
        found = [path for path in root.rglob("*.py") if re.search(pattern, path.read_text("utf-8"))]
        assert [path.relative_to(root).as_posix() for path in found] == places
