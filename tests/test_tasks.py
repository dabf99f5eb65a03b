"""Numbers to classes and back."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from mtl import tasks

HYPOTHESIS = settings(max_examples=300, deadline=None, derandomize=True, database=None)
NUMBERS = st.text("0123456789", max_size=9)


def test_the_tasks_of_the_answer():
    assert [tuple(task) for task in tasks.NUMBER_TASKS] == [
        ("length", 7),
        ("digit1", 11),
        ("digit2", 11),
        ("digit3", 11),
        ("digit4", 11),
        ("digit5", 11),
    ]


def test_the_examples_of_the_contract():
    assert tasks.encode("210") == {
        "length": 3,
        "digit1": 2,
        "digit2": 1,
        "digit3": 0,
        "digit4": 10,
        "digit5": 10,
    }
    assert tasks.encode("1234567") == {
        "length": 6,
        "digit1": 1,
        "digit2": 2,
        "digit3": 3,
        "digit4": 4,
        "digit5": 5,
    }
    assert tasks.encode("") == {
        "length": 0,
        "digit1": 10,
        "digit2": 10,
        "digit3": 10,
        "digit4": 10,
        "digit5": 10,
    }
    assert tasks.encode("00000")["length"] == 5 and tasks.encode("000000")["length"] == 6


@HYPOTHESIS
@given(NUMBERS)
def test_round_trip(number):
    classes = tasks.encode(number)
    assert list(classes) == [task.name for task in tasks.NUMBER_TASKS]
    assert all(0 <= classes[task.name] < task.classes for task in tasks.NUMBER_TASKS)
    assert tasks.decode(classes) == (number if len(number) <= 5 else None)


@pytest.mark.parametrize("length", range(10))
def test_every_length(length):
    number = "9876543210"[:length]
    classes = tasks.encode(number)
    assert classes["length"] == min(length, 6)
    assert [classes[f"digit{i}"] for i in range(1, 6)] == ([int(c) for c in number[:5]] + [10] * 5)[
        :5
    ]


@pytest.mark.parametrize(
    "text",
    [
        "²",
        "1²",
        "٣",
        "१२",
        "１２",
        "½",
        "一",
        "a",
        "1a",
        " ",
        " 1",
        "1 ",
        "1 2",
        "\t1",
        "1\n",
        "\n",
        "-1",
        "+1",
        "1.0",
        "1e3",
        "1_0",
    ],
)
def test_anything_but_ascii_digits_is_refused(text):
    with pytest.raises(ValueError, match="digits 0 to 9") as error:
        tasks.encode(text)
    assert repr(text) in str(error.value)


@pytest.mark.parametrize("value", [None, 12, 1.5, b"12", ["1"]])
def test_anything_but_text_is_refused(value):
    with pytest.raises(ValueError, match="digits 0 to 9"):
        tasks.encode(value)


@HYPOTHESIS
@given(st.text(min_size=1, max_size=4).filter(lambda text: not set(text) <= set("0123456789")))
def test_no_other_text_gets_through(text):
    with pytest.raises(ValueError):
        tasks.encode(text)


@HYPOTHESIS
@given(
    NUMBERS.filter(lambda number: len(number) <= 5),
    st.lists(st.integers(-3, 99), min_size=5, max_size=5),
)
def test_positions_beyond_the_length_are_ignored(number, noise):
    classes = tasks.encode(number)
    for position in range(len(number) + 1, 6):
        classes[f"digit{position}"] = noise[position - 1]
    assert tasks.decode(classes) == number


def test_length_x_is_no_number_whatever_the_digits():
    assert tasks.decode(dict(tasks.encode("123456"), digit1=10)) is None


@pytest.mark.parametrize("position", [1, 2, 3])
@pytest.mark.parametrize("wrong", [10, 11, -1])
def test_a_position_within_the_length_must_be_a_digit(position, wrong):
    with pytest.raises(ValueError, match=f"digit{position} is {wrong} .*length 3"):
        tasks.decode(dict(tasks.encode("210"), **{f"digit{position}": wrong}))


@pytest.mark.parametrize("length", [-1, 7])
def test_a_length_outside_its_task_is_refused(length):
    with pytest.raises(ValueError, match="length"):
        tasks.decode(dict(tasks.encode("210"), length=length))


def test_decode_takes_the_integers_of_an_arg_max():
    assert (
        tasks.decode({name: np.int64(value) for name, value in tasks.encode("305").items()})
        == "305"
    )


def test_encode_all_is_encode_of_each():
    numbers = ["", "7", "40", "123456", "00000"]
    classes = tasks.encode_all(numbers)
    assert list(classes) == [task.name for task in tasks.NUMBER_TASKS]
    assert all(column.dtype == np.int32 and column.shape == (5,) for column in classes.values())
    for row, number in enumerate(numbers):
        assert {name: int(column[row]) for name, column in classes.items()} == tasks.encode(number)
    assert all(column.shape == (0,) for column in tasks.encode_all([]).values())
    with pytest.raises(ValueError, match="'x'"):
        tasks.encode_all(["1", "x"])


def test_a_mask_leaves_x_out_of_the_digits_alone():
    assert [tasks.masked(task, "mask") for task in tasks.NUMBER_TASKS] == [False] + [True] * 5
    assert not any(tasks.masked(task, "x") for task in tasks.NUMBER_TASKS)
    assert not tasks.masked(tasks.Task("colour", 11), "mask")
