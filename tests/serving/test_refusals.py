"""mtl.serving.refusals: the status and the message of an error."""

import pytest

from mtl.serving import refusals


@pytest.mark.parametrize(
    "make, status", [(refusals.bad, 400), (refusals.too_large, 413), (refusals.busy, 503)]
)
def test_message_is_one_line_with_its_status(make, status):
    error = make("a\n  b")
    assert (error.status, error.message, str(error)) == (status, "a b", "a\n  b")


def test_quoted_part_of_a_request_is_short_and_printable():
    assert refusals.quoted("a\x1b\n\u202e") == r"'a\x1b\n\u202e'"
    assert len(refusals.quoted("x" * 10_000)) == 60


def test_large_and_deep_parts_of_a_request_are_quoted_in_short():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert refusals.quoted(deep) == "[[[...]]]"
    assert refusals.quoted({"a": {"b": {"c": 1}}}) == "{'a': {'b': {...}}}"
    assert refusals.quoted([1, 2, 3, 4]) == "[1, 2, 3, 4]"
    assert refusals.quoted(list(range(10**6))) == "[0, 1, 2, 3, 4, 5, ...]"
    while deep:  # Python cannot free such a list at once
        deep = deep[0]
