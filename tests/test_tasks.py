"""Conversion of numbers to classes and back, and the checks of tasks and labels."""

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
    assert [task.outputs for task in tasks.NUMBER_TASKS] == [7, 11, 11, 11, 11, 11]


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
    assert all(0 <= encoded[task.name] < task.outputs for task in tasks.NUMBER_TASKS)
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


# -- checks ----------------------------------------------------------------------------------------


def refused(function, *arguments):
    """Return the message of the ValueError that a call raises."""
    with pytest.raises(ValueError) as error:
        function(*arguments)
    return str(error.value)


@pytest.mark.parametrize(
    "name", ["colour", "a", "7", "A-b_9", "images", "global_step", "Adam", "w"]
)
def test_check_accepts_names_of_scopes(name):
    tasks.check([tasks.Task(name, 2), tasks.Task("other", np.int64(3))])
    tasks.check(tasks.NUMBER_TASKS, "mask")


@pytest.mark.parametrize("found", [[], (), {}, None, "colour", iter(tasks.NUMBER_TASKS)])
def test_check_needs_a_list_of_at_least_one_task(found):
    assert refused(tasks.check, found).startswith("tasks must be a list of at least one")


@pytest.mark.parametrize("wrong", [("colour", 3), "colour", None])
def test_check_refuses_a_task_of_another_type(wrong):
    message = refused(tasks.check, [tasks.Task("shape", 3), wrong])
    assert message == f"task {wrong!r} must be a tasks.Task; write Task(name, outputs)"


@pytest.mark.parametrize("name", ["", "a b", "_a", "-a", "é", "a/b", "a.b", "a:0", "a\n", 3, None])
def test_check_refuses_a_name_that_is_not_a_scope(name):
    message = refused(tasks.check, [tasks.Task("shape", 3), tasks.Task(name, 3)])
    assert message.startswith(f"task {name!r} is not a valid name; use letters")


@pytest.mark.parametrize("name", ["shared", "Shared", "colour", "COLOUR"])
def test_check_refuses_a_name_that_is_in_use(name):
    message = refused(tasks.check, [tasks.Task("colour", 3), tasks.Task(name, 3)])
    assert message.startswith(f"task {name}: the shared bottom, the objective or another task")
    assert message.endswith("; choose another name")


@pytest.mark.parametrize("count", [1, 0, -3, True, 2.0, "real", None])
def test_check_refuses_a_task_of_less_than_two_classes(count):
    message = refused(tasks.check, [tasks.Task("colour", 3), tasks.Task("real", count)])
    assert message.startswith(f"task real has outputs={count!r}, but a softmax needs at least 2")


def test_check_refuses_a_mask_without_a_digit():
    colour = tasks.Task("colour", 11)
    assert refused(tasks.check, [colour], "mask").startswith("task colour: absent='mask' has no")
    tasks.check([colour, *tasks.DIGIT_TASKS[:1]], "mask")


TWO = (tasks.Task("colour", 3), tasks.Task("shape", 5))


def test_labels_of_the_tasks_are_accepted():
    labels = {"shape": np.array([0, 4, 2], np.uint8), "colour": np.array([2, 0, 1], np.int64)}
    tasks.check_labels(labels, TWO, 3)


@pytest.mark.parametrize("names", [[], ["colour"], ["colour", "shape", "size"], ["length"]])
def test_labels_of_other_tasks_are_refused(names):
    labels = dict.fromkeys(names, np.zeros(3, np.int32))
    message = refused(tasks.check_labels, labels, TWO, 3)
    expected = f"labels must be a dict of the tasks ['colour', 'shape'], got {names}; give each"
    assert message.startswith(expected)


@pytest.mark.parametrize(
    "wrong, what",
    [
        ([0, 1, 2], "must be an array, got list"),
        (np.zeros(3), "must be integers, got float64"),
        (np.zeros(3, bool), "must be integers, got bool"),
        (np.array(["0", "1", "2"]), "must be integers, got <U1"),
        (np.int32(1), "must be an array, got int32"),
        (np.zeros(1, np.int32), "must have the shape [3], got [1]"),
        (np.zeros([3, 1], np.int32), "must have the shape [3], got [3, 1]"),
        (np.array([0, 5, 9]), "must be 0 to 4, got 5"),
        (np.array([0, 1, -2]), "must be 0 to 4, got -2"),
    ],
)
def test_labels_of_another_type_shape_or_range_are_refused(wrong, what):
    labels = {"colour": np.zeros(3, np.int32), "shape": wrong}
    message = refused(tasks.check_labels, labels, TWO, 3)
    assert message.startswith(f"labels of task shape {what}")


def test_minus_one_means_not_labelled_but_a_number_has_all_labels():
    labels = {"colour": np.array([-1, 2, 0]), "shape": np.array([4, -1, -1])}
    tasks.check_labels(labels, TWO, 3)
    numbers = tasks.encode_all(["31", "7", ""])
    numbers["digit2"][1] = -1
    message = refused(tasks.check_labels, numbers, tasks.NUMBER_TASKS, 3)
    assert message.startswith("labels of task digit2 must be 0 to 10, got -1")


@pytest.mark.parametrize("wrong", [None, [np.zeros(3, np.int32)] * 2, "31"])
def test_labels_must_be_a_dict(wrong):
    found = type(wrong).__name__
    assert f"['colour', 'shape'], got {found}; " in refused(tasks.check_labels, wrong, TWO, 3)


# -- tasks as text ---------------------------------------------------------------------------------


def test_parses_classes_and_kinds():
    found = tasks.parse("digit:10, odd:classes:2,height:real")
    assert found == (tasks.Task("digit", 10), tasks.Task("odd", 2), tasks.Task("height", 1, "real"))
    assert tasks.text(found) == "digit:10,odd:2,height:real"


def test_numbers_are_the_six_tasks():
    assert tasks.parse("numbers") == tasks.NUMBER_TASKS
    assert tasks.text(tasks.NUMBER_TASKS) == "numbers"


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "task '' has no kind or number of classes; write name:N for N classes, or"),
        ("digit", "task 'digit' has no kind or number of classes; write digit:N for N classes"),
        ("digit:10,", "task '' has no kind"),
        ("digit:x", "task 'digit:x' has no kind"),
        ("digit:-3", "task 'digit:-3' has no kind"),
        ("digit:1.5", "task 'digit:1.5' has no kind"),
        ("digit:1234567890", "task 'digit:1234567890' has no kind"),
        ("digit:classes:3:4", "task 'digit:classes:3:4' has no kind"),
        ("digit:1", "task digit has outputs=1, but a softmax needs at least 2 classes"),
        ("height:real:2", "task height has outputs=2, but a real task has one number"),
        ("a b:3", "task 'a b' is not a valid name"),
        ("shared:3", "task shared: the shared bottom, the objective or another task has this name"),
        ("a:3,A:real", "task A: the shared bottom, the objective or another task has this name"),
    ],
)
def test_other_texts_are_refused(text, message):
    assert refused(tasks.parse, text).startswith(message)


def test_x_has_no_loss_if_it_is_masked():
    length, digit = tasks.NUMBER_TASKS[:2]
    found = [tasks.missing(task, "mask", np.array([6, 10, 0])).tolist() for task in (length, digit)]
    assert found == [[False, False, False], [False, True, False]]
    assert not tasks.missing(digit, "x", np.array([6, 10, 0])).any()
