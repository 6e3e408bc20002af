"""Checks an annotation file: reads it, looks at its images, runs every check."""

from __future__ import annotations

import dataclasses

from official_yolact.data import worker_count
from official_yolact.data.checking import checks
from official_yolact.data.checking import file_facts
from official_yolact.data.checking import findings
from official_yolact.data.checking import meaning
from official_yolact.data.checking import view as view_lib
from official_yolact.images import image_folders


@dataclasses.dataclass(frozen=True)
class Options:
    """How to check.

    Attributes:
      images_dir: folder of the images, or None: files are not looked at.
      against: JSON of another split, or None.
      against_images_dir: folder of its images, None: the same folder.
      target: what the data is meant for.
      decode: decode every image, which finds damage; otherwise headers only.
      workers: threads that look at files.
    """

    images_dir: str | None = None
    against: str | None = None
    against_images_dir: str | None = None
    target: meaning.Target = dataclasses.field(default_factory=meaning.Target)
    decode: bool = True
    workers: int = 2


@dataclasses.dataclass(frozen=True)
class Checked:
    """A checked file.

    Attributes:
      view: its content.
      sha256: of its bytes.
      found: findings by code.
      other: the other split, or None.
    """

    view: view_lib.View
    sha256: str
    found: list[findings.Finding]
    other: view_lib.View | None


def check_file(path: str, options: Options, progress: file_facts.Progress | None = None) -> Checked:
    """Check a file.

    Args:
      path: COCO instances JSON.
      options: how.
      progress: is called after each image file.

    Returns:
      What was found.

    Raises:
      OSError: the file or a folder cannot be read.
      ValueError: it is no COCO JSON, or an option is out of range.
    """
    options.target.check()
    worker_count.check(options.workers)
    content, sha256 = view_lib.load(path)
    other = None
    if options.against:
        # The other file's content goes as soon as its arrays are made.
        folder = options.against_images_dir or options.images_dir
        other = _look(options.against, view_lib.load(options.against)[0], folder, options, progress)
    view = _look(path, content, options.images_dir, options, progress)
    return Checked(view, sha256, checks.run_all(view, options.target, other), other)


def _look(
    path: str,
    content: dict[str, object],
    images_dir: str | None,
    options: Options,
    progress: file_facts.Progress | None,
) -> view_lib.View:
    view = view_lib.View(path, content)
    if images_dir is None:
        return view
    folder = image_folders.ImageFolder(images_dir)
    facts = file_facts.inspect(
        view.file_names,
        folder,
        decode=options.decode,
        hashes=options.against is not None,
        workers=options.workers,
        progress=progress,
    )
    named = {fact.name for fact in facts if fact.name}
    unlisted = folder.list_unnamed(named)
    hint = image_folders.suggest(images_dir, view.file_names, [(f.name, f.rule) for f in facts])
    unread = image_folders.count_unread(images_dir, named=named)
    return view_lib.View(path, content, facts, unlisted, hint, unread)
