"""Models of a hub of models, `hf://OWNER/NAME`: fetched into the cache and checked, or uploaded.

Only files that hold numbers and text are fetched: nothing of a download is run, and nothing that TensorFlow
would run as a program (a SavedModel) is taken.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from official_yolact.files import storage
from official_yolact.weights import cache
from official_yolact_runtime.files import outputs

SCHEME = "hf://"

ENDPOINT_VARIABLE = "HF_ENDPOINT"
"""Environment variable of huggingface_hub: the address of another hub than huggingface.co."""

_PATTERN = re.compile(r"hf://([\w][\w.-]*)/([\w][\w.-]*)(?:@([\w][\w./-]*))?/?")
_WANTED = re.compile(
    r"params\.yaml|categories\.json|import\.json|metrics\.json|report\.json|export\.json|README\.md"
    r"|(best_ckpt/)?(ckpt-\d+\.(index|json|data-\d{5}-of-\d{5})|checkpoint)|[\w][\w.-]*\.(tflite|onnx)"
)
_NEEDED = (("params.yaml", "categories.json"), ("export.json",))
_LARGEST = 1 << 33
_BLOCK = 1 << 20

Note = Callable[[str], None]


class Address(NamedTuple):
    """A model of a hub: its owner, name and revision (a branch, tag or commit)."""

    owner: str
    name: str
    revision: str

    @property
    def repository(self) -> str:
        """The name with its owner, as the hub has it."""
        return f"{self.owner}/{self.name}"


class _Remote(NamedTuple):
    """A file of a hub: its size, and its sha256, or what git calls its blob."""

    name: str
    size: int
    sha256: str
    blob: str


def is_address(text: str) -> bool:
    """Tell whether a text is meant as an address of a hub."""
    return text.startswith(SCHEME)


def parse(text: str) -> Address:
    """Read an address, `hf://OWNER/NAME` or `hf://OWNER/NAME@REVISION`.

    Raises:
      ValueError: it is malformed.
    """
    found = _PATTERN.fullmatch(text)
    if found is None or ".." in text:
        raise ValueError(f"{text}: is no address of a hub: write hf://OWNER/NAME or hf://OWNER/NAME@REVISION")
    return Address(found[1], found[2], found[3] or "main")


def fetch(text: str, *, note: Note | None = None) -> str:
    """Give the directory in the cache that has a model of a hub; download what is not there.

    Args:
      text: the address.
      note: is called with lines for people.

    Returns:
      The directory. A revision is asked for anew each time; without the hub, the one that came last is given.

    Raises:
      OSError: the hub cannot be reached or has no such model.
      ValueError: the address is malformed, the repository holds no model, or a file arrived damaged;
        huggingface_hub is not installed.
    """
    address = parse(text)
    folder = os.path.join(cache.find_folder("hub"), f"{address.owner}--{address.name}")
    last = os.path.join(folder, f"last-{address.revision.replace('/', '--')}")
    with cache.hold(folder, note):
        try:
            commit, files = _list_files(text, address)
        except OSError as error:
            found = _read_last(last)
            if found is None:
                raise
            if note:
                note(f"{storage.describe(error)}; the copy of commit {found[:12]} in the cache is used")
            return os.path.join(folder, found)
        done = os.path.join(folder, commit)
        if not os.path.isdir(done):
            _download(text, address, commit, files, done, note)
        storage.store(last, commit)
    return done


def push(
    text: str, files: Mapping[str, str], *, message: str, private: bool = False, note: Note | None = None
) -> str:
    """Upload files as one commit of a repository, which is made if there is none.

    Args:
      text: the address.
      files: path of each file on this disk by its name in the repository.
      message: of the commit.
      private: make a repository that only its owner sees.
      note: is called with lines for people.

    Returns:
      The commit.

    Raises:
      OSError: the hub cannot be reached or refuses, such as for want of a token.
      ValueError: the address is malformed, or huggingface_hub is not installed.
    """
    address = parse(text)
    library = _import()
    operations = [library.CommitOperationAdd(name, path) for name, path in files.items()]
    if note:
        total = sum(os.path.getsize(path) for path in files.values())
        note(f"{text}: {len(files)} files, {total / 1e6:.1f} MB")
    with _explained(text):
        api = library.HfApi(endpoint=os.environ.get(ENDPOINT_VARIABLE))
        api.create_repo(address.repository, private=private, exist_ok=True)
        done = api.create_commit(
            address.repository, operations, commit_message=message, revision=address.revision
        )
    return str(done.oid)


def _import() -> Any:
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise ValueError(
            "huggingface_hub is not installed, which hf:// needs: pip install 'official-yolact[hub]'"
        ) from error


@contextlib.contextmanager
def _explained(text: str) -> Iterator[None]:
    """Turn the errors of the library's connections into OSError with one line."""
    errors = importlib.import_module("huggingface_hub.errors")
    http = importlib.import_module("httpx")
    try:
        yield
    except errors.RepositoryNotFoundError as error:
        raise OSError(
            f"{text}: the hub has no such model, or does not show it: check the name, and log in with"
            " `hf auth login` if it is private"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise OSError(f"{text}: the model has no such revision") from error
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, http.HTTPError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise OSError(f"{text}: {reason}") from error


def _list_files(text: str, address: Address) -> tuple[str, list[_Remote]]:
    """Ask for the commit of a revision and the wanted files in it."""
    library = _import()
    with _explained(text):
        api = library.HfApi(endpoint=os.environ.get(ENDPOINT_VARIABLE))
        info = api.model_info(address.repository, revision=address.revision, files_metadata=True)
    if not re.fullmatch(r"[0-9a-f]{40}", str(info.sha)):
        raise OSError(f"{text}: the hub states no commit, but {info.sha!r}")
    files = []
    for sibling in info.siblings or ():
        if _WANTED.fullmatch(sibling.rfilename):
            large = sibling.lfs
            sha256 = str(large.sha256) if large else ""
            files.append(_Remote(sibling.rfilename, int(sibling.size), sha256, str(sibling.blob_id)))
    names = {file.name for file in files}
    if not any(names.issuperset(needed) for needed in _NEEDED):
        raise ValueError(
            f"{text}: holds no model: neither params.yaml with categories.json, nor export.json; `yolact"
            " push` uploads one"
        )
    if sum(file.size for file in files) > _LARGEST:
        raise ValueError(
            f"{text}: has more than {_LARGEST / 2**30:.0f} GiB of files, which no model here has"
        )
    return str(info.sha), files


def _download(
    text: str, address: Address, commit: str, files: list[_Remote], done: str, note: Note | None
) -> None:
    """Fetch files, compare each with its sum, and give the folder its name when all are right."""
    library = _import()
    unfinished = f"{done}.incomplete"
    os.makedirs(unfinished, exist_ok=True)
    if note:
        total = sum(file.size for file in files)
        note(f"{text}: {len(files)} files, {total / 1e6:.1f} MB, commit {commit[:12]}")
    for file in files:
        with _explained(text):
            path = library.hf_hub_download(
                address.repository,
                file.name,
                revision=commit,
                local_dir=unfinished,
                endpoint=os.environ.get(ENDPOINT_VARIABLE),
            )
        try:
            _check(text, file, path)
        except ValueError:
            shutil.rmtree(unfinished)
            raise
    shutil.rmtree(os.path.join(unfinished, ".cache"), ignore_errors=True)
    outputs.rename(unfinished, done)


def _check(text: str, file: _Remote, path: str) -> None:
    """Compare a file with the size and the sum that the hub states; raises ValueError."""
    if os.path.islink(path):
        raise ValueError(f"{text}: {file.name} is a link")
    size = os.path.getsize(path)
    if size != file.size:
        raise ValueError(f"{text}: {file.name} has {size} bytes, the hub states {file.size}: try again")
    # Git's name of a small file is the sha1 of a head with its size, and its content.
    digest = hashlib.sha256() if file.sha256 else hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with open(path, "rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    if digest.hexdigest() != (file.sha256 or file.blob):
        raise ValueError(f"{text}: {file.name} is not what the hub states, its sum is another: try again")


def _read_last(path: str) -> str | None:
    """Read which commit a revision was last; None: it was never fetched."""
    try:
        with open(path, encoding="ascii") as file:
            commit = file.read()
    except (OSError, UnicodeDecodeError):
        return None
    return commit if os.path.isdir(os.path.join(os.path.dirname(path), commit)) else None
