"""LiteRT.js: the library, of other authors, with which a page computes a LiteRT file in the browser."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Mapping

from official_yolact.weights import cache
from official_yolact_runtime.files import inputs
from official_yolact_runtime.files import json_text
from official_yolact_runtime.files import outputs

VERSION = "2.5.3"

_SECONDS = 600
_IMPORT = b'from "@litertjs/wasm-utils"'
_NEW_IMPORT = b'from "./wasm-utils.js"'


@dataclasses.dataclass(frozen=True)
class _Package:
    """A package of npm.

    Attributes:
      name: in the registry.
      sha512: of its archive, in base64, as the registry and every lock file state it.
      files: what a page needs of it: name beside the page, by name in the package.
    """

    name: str
    sha512: str
    files: Mapping[str, str]

    @property
    def archive(self) -> str:
        """File name that `npm pack` gives to its archive."""
        return f"{self.name.lstrip('@').replace('/', '-')}-{VERSION}.tgz"


_WASM = tuple(
    f"litert_wasm_{kind}internal.{suffix}"
    for kind in ("", "compat_", "threaded_")
    for suffix in ("js", "wasm")
)
"""WebAssembly for all cores, for one, and for browsers without relaxed SIMD."""

_PACKAGES = (
    _Package(
        "@litertjs/core",
        "PlGmbMOq9WitX7FO0jhbdJw9GthatsyuCQXjTt/wJZo0FLaw48q4tz8IwqgqCIkviYGr9OFDL1kCnN4nzWoyJQ==",
        {"dist/index.js": "index.js", **{f"wasm/{name}": f"wasm/{name}" for name in _WASM}},
    ),
    _Package(
        "@litertjs/wasm-utils",
        "4fJiw6tBQnIs+0jH/OQ16nYOiSl8/+zZnn5h2ul8aTKHi05sVqZW580Tmk78pC2kT39A9OYBVdFawteZ/sI1kQ==",
        {"dist/index.js": "wasm-utils.js"},
    ),
)

_SPECIFIERS = " ".join(f"{package.name}@{VERSION}" for package in _PACKAGES)

NOTICE = f"""LiteRT.js {VERSION}, Copyright Google LLC, Apache License 2.0 (see LICENSE).

The files of this folder are from the npm packages
{chr(10).join(f"  {package.name} {VERSION} sha512-{package.sha512}" for package in _PACKAGES)}
of https://github.com/google-ai-edge/LiteRT.

Changed: index.js imports wasm-utils.js by its file name in place of the package's name.
"""


def read(folder: str | None = None, note: Callable[[str], None] | None = None) -> dict[str, bytes]:
    """Read the files that lie beside a page.

    Args:
      folder: `node_modules` in which npm has installed @litertjs/core, or the folder that has it. None: the
        cache; what it lacks, npm fetches from the registry that it is set up for.
      note: is called with a line for people before npm is.

    Returns:
      Contents by name, with the notice about where they are from.

    Raises:
      OSError: the packages cannot be had, or a file not be read; the message says what to put where.
      ValueError: they are of another version, or an archive is not the published one.
    """
    found = {"NOTICE.txt": NOTICE.encode()}
    for package in _PACKAGES:
        contents = (
            _read_installed(folder, package) if folder else _read_archive(_fetch(package, note), package)
        )
        found.update(contents)
    found["index.js"] = _rename_import(found["index.js"])
    return found


def _fetch(package: _Package, note: Callable[[str], None] | None = None) -> str:
    """Give the archive of a package from the cache; have npm fetch it if it is not there.

    Raises:
      OSError: npm is not there or fails.
    """
    folder = cache.find_folder("litert_js")
    path = os.path.join(folder, package.archive)
    if os.path.exists(path):
        return path
    with cache.hold(path, note):
        if not os.path.exists(path):  # else another process has put it there meanwhile
            if note:
                note(f"npm fetches {package.name} {VERSION} into {folder}")
            try:
                content = _pack(package)
            except OSError as error:
                raise OSError(
                    f"{package.name} {VERSION}: {error}. Without npm or a network: run"
                    f" `npm pack {_SPECIFIERS}` on another machine and put both files into {folder},"
                    " or name a folder with --litert-js"
                ) from error
            _check_sum(content, package, package.archive)
            with outputs.create(path, staged=True) as file:
                file.write(content)
    return path


def _pack(package: _Package) -> bytes:
    """Have npm fetch an archive: it knows the registry, the proxy and the credentials of its user."""
    npm = shutil.which("npm")
    if npm is None:
        raise OSError("the program npm, which fetches it, is not installed")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", "--ignore-scripts", f"{package.name}@{VERSION}"]
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise OSError(f"npm has not fetched it in {_SECONDS} seconds") from error
        path = os.path.join(folder, package.archive)
        if done.returncode or not os.path.isfile(path):
            said = [line for line in done.stderr.decode(errors="replace").splitlines() if "error" in line]
            raise OSError(f"npm cannot fetch it ({said[0].strip() if said else 'it says nothing'})")
        with open(path, "rb") as file:
            return file.read()


def _check_sum(content: bytes, package: _Package, where: str) -> None:
    found = base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != package.sha512:
        raise ValueError(
            f"{where}: is not {package.name} {VERSION} as published: its sha512 is {found}, expected is"
            f" {package.sha512}: remove the file"
        )


def _read_archive(path: str, package: _Package) -> dict[str, bytes]:
    content = inputs.read(path)
    _check_sum(content, package, path)
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        files = {name: archive.extractfile(f"package/{name}") for name in package.files}
        return {package.files[name]: file.read() for name, file in files.items() if file}


def _read_installed(folder: str, package: _Package) -> dict[str, bytes]:
    """Read the files of a package that npm has installed below a folder."""
    for above in (folder, os.path.join(folder, "node_modules")):
        root = os.path.join(above, *package.name.split("/"))
        described = os.path.join(root, "package.json")
        if os.path.isfile(described):
            break
    else:
        raise FileNotFoundError(
            f"--litert-js {folder}: has no {package.name}: run `npm install @litertjs/core@{VERSION}` there"
        )
    content = json_text.parse(inputs.read(described), described)
    version = content.get("version") if isinstance(content, dict) else None
    if version != VERSION:
        raise ValueError(
            f"{described}: is version {version}, and the page is made for {VERSION}: run"
            f" `npm install @litertjs/core@{VERSION}` there"
        )
    return {
        target: inputs.read(os.path.join(root, *name.split("/"))) for name, target in package.files.items()
    }


def _rename_import(script: bytes) -> bytes:
    """Let a worker import the second package: it has no import map, which would know packages by name."""
    if script.count(_IMPORT) != 1:
        raise ValueError(f"index.js of @litertjs/core {VERSION} does not hold {_IMPORT.decode()} once")
    return script.replace(_IMPORT, _NEW_IMPORT)
