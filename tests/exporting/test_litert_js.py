"""How LiteRT.js is had: from the cache, by npm, or from a folder; always what was published."""

import base64
import dataclasses
import hashlib
import io
import json
import os
import tarfile

import pytest

from official_yolact.exporting import litert_js
from official_yolact.weights import cache

SCRIPT = b'import { createWasmLib } from "@litertjs/wasm-utils";\n'


def make_archive(package, **changed):
    """Make an archive of a package as npm has it, each file holding its own name."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name in package.files:
            is_entry = (package.name, name) == ("@litertjs/core", "dist/index.js")
            content = changed.get(name, SCRIPT if is_entry else f"{package.name} {name}".encode())
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def archives(monkeypatch, tmp_path):
    """Small packages in the place of the published ones; the cache is empty. Gives their archives by name."""
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "cache"))
    made = {package.archive: make_archive(package) for package in litert_js._PACKAGES}
    packages = tuple(
        dataclasses.replace(
            package, sha512=base64.b64encode(hashlib.sha512(made[package.archive]).digest()).decode()
        )
        for package in litert_js._PACKAGES
    )
    monkeypatch.setattr(litert_js, "_PACKAGES", packages)
    return made


@pytest.fixture
def npm(monkeypatch, tmp_path):
    """Put a program `npm` into the path; gives the file to which it appends its arguments."""
    calls, programs = tmp_path / "calls", tmp_path / "programs"
    programs.mkdir()

    def install(body):
        program = programs / "npm"
        program.write_text(f'#!/bin/sh\necho "$@" >> "{calls}"\n{body}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
        return calls

    return install


def store(archives, folder):
    os.makedirs(folder, exist_ok=True)
    for name, content in archives.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content)
    return folder


def check_files(files):
    kinds = ("", "compat_", "threaded_")
    wasm = {f"wasm/litert_wasm_{kind}internal.{end}" for kind in kinds for end in ("js", "wasm")}
    assert files.keys() == {"NOTICE.txt", "index.js", "wasm-utils.js", *wasm}
    # A worker has no import map.
    assert files["index.js"] == b'import { createWasmLib } from "./wasm-utils.js";\n'
    assert files["wasm-utils.js"] == b"@litertjs/wasm-utils dist/index.js"
    notice = files["NOTICE.txt"].decode()
    assert "Apache License 2.0" in notice
    assert "Changed: index.js" in notice


def test_npm_is_asked_once_and_the_cache_answers_then(archives, npm, tmp_path):
    source = store(archives, str(tmp_path / "registry"))
    calls = npm(
        f'case "$3" in *core*) cp {source}/litertjs-core-*.tgz .;; *) cp {source}/litertjs-wasm-*.tgz .;; esac'
    )
    said = []
    check_files(litert_js.read(note=said.append))
    check_files(litert_js.read(note=said.append))
    version = litert_js.VERSION
    assert calls.read_text().splitlines() == [
        f"pack --ignore-scripts @litertjs/core@{version}",
        f"pack --ignore-scripts @litertjs/wasm-utils@{version}",
    ]
    assert len(said) == 2
    assert sorted(os.listdir(cache.find_folder("litert_js"))) == sorted(archives)


def test_files_that_somebody_put_into_the_cache_are_used_without_npm(archives, monkeypatch):
    store(archives, cache.find_folder("litert_js"))
    monkeypatch.setenv("PATH", "")
    check_files(litert_js.read())


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (None, "the program npm, which fetches it, is not installed"),
        ("echo 'npm error code ENOTFOUND' >&2; exit 1", r"npm cannot fetch it \(npm error code ENOTFOUND\)"),
        ("exit 0", r"npm cannot fetch it \(it says nothing\)"),
    ],
    ids=["no npm", "no network", "nothing written"],
)
def test_without_npm_or_a_network_the_message_says_what_to_put_where(
    archives, npm, monkeypatch, program, says
):
    if program is None:
        monkeypatch.setenv("PATH", "")
    else:
        npm(program)
    with pytest.raises(OSError, match=says) as caught:
        litert_js.read()
    folder = cache.find_folder("litert_js")
    version = litert_js.VERSION
    assert (
        f"run `npm pack @litertjs/core@{version} @litertjs/wasm-utils@{version}` on another machine"
        in str(caught.value)
    )
    assert f"put both files into {folder}, or name a folder with --litert-js" in str(caught.value)
    assert os.listdir(folder) == []


def test_what_is_not_the_published_archive_is_refused_and_not_kept(archives, npm, tmp_path):
    (tmp_path / "other").write_bytes(b"another archive")
    npm(f"cp {tmp_path}/other litertjs-core-{litert_js.VERSION}.tgz")
    with pytest.raises(ValueError, match="is not @litertjs/core .* as published: its sha512 is"):
        litert_js.read()
    assert os.listdir(cache.find_folder("litert_js")) == []
    store({name: content[:-1] for name, content in archives.items()}, cache.find_folder("litert_js"))
    with pytest.raises(ValueError, match=r"litertjs-core-.*\.tgz: is not .* remove the file"):
        litert_js.read()


@pytest.mark.parametrize("above", ["", "node_modules"])
def test_a_folder_in_which_npm_has_installed_it_is_enough(archives, monkeypatch, tmp_path, above):
    monkeypatch.setenv("PATH", "")
    install(archives, tmp_path / "project" / above)
    check_files(litert_js.read(str(tmp_path / "project")))


def install(archives, folder, version=litert_js.VERSION):
    for package in litert_js._PACKAGES:
        with tarfile.open(fileobj=io.BytesIO(archives[package.archive])) as archive:
            archive.extractall(folder / "unpacked", filter="data")
        place = folder.joinpath(*package.name.split("/"))
        place.parent.mkdir(parents=True, exist_ok=True)
        (folder / "unpacked" / "package").rename(place)
        (place / "package.json").write_text(json.dumps({"version": version}))


def test_a_folder_without_it_or_with_another_version_is_refused(archives, tmp_path):
    with pytest.raises(FileNotFoundError, match="--litert-js .* has no @litertjs/core: run `npm install"):
        litert_js.read(str(tmp_path))
    install(archives, tmp_path, "1.0.0")
    with pytest.raises(ValueError, match=r"package.json: is version 1.0.0, and the page is made for"):
        litert_js.read(str(tmp_path))


def test_the_licence_beside_the_page_is_that_of_this_project(request):
    page = os.path.join(os.path.dirname(litert_js.__file__), "page", "LICENSE")
    with open(page, "rb") as file, open(request.config.rootpath / "LICENSE", "rb") as ours:
        assert file.read() == ours.read()
