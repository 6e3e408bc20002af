"""The statistics of a data set as lines that people read."""

from __future__ import annotations

from collections.abc import Iterator

from official_yolact.data import statistics

MAX_CLASSES = 100
_FRAMES = {"photo": "pixels of the photo", "input": "pixels of the network input"}
_ANCHORS = {
    "given": "these anchors",
    "suggested": "suggested, as many",
    "suggested_3_per_octave": "suggested, 3 an octave",
}


def format_statistics(found: statistics.Statistics) -> str:
    """Lay out everything that was counted.

    Args:
      found: of one data set.

    Returns:
      Lines for a terminal, without a line break at the end.
    """
    sections = (_format_counts, _format_classes, _format_sizes, _format_padding, _format_anchors)
    return "\n\n".join("\n".join(section(found)) for section in sections)


def _format_counts(found: statistics.Statistics) -> Iterator[str]:
    yield f"images     {found.images}, {found.empty_images} without annotations"
    yield f"objects    {found.instances}, and {found.crowds} crowd regions"
    if found.degenerate:
        yield f"           {found.degenerate} objects have no area inside their image"
    if found.orphans:
        yield f"           {found.orphans} annotations belong to images that are not listed"
    sizes = [f"{size} ({number})" for size, number in list(found.image_sizes.items())[:4]]
    more = ", ..." if len(found.image_sizes) > 4 else ""
    yield f"photos     height x width {', '.join(sizes)}{more}"


def _format_classes(found: statistics.Statistics) -> Iterator[str]:
    rows = found.classes[:MAX_CLASSES]
    width = max([len("class"), *(len(row.name) for row in rows)])
    counted = f"{'objects':>8} {'images':>7} {'crowds':>7} {'repeats':>7}"
    yield f"{'class':<{width}} {counted} {'IoU>=.5':>8} {'mean IoU':>9}"
    for row in rows:
        shares = (
            f"{100 * row.coverage.at_50:7.1f}% {row.coverage.mean_iou:9.3f}"
            if row.coverage.boxes
            else f"{'-':>8} {'-':>9}"
        )
        counted = f"{row.instances:>8} {row.images:>7} {row.crowds:>7} {row.repeats:>7.2f}"
        yield f"{row.name:<{width}} {counted} {shares}"
    if len(found.classes) > len(rows):
        yield f"... and {len(found.classes) - len(rows)} more classes (all with --json)"
    if found.repeat_threshold:
        yield (
            f"proposed repeat_threshold: {found.repeat_threshold:g} (an epoch shows the photos of a class"
            " as often as `repeats` says, or as a rarer class in them)"
        )


def _format_sizes(found: statistics.Statistics) -> Iterator[str]:
    yield f"{'size':<28} {'small':>7} {'medium':>7} {'large':>7}   smallest, 10 %, median, 90 %, largest side"
    for frame, label in _FRAMES.items():
        counts = found.sizes[frame]
        sides = ", ".join(f"{value:.0f}" for value in found.sides[frame].values()) or "-"
        yield f"{label:<28} {counts['small']:>7} {counts['medium']:>7} {counts['large']:>7}   {sides}"
    ratios = ", ".join(f"{value:.2f}" for value in found.aspect_ratios.values()) or "-"
    yield f"width / height at the input: {ratios}"
    if found.below_min_side:
        yield (
            f"{found.below_min_side} objects are not larger than {statistics.MIN_SIDE:.0f} pixels of the"
            " network input on a side: training drops them. A larger input would keep them"
        )


def _format_padding(found: statistics.Statistics) -> Iterator[str]:
    numbers = found.instances_per_image
    yield (
        f"instances of an image: median {numbers['50']:.0f}, 90 % have at most {numbers['90']:.0f},"
        f" most {found.padding.largest}"
    )
    padding = found.padding
    cut = (
        f"it cuts {padding.instances_cut} instances of {padding.images_cut} images, the smallest there"
        if padding.images_cut
        else "nothing is cut"
    )
    yield f"proposed max_num_instances: {padding.max_num_instances} ({cut})"


def _format_anchors(found: statistics.Statistics) -> Iterator[str]:
    grids = {label: found.anchors[name] for name, label in _ANCHORS.items() if name in found.anchors}
    yield f"{'objects whose best anchor has':<30} {'IoU>=.5':>8} {'IoU>=.4':>8} {'mean IoU':>9}"
    for label, grid in grids.items():
        coverage = grid["coverage"]
        shares = f"{100 * coverage['at_50']:7.1f}% {100 * coverage['at_40']:7.1f}%"
        yield f"{label:<30} {shares} {coverage['mean_iou']:9.3f}"
    for label, grid in grids.items():
        yield (
            f"{label}: scales {list(grid['scales'])}, scales_per_octave {grid['scales_per_octave']},"
            f" aspect_ratios {list(grid['aspect_ratios'])}, square {str(grid['square']).lower()}"
        )
