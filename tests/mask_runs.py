"""Run lengths of a mask, by a loop."""

import numpy as np


def runs_of(mask: np.ndarray) -> list[int]:
    counts, value = [0], 0
    for pixel in mask.T.ravel():
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return counts
