"""Conversion of numbers to classes and back."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from mtl import tasks

HYPOTHESIS = settings(max_examples=300, deadline=None, derandomize=True, database=None)
NUMBERS = st.text("0123456789", max_size=9)
NAMES = ["length", "digit1", "digit2", "digit3", "digit4", "digit5"]


def classes(*values):
    """Return one class per task, in the answer's order."""
    return dict(zip(NAMES, values))


def test_tasks_of_the_answer():
    assert [task.name for task in tasks.NUMBER_TASKS] == NAMES
    assert [task.classes for task in tasks.NUMBER_TASKS] == [7, 11, 11, 11, 11, 11]


@pytest.mark.parametrize(
    "number, expected",
    [
        ("210", classes(3, 2, 1, 0, 10, 10)),
        ("1234567", classes(6, 1, 2, 3, 4, 5)),
        ("", classes(0, 10, 10, 10, 10, 10)),
        ("00000", classes(5, 0, 0, 0, 0, 0)),
        ("000000", classes(6, 0, 0, 0, 0, 0)),
    ],
)
def test_encode(number, expected):
    assert tasks.encode(number) == expected


@pytest.mark.parametrize("length", range(10))
def test_encode_any_length(length):
    number = "9876543210"[:length]
    digits = [int(digit) for digit in number[:5]]
    padding = [10] * (5 - len(digits))
    assert tasks.encode(number) == classes(min(length, 6), *digits, *padding)


@HYPOTHESIS
@given(NUMBERS)
def test_decode_inverts_encode_up_to_five_digits(number):
    encoded = tasks.encode(number)
    assert list(encoded) == NAMES
    assert all(0 <= encoded[task.name] < task.classes for task in tasks.NUMBER_TASKS)
    assert tasks.decode(encoded) == (number if len(number) <= 5 else None)


OTHER_DIGITS = ["²", "1²", "٣", "१२", "１２", "½", "一"]
OTHER_TEXT = ["a", "1a", " ", " 1", "1 ", "1 2", "\t1", "1\n", "\n"]
OTHER_NUMBERS = ["-1", "+1", "1.0", "1e3", "1_0"]


@pytest.mark.parametrize("text", OTHER_DIGITS + OTHER_TEXT + OTHER_NUMBERS)
def test_encode_refuses_text_other_than_ascii_digits(text):
    with pytest.raises(ValueError, match="digits 0 to 9") as error:
        tasks.encode(text)
    assert repr(text) in str(error.value)


@HYPOTHESIS
@given(st.text(min_size=1, max_size=4).filter(lambda text: not set(text) <= set("0123456789")))
def test_encode_refuses_random_text(text):
    with pytest.raises(ValueError):
        tasks.encode(text)


@pytest.mark.parametrize("value", [None, 12, 1.5, b"12", ["1"]])
def test_encode_refuses_other_types(value):
    with pytest.raises(ValueError, match="digits 0 to 9"):
        tasks.encode(value)


@HYPOTHESIS
@given(
    st.text("0123456789", max_size=5),
    st.lists(st.integers(-3, 99), min_size=5, max_size=5),
)
def test_decode_ignores_positions_beyond_the_length(number, noise):
    encoded = tasks.encode(number)
    for position in range(len(number) + 1, 6):
        encoded[f"digit{position}"] = noise[position - 1]
    assert tasks.decode(encoded) == number


def test_decode_gives_none_for_length_x():
    assert tasks.decode(classes(6, 10, 2, 3, 4, 5)) is None


@pytest.mark.parametrize("position", [1, 2, 3])
@pytest.mark.parametrize("wrong", [10, 11, -1])
def test_decode_refuses_a_position_within_the_length_without_a_digit(position, wrong):
    encoded = tasks.encode("210")
    encoded[f"digit{position}"] = wrong
    with pytest.raises(ValueError, match=f"digit{position} is {wrong} .*length 3"):
        tasks.decode(encoded)


@pytest.mark.parametrize("length", [-1, 7])
def test_decode_refuses_a_length_out_of_range(length):
    with pytest.raises(ValueError, match="length"):
        tasks.decode(classes(length, 2, 1, 0, 10, 10))


def test_decode_accepts_numpy_integers():
    encoded = {name: np.int64(value) for name, value in tasks.encode("305").items()}
    assert tasks.decode(encoded) == "305"


def test_encode_all_encodes_each_number():
    numbers = ["", "7", "40", "123456", "00000"]
    columns = tasks.encode_all(numbers)
    assert list(columns) == NAMES
    for column in columns.values():
        assert column.dtype == np.int32
        assert column.shape == (5,)
    for index, number in enumerate(numbers):
        assert {name: columns[name][index] for name in NAMES} == tasks.encode(number)


def test_encode_all_of_nothing_is_empty():
    assert [column.shape for column in tasks.encode_all([]).values()] == [(0,)] * 6


def test_encode_all_refuses_as_encode():
    with pytest.raises(ValueError, match="'x'"):
        tasks.encode_all(["1", "x"])


def test_mask_applies_only_to_digits():
    masked = [tasks.masked(task, "mask") for task in tasks.NUMBER_TASKS]
    assert masked == [False, True, True, True, True, True]
    assert not any(tasks.masked(task, "x") for task in tasks.NUMBER_TASKS)
    assert not tasks.masked(tasks.Task("colour", 11), "mask")
