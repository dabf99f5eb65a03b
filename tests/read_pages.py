"""Read the page of a report: its sections, tables and numbers."""

import csv
import io
import re

from made_reports import page_of

from mtl.reports import page
from mtl.reports.rows import to_csv


def section(rows, name, **options):
    """Return a section of the page of a report."""
    return page_of(rows, **options).one("section", id=name)


def tables_of(rows):
    """Return the tables of the page of a report, dict caption -> rows of text."""
    document = page_of(rows)
    found = {table.one("caption").text: table.rows()[1:] for table in document.all("table")}
    assert len(found) == len(document.all("table"))  # no two have the same caption
    return found


def table_of(found, text):
    """Return the only table whose caption holds a text."""
    (rows,) = [rows for caption, rows in found.items() if text in caption]
    return rows


def csv_rows(rows):
    return list(csv.reader(io.StringIO(to_csv(rows))))[1:]


def shows(cell, value):
    """Return whether a cell of the page shows a value of a CSV file, to the digits it has."""
    number = re.fullmatch(r"(-?[\d,]+)(\.\d+)?(%?)", cell)
    if not number or not value:
        return cell == (value or page.NOTHING)
    unit = 0.01 if number[3] else 1.0
    last = unit * 10.0 ** -(len(number[2] or ".") - 1)
    found = unit * float(cell.replace(",", "").rstrip("%"))
    return abs(found - float(value)) <= last / 2 + 1e-9


def same(cells, values):
    return all(shows(cell, value) for cell, value in zip(cells, values, strict=True))
