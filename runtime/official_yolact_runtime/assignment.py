"""The best assignment of two lists to one another: which pairs have the largest total value."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def assign(values: NDArray[np.floating[Any]], least: float) -> list[tuple[int, int]]:
    """Pair the entries of two lists, each at most once, so that the values of the pairs have the largest sum.

    Args:
      values: float [N, M], at least 0, of each possible pair.
      least: a pair with a smaller value is impossible; above 0.

    Returns:
      The pairs (index of the first list, index of the second), ascending; equal input gives equal pairs.

    Source: shortest augmenting paths as of Jonker and Volgenant, 1987, with dual variables.
    """
    possible = np.where(values >= least, values, 0.0).astype(np.float64)
    rows, columns = (np.flatnonzero(possible.any(axis=axis)) for axis in (1, 0))
    small = possible[np.ix_(rows, columns)]
    if len(rows) > len(columns):
        pairs = [(row, column) for column, row in enumerate(_match_rows(-small.T))]
    else:
        pairs = list(enumerate(_match_rows(-small)))
    return sorted((int(rows[r]), int(columns[c])) for r, c in pairs if small[r, c] > 0)


def _match_rows(costs: NDArray[np.float64]) -> list[int]:
    """Find the column of each row with the smallest total cost; costs [N, M], N at most M."""
    num_rows, num_columns = costs.shape
    of_row, of_column = np.zeros(num_rows), np.zeros(num_columns)  # dual variables
    row_of = np.full(num_columns, -1)
    for start in range(num_rows):
        distance, before = np.full(num_columns, np.inf), np.full(num_columns, -1)
        seen = np.zeros(num_columns, np.bool_)
        row, column, reached = start, -1, 0.0
        while row >= 0:
            through = reached + costs[row] - of_row[row] - of_column  # [M]
            closer = ~seen & (through < distance)
            distance[closer], before[closer] = through[closer], column
            column = int(np.argmin(np.where(seen, np.inf, distance)))
            reached = float(distance[column])
            seen[column] = True
            row = int(row_of[column])
        others = seen & (row_of >= 0)
        of_row[row_of[others]] += reached - distance[others]
        of_row[start] += reached
        of_column[seen] -= reached - distance[seen]
        while column >= 0:
            previous = int(before[column])
            row_of[column] = row_of[previous] if previous >= 0 else start
            column = previous
    columns = np.full(num_rows, -1)
    columns[row_of[row_of >= 0]] = np.flatnonzero(row_of >= 0)
    return [int(column) for column in columns]
