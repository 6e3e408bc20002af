"""How often an epoch shows each record, so that rare classes are seen more often.

Source: repeat factor sampling of LVIS, arXiv 1908.03195. There each factor is rounded at random in each
epoch; here all epochs have one length, and the mean over epochs comes closer to the factor.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

UNITS = 2**32
"""Parts of a copy that are counted: in whole numbers, every machine counts the same."""

_LARGEST_UNASKED = 1.5


def find_class_factors(frequencies: npt.ArrayLike, threshold: float) -> npt.NDArray[np.float64]:
    """Compute the factor of each class, max(1, sqrt(threshold / frequency)).

    Args:
      frequencies: [C] share of the records that hold an object of the class.
      threshold: classes of at least this frequency have factor 1.

    Returns:
      float64 [C]; 1 for a class without objects.
    """
    shares = np.asarray(frequencies, np.float64)
    return np.sqrt(np.maximum(1.0, threshold / np.where(shares > 0, shares, np.inf)))


def describe_factors(names: Sequence[str], factors: npt.NDArray[np.float64], most: int = 5) -> str:
    """Say which classes come how often, the rarest first: `lamp 3.6 times, plaque 2.0`.

    Args:
      names: of the classes.
      factors: [C] of the classes.
      most: that are named; of the others the number is stated.

    Returns:
      The text; empty where all come once.
    """
    rare = sorted(
        ((float(factor), name) for name, factor in zip(names, factors, strict=True) if factor >= 1.05),
        reverse=True,
    )
    texts = [f"{name} {factor:.1f}{'' if index else ' times'}" for index, (factor, name) in enumerate(rare)]
    return ", ".join([*texts[:most], *([f"{len(rare) - most} more classes"] if len(rare) > most else [])])


def propose_threshold(frequencies: Sequence[float]) -> float:
    """Propose a threshold: the frequency of the class in the middle, where the rarest gets a factor of 1.5.

    Classes that are all about as frequent need no repeats, and those of LVIS about its authors' 0.001.

    Args:
      frequencies: of the classes, as in `find_class_factors`.

    Returns:
      The threshold with two digits; 0 where none is needed.
    """
    shares = np.array([share for share in frequencies if share > 0])
    if not len(shares):
        return 0.0
    threshold = float(f"{np.median(shares):.2g}")
    largest = float(find_class_factors(shares, threshold).max())
    return threshold if largest >= _LARGEST_UNASKED else 0.0


@dataclasses.dataclass(frozen=True, eq=False)
class Repeats:
    """What is known of the copies of each record.

    Attributes:
      class_factors: float64 [C], of class 1 on.
      ends: int64 [R], the sum of the factors less 1 of each record and those before it, in units of 2^-32
        and scaled so that the last one is whole.
    """

    class_factors: npt.NDArray[np.float64]
    ends: npt.NDArray[np.int64]

    @property
    def epoch_length(self) -> int:
        """Number of examples of every epoch: the sum of the factors, rounded."""
        return len(self.ends) + (int(self.ends[-1]) // UNITS if len(self.ends) else 0)

    @classmethod
    def of(
        cls,
        num_records: int,
        records: npt.NDArray[np.int64],
        classes: npt.NDArray[np.int64],
        num_classes: int,
        threshold: float,
    ) -> Repeats:
        """Compute the factors: that of a record is the largest of its classes, and 1 without any.

        Args:
          num_records: R.
          records: int64 [K], a record with an object.
          classes: int64 [K], the class of the object, from 1; the same pair may come several times.
          num_classes: C, without the background.
          threshold: see `find_class_factors`.
        """
        pairs = np.unique(records * (num_classes + 1) + classes)
        records, classes = np.divmod(pairs, num_classes + 1)
        counts = np.bincount(classes, minlength=num_classes + 1)[1:]
        by_class = find_class_factors(counts / max(num_records, 1), threshold)
        factors = np.ones(num_records)
        np.maximum.at(factors, records, by_class[classes - 1])
        sums = np.cumsum(factors - 1.0)
        whole = round(float(sums[-1])) if num_records else 0
        scale = whole / sums[-1] if whole else 0.0
        ends = np.round(sums * scale * UNITS).astype(np.int64)
        if whole:
            ends[-1] = whole * UNITS
        return cls(by_class, np.minimum(ends, whole * UNITS))
