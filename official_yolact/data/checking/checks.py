"""Every check, in the order of the report."""

from __future__ import annotations

from official_yolact.data.checking import codes
from official_yolact.data.checking import files
from official_yolact.data.checking import findings
from official_yolact.data.checking import geometry
from official_yolact.data.checking import meaning
from official_yolact.data.checking import repeats
from official_yolact.data.checking import splits
from official_yolact.data.checking import structure
from official_yolact.data.checking import view as view_lib

OF_A_FILE = (
    structure.check_entries,
    structure.check_ids,
    structure.check_duplicate_ids,
    structure.check_references,
    structure.check_crowd_field,
    structure.check_unread_numbers,
    structure.check_category_names,
    repeats.check_alike_names,
    structure.check_category_order,
    structure.check_annotation_order,
    files.check_names,
    files.check_stated_sizes,
    files.check_files,
    files.check_formats,
    files.check_sizes,
    files.check_same_file,
    files.check_unlisted,
    geometry.check_segmentation,
    geometry.check_run_lengths,
    geometry.check_numbers,
    geometry.check_borders,
    geometry.check_boxes,
    geometry.check_areas,
    geometry.check_masks,
    repeats.check_objects,
)
"""Take a view."""

OF_A_TARGET = (
    meaning.check_empty,
    meaning.check_crowds,
    meaning.check_padding,
    meaning.check_small,
    meaning.check_coverage,
    meaning.check_background,
)
"""Take a view and a `meaning.Target`."""

OF_CLASSES = (meaning.check_classes,)
"""Take a view and that of another split, or None."""

OF_TWO = (splits.check_names, splits.check_photos, splits.check_stems)
"""Take a view and that of another split."""


def run_all(
    view: view_lib.View, target: meaning.Target, other: view_lib.View | None = None
) -> list[findings.Finding]:
    """Run every check.

    Args:
      view: what is checked.
      target: what it is meant for.
      other: another split, or None.

    Returns:
      All findings, by code.
    """
    found = [finding for check in OF_A_FILE for finding in check(view)]
    found += [finding for check in OF_A_TARGET for finding in check(view, target)]
    found += [finding for check in OF_CLASSES for finding in check(view, other)]
    if other is not None:
        found += [finding for check in OF_TWO for finding in check(view, other)]
    order = list(codes.CODES)
    return sorted(found, key=lambda finding: order.index(finding.code))
