"""CSV files: their lines, and their columns found by name."""

import csv
import difflib
import io
from collections.abc import Iterator, Sequence

from mtl.data.examples import first_names
from mtl.errors import DataError, shown
from mtl.runs import files


def lines(path: str, max_bytes: int, cure: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each line, counted from 1, and its fields. Empty lines are skipped.

    Args:
      path: a CSV file in UTF-8.
      max_bytes: the largest size of the file.
      cure: what to do if the file cannot be read.

    Raises:
      DataError: the file is missing, too large, or not CSV in UTF-8.
    """
    name = shown(path)
    try:
        text = files.read_text(path, max_bytes)
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror}); {cure}") from None
    except UnicodeDecodeError:
        raise DataError(f"{name}: not text in UTF-8; save it as CSV in UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for fields in reader:
            if any(fields):  # spreadsheets write empty lines as ,,,,
                yield reader.line_num, fields
    except csv.Error as error:
        cure = "check that every quote is closed, and save it as CSV in UTF-8"
        raise DataError(f"{name} line {reader.line_num}: {error}; {cure}") from None


def read_header(numbered: Iterator[tuple[int, list[str]]]) -> list[str]:
    """Return the names of the columns, the first of `lines`; [] if the file is empty."""
    return [name.strip() for name in next(numbered, (1, []))[1]]


def check_commas(path: str, header: Sequence[str]) -> None:
    """Raise DataError if the columns are separated by semicolons or tabs."""
    for separator in (";", "\t"):
        if len(header) == 1 and separator in header[0]:
            what = f"the header {header[0][:80]!r} has no commas"
            raise DataError(f"{shown(path)} line 1: {what}; separate the fields by commas")


def check_header(path: str, header: Sequence[str]) -> None:
    """Raise DataError if two columns have one name, a column has none, or there are no commas."""
    check_commas(path, header)
    name = shown(path)
    for index, column in enumerate(header):
        if not column:
            cure = "name it, or remove it (pandas writes none with to_csv(..., index=False))"
            raise DataError(f"{name}: column {index + 1} has no name; {cure}")
        if column in header[:index]:
            raise DataError(f"{name}: two columns are named {column!r}; rename or remove one")


def check_fields(path: str, line: int, fields: Sequence[str], header: Sequence[str]) -> None:
    """Raise DataError if a line has more or fewer fields than the header."""
    if len(fields) != len(header):
        what = f"{len(fields)} fields, but the header has {len(header)}"
        cure = "quote a field that contains a comma, and write decimals with a point"
        raise DataError(f"{shown(path)} line {line}: {what}; {cure}")


def missing(path: str, what: str, name: str, found: Sequence[str], cure: str) -> DataError:
    """Return the error of a missing column, array or task.

    Args:
      path: the file.
      what: "column", "array" or "task".
      name: the missing one.
      found: the names in the file. The most similar one is suggested.
      cure: what to do.
    """
    near = difflib.get_close_matches(name.lower(), [each.lower() for each in found], n=1)
    meant = [each for each in found if near and each.lower() == near[0]]
    hint = f"did you mean {meant[0]}? " if meant else ""
    listed = first_names([each[:80] for each in found])
    return DataError(f"{shown(path)}: no {what} {name!r}, found {listed}; {hint}{cure}")
