"""What is unusual about an annotation file, said by the commands that use it."""

from __future__ import annotations

from collections.abc import Sequence

from official_yolact.cli import progress


def say(path: str, notes: Sequence[str], images_dir: str | None = None) -> None:
    """Print a line for each note, and the command that shows more.

    Args:
      path: of the annotation file.
      notes: of `coco.inspection`.
      images_dir: folder of its images.
    """
    if not notes:
        return
    from official_yolact.coco import inspection

    for line in inspection.format_notes(path, notes, images_dir):
        progress.say(line)
