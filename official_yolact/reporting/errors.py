"""Where AP50 is lost: TIDE's six kinds of error, and how much AP each costs.

Source: TIDE, https://arxiv.org/abs/2008.08115; the order of the tests is that of its published code:
localisation, class, duplicate, background, both.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from official_yolact.reporting import ap_table
from official_yolact.reporting import report_schema as schema
from official_yolact.reporting import study as study_lib

NO_ERROR = -1
"""In `Sorted.kinds`: the detection is right, or does not count."""

_CLASS, _LOCALISATION, _BOTH, _DUPLICATE, _BACKGROUND, MISSED = range(len(schema.ERRORS))
BACKGROUND_IOU = 0.1
"""Below this overlap with every object a detection lies on the background."""


@dataclasses.dataclass(frozen=True, eq=False)
class Sorted:
    """What is wrong with each detection, and which objects were missed.

    Attributes:
      kinds: int64 [D], index in `ERRORS`, or `NO_ERROR`.
      objects: int64 [D], the object that a detection found, or the one that it misses by its error; else -1.
      ious: float64 [D], the overlap with it.
      missed: bool [G], objects that neither a right detection nor one with a class or localisation error has.
      unfound: bool [G], objects that no right detection has.
    """

    kinds: NDArray[np.int64]
    objects: NDArray[np.int64]
    ious: NDArray[np.float64]
    missed: NDArray[np.bool_]
    unfound: NDArray[np.bool_]


def sort_errors(study: study_lib.Study) -> Sorted:
    """Find out what is wrong with each detection that counts and found nothing."""
    pairs, matches = study.pairs, study.matches
    count = len(matches.scores)
    is_own = study.classes[pairs.detections] == study.object_classes[pairs.objects]
    is_used = matches.detections[0] >= 0
    own, other, used = (
        _find_best(pairs.select(chosen), count)
        for chosen in (is_own, ~is_own, is_own & is_used[pairs.objects])
    )
    nearest = np.maximum(own.ious, other.ious)
    tests = [  # The first that holds decides.
        (_LOCALISATION, (own.ious >= BACKGROUND_IOU) & (own.ious <= study_lib.IOU), own),
        (_CLASS, other.ious >= study_lib.IOU, other),
        (_DUPLICATE, used.ious >= study_lib.IOU, used),
        (_BACKGROUND, nearest <= BACKGROUND_IOU, None),
        (_BOTH, np.ones(count, np.bool_), other),
    ]
    found = study.matches.objects[0]  # [D]
    kinds, objects, ious = np.full(count, NO_ERROR), np.where(study.hits, found, -1), np.zeros(count)
    ious[study.hits] = _read_ious(study, study.hits)
    rest = study.counts & ~study.hits
    for kind, holds, best in tests:
        chosen = rest & holds
        kinds[chosen] = kind
        if best is not None:
            objects[chosen], ious[chosen] = best.objects[chosen], best.ious[chosen]
        rest &= ~chosen
    unfound = matches.object_counts & ~is_used
    missed = unfound.copy()
    missed[objects[np.isin(kinds, (_CLASS, _LOCALISATION))]] = False
    return Sorted(kinds, objects, ious, missed, unfound)


def describe_errors(study: study_lib.Study, errors: Sorted, threshold: float) -> schema.Errors:
    """Count the errors, and measure what each kind costs.

    Args:
      study: the detections.
      errors: of them.
      threshold: the recommended one.
    """
    ap = _Ap50(study)
    value, shown = ap.measure(), study.matches.scores >= threshold
    missed_at = study.matches.object_counts & ~study.find_objects(shown)
    missed_at[errors.objects[shown & np.isin(errors.kinds, (_CLASS, _LOCALISATION))]] = False
    rows = [
        schema.ErrorRow(
            kind=name,
            count=int(np.count_nonzero(errors.missed if kind == MISSED else errors.kinds == kind)),
            count_at=int(np.count_nonzero(missed_at if kind == MISSED else shown & (errors.kinds == kind))),
            points=_points(value, _mend(ap, errors, kind)),
        )
        for kind, name in enumerate(schema.ERRORS)
    ]
    return {
        "of": "AP50",
        "value": value,
        "rows": rows,
        "false_positive": _points(value, ap.measure(gone=errors.kinds != NO_ERROR)),
        "false_negative": _points(value, ap.measure(unneeded=errors.unfound)),
    }


def _mend(ap: _Ap50, errors: Sorted, kind: int) -> float | None:
    """Measure AP50 without one kind of error.

    Of class and localisation, the best detection of an object that nothing found becomes right, the others
    vanish. Other wrong detections vanish, and missed objects are not asked for.
    """
    if kind == MISSED:
        return ap.measure(unneeded=errors.missed)
    wrong = errors.kinds == kind
    if kind not in (_CLASS, _LOCALISATION):
        return ap.measure(gone=wrong)
    rows = np.flatnonzero(wrong)
    rows = rows[errors.unfound[errors.objects[rows]]]
    rows = rows[np.lexsort((-ap.study.matches.scores[rows], errors.objects[rows]))]
    is_best = np.diff(errors.objects[rows], prepend=-1) != 0
    wrong[rows[is_best]] = False
    return ap.measure(gone=wrong, mended=rows[is_best], objects=errors.objects[rows[is_best]])


class _Ap50:
    """AP50 after some detections have changed."""

    def __init__(self, study: study_lib.Study) -> None:
        self.study = study

    def measure(
        self,
        gone: NDArray[np.bool_] | None = None,
        unneeded: NDArray[np.bool_] | None = None,
        mended: NDArray[np.int64] | Sequence[Any] = (),
        objects: NDArray[np.int64] | Sequence[Any] = (),
    ) -> float | None:
        """Measure AP50 where detections are gone, objects not needed, and detections have found objects."""
        study = self.study
        hits, counts, classes = study.hits.copy(), study.counts.copy(), study.classes.copy()
        if gone is not None:
            counts &= ~gone
        if len(mended):
            hits[mended], classes[mended] = True, study.object_classes[objects]
        needed = study.matches.object_counts
        needed = needed if unneeded is None else needed & ~unneeded
        found = ap_table.Found(
            classes,
            study.images,
            study.matches.scores,
            hits[np.newaxis],
            counts[np.newaxis],
            study.object_classes[needed],
            study.object_images[needed],
        )
        table = ap_table.ApTable(found, len(study.category_ids))
        ap, _ = table.measure(np.ones(len(study.image_ids), np.int64))
        known = ap[0][study.objects_of_classes > 0]
        # A class of which nothing is needed any more has lost nothing.
        return float(np.where(np.isnan(known), 1.0, known).mean()) if len(known) else None


def _points(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else 100 * (after - before)


def _find_best(pairs: study_lib.Pairs, count: int) -> _Best:
    """Find for each detection the object with the largest overlap among some pairs."""
    order = np.lexsort((-pairs.ious, pairs.detections))
    rows = pairs.detections[order]
    first = order[np.diff(rows, prepend=-1) != 0]
    objects, ious = np.full(count, -1, np.int64), np.zeros(count)
    objects[pairs.detections[first]] = pairs.objects[first]
    ious[pairs.detections[first]] = pairs.ious[first]
    return _Best(objects, ious)


@dataclasses.dataclass(frozen=True, eq=False)
class _Best:
    objects: NDArray[np.int64]  # [D], -1 for none
    ious: NDArray[np.float64]


def _read_ious(study: study_lib.Study, hits: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Read the overlaps of right detections with the objects that they found, in the order of `hits`."""
    pairs, found = study.pairs, study.matches.objects[0]
    return pairs.select(hits[pairs.detections] & (found[pairs.detections] == pairs.objects)).ious
