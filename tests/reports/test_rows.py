"""mtl.reports.rows: CSV, order, and numbers from outside."""

import numpy as np
import pytest

from mtl.reports import rows


def test_csv_holds_floats_bit_for_bit_and_empty_cells():
    table = [{"a": 0.1 + 0.2, "b": None}, {"a": 1, "b": 'x,"'}]
    assert rows.to_csv(table) == 'a,b\n0.30000000000000004,\n1,"x,"""\n'


def test_csv_without_rows_is_a_header():
    assert rows.to_csv([], ["a", "b"]) == "a,b\n"


@pytest.mark.parametrize("nan_last, order", [(True, [3, 0, 2, 4, 1]), (False, [1, 3, 0, 2, 4])])
def test_the_largest_is_first_and_equal_ones_keep_their_order(nan_last, order):
    values = np.array([2.0, np.nan, 2.0, 5.0, 1.0])
    assert rows.worst_first(values, nan_last=nan_last).tolist() == order


def test_a_confusion_matrix_has_the_names_of_its_rows_as_columns():
    assert rows.is_matrix([{"true": "a", "a": 1, "b": 0}, {"true": "b", "a": 0, "b": 2}])
    assert not rows.is_matrix([{"true": "a", "predicted": "b", "examples": 2}])
    assert not rows.is_matrix([{"error from": 0, "below": 1}]) and not rows.is_matrix([])


@pytest.mark.parametrize("value", ["1", float("nan"), 1e300, 10**400, True, None, [], {}])
def test_other_values_than_numbers_are_none(value):
    assert rows.number(value) is None
    assert rows.number(3) == 3 and rows.number(-0.5) == -0.5
