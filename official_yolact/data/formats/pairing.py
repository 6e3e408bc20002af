"""Which label belongs to which image: exact names first, then those that differ in case or Unicode form."""

from __future__ import annotations

import collections
import difflib
import os
from collections.abc import Collection, Iterable, Mapping, Sequence

from official_yolact.data.formats import coco_builder
from official_yolact.images import image_folders

_SHARE = 0.5
_LOOKED_AT = 1000


def match(wanted: Mapping[str, str], there: Iterable[str], what: str) -> dict[str, str]:
    """Give each image its label.

    Args:
      wanted: image to the exact name of its label.
      there: names of the labels that exist.
      what: names the place of the labels in messages.

    Returns:
      Image to label; an image without one is not in it.

    Raises:
      ValueError: a name fits twice but for case or Unicode form.
    """
    labels = set(there)
    found = {image: name for image, name in wanted.items() if name in labels}
    taken = set(found.values())
    free = group(name for name in labels if name not in taken)
    waiting: dict[str, list[str]] = collections.defaultdict(list)
    for image, name in wanted.items():
        if image not in found:
            waiting[image_folders.fold(name)].append(image)
    for folded, images in waiting.items():
        fitting = free.get(folded, [])
        if fitting and len(images) + len(fitting) > 2:
            raise ValueError(
                f"{what}: {_list(fitting)} and {_list(images)} fit each other but for case or Unicode form"
                " of their names, more than one to one: give label and image the same name"
            )
        if fitting:
            found[images[0]] = fitting[0]
    return found


def group(names: Iterable[str]) -> dict[str, list[str]]:
    """Map what names have in common without case and Unicode form to the names, sorted."""
    result: dict[str, list[str]] = collections.defaultdict(list)
    for name in sorted(names):
        result[image_folders.fold(name)].append(name)
    return dict(result)


def is_most(part: int, whole: int) -> bool:
    """Tell whether a part is more than may be left out without consent."""
    return part > _SHARE * whole


def refuse_most(
    where: str, labels: int, images: int, unused: Sequence[str], bare: Sequence[str], cure: str
) -> None:
    """Refuse a set of which most labels have no image, or most images no label.

    Args:
      where: begins the message.
      labels: number of all labels.
      images: number of all images.
      unused: names of the labels without an image.
      bare: names of the images without a label.
      cure: what else may be wrong.

    Raises:
      ValueError: names the numbers, examples and the likely cause.
    """
    if not is_most(len(unused), labels) and not is_most(len(bare), images):
        return
    counts = f"{len(unused)} of {labels} labels have no image and {len(bare)} of {images} images no label"
    raise ValueError(f"{where}: {counts}: {_guess(unused, bare)}{cure}; or go on with --yes")


def count_unused(
    builder: coco_builder.CocoBuilder,
    images_dir: str,
    used: Collection[str],
    gone: Sequence[str],
    allow_most: bool,
) -> None:
    """Count labels without an image and images without a label, where the labels name their images.

    Args:
      builder: counts, and takes the images without a label for files that are read.
      images_dir: folder of the images.
      used: names of the images that have labels.
      gone: messages of the labels whose image is not there.
      allow_most: go on where most labels have no image, or most images no label.

    Raises:
      FileNotFoundError: most labels, or all, have no image.
      ValueError: most images have no label.
    """
    if gone and (not used or (not allow_most and is_most(len(gone), len(used) + len(gone)))):
        counts = f" ({len(gone)} of {len(used) + len(gone)} labels have no image); or go on with --yes"
        raise FileNotFoundError(f"{gone[0]}{counts if used else ''}")
    images = set(image_folders.find_files(images_dir)) | set(used)
    bare = sorted(images - set(used))
    builder.read += [os.path.join(images_dir, name) for name in bare]
    if used and not allow_most:
        cure = "label it, or name the folder of the labelled images with --images"
        refuse_most(images_dir, len(used) + len(gone), len(images), [], bare, cure)
    builder.note("label_without_image", len(gone))
    builder.note("image_without_label", len(bare))


def _guess(unused: Sequence[str], bare: Sequence[str]) -> str:
    if not unused:
        return f"the first image is {bare[0]!r}: "
    stems = {_stem(name): name for name in bare[:_LOOKED_AT]}
    near = difflib.get_close_matches(_stem(unused[0]), list(stems), n=1)
    like = f", perhaps that of {stems[near[0]]!r}" if near else ""
    return f"the first label is {unused[0]!r}{like}: label and image need the same name but for the suffix; "


def _stem(name: str) -> str:
    return os.path.splitext(os.path.basename(name))[0]


def _list(names: Sequence[str]) -> str:
    return " and ".join(repr(name) for name in names[:2]) + (", ..." if len(names) > 2 else "")
