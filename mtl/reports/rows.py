"""Rows of tables: CSV, order, and numbers from outside."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

Row = dict[str, Any]  # column -> str, int, float, or None for an empty cell


def to_csv(rows: Sequence[Row], columns: Sequence[str] = ()) -> str:
    r"""Return rows as CSV with a header. Lines end in \n. Floats are written without loss.

    Args:
      rows: with the same columns; None is an empty cell.
      columns: the header; required if there may be no rows.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns or list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def worst_first(values: np.ndarray, *, nan_last: bool) -> np.ndarray:
    """Return the order of values from the largest to the smallest, int64 [n].

    Equal values keep their order. NaN is last or first.
    """
    at = -np.inf if nan_last else np.inf
    return np.argsort(-np.where(np.isnan(values), at, values), kind="stable")


def is_matrix(rows: Sequence[Row]) -> bool:
    """Return whether rows are a confusion matrix: a column "true", then the names of the rows."""
    return bool(rows) and list(rows[0]) == ["true", *[row.get("true") for row in rows]]


def number(value: Any) -> float | None:
    """Return an int or float within +-2**53, where float64 is exact; None for anything else."""
    if type(value) in (int, float) and abs(value) <= 1 << 53:  # False for NaN
        return value
    return None
