"""mtl.serving.values: strict JSON, and arrays of the type and shape of an input."""

import base64
import json
import tracemalloc

import numpy as np
import pytest

from mtl.serving import values
from mtl.serving.refusals import Refused
from mtl.serving.signatures import STRING, Tensor

PIXELS = Tensor("pixels", "uint8", (2, 3, 1))
FEATURES = Tensor("features", "float32", (3,))
IMAGE = [[[1], [2], [3]], [[4], [5], [255]]]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1e999}',
        b"{'a': 1}",
        b'{"a": "\xff"}',
        b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b"[1, 2]",
        b'"text"',
        b"null",
    ],
)
def test_body_that_is_not_a_strict_json_object_is_refused(body):
    with pytest.raises(Refused) as caught:
        values.parse(body)
    assert caught.value.status == 400
    assert len(caught.value.message) < 120


def test_not_finite_numbers_are_written_as_null():
    record = {"a": np.array([1.5, np.nan, -np.inf], np.float32), "b": np.float32(np.nan)}
    assert json.loads(values.dump(record)) == {"a": [1.5, None, None], "b": None}


def test_float32_is_written_with_the_digits_that_it_needs():
    assert values.dump([np.float32(0.1)]) == b"[0.1]"


def test_pixels_are_whole_numbers_of_8_bits():
    found = values.array([IMAGE, IMAGE], PIXELS)
    assert found.dtype == np.uint8 and found.shape == (2, 2, 3, 1)
    np.testing.assert_array_equal(found[1], IMAGE)


@pytest.mark.parametrize(
    "image",
    [
        [[[1], [2], [3]], [[4], [5], [256]]],
        [[[1], [2], [3]], [[4], [5], [-1]]],
        [[[1], [2], [3]], [[4], [5], [6.5]]],
        [[[1], [2], [3]], [[4], [5], ["6"]]],
        [[[1], [2], [3]], [[4], [5], [None]]],
        [[[1], [2], [3]], [[4], [5], [10**30]]],
        [[[1], [2], [3]], [[4], [5]]],
        [[[1], [2], [3]], [[4], [5], [6, 7]]],
        [[[1], [2], [3]], [[4], [5], 6]],
        [[1, 2, 3], [4, 5, 6]],
        ["abc", "def"],
        {"a": 1, "b": 2},
        [["abc", "def", "ghi"], ["abc", "def", "ghi"]],
        [[{"a": 1}, {"b": 2}, {"c": 3}], [{"a": 1}, {"b": 2}, {"c": 3}]],
        7,
        "7",
        [],
    ],
)
def test_other_pixels_are_refused(image):
    with pytest.raises(Refused) as caught:
        values.array([image], PIXELS)
    assert caught.value.status == 400
    assert "input pixels: " in caught.value.message


def test_features_are_finite_numbers():
    found = values.array([[1, 2.5, -3e8]], FEATURES)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.float32([[1, 2.5, -3e8]]))
    for wrong in (
        [1, 2, 1e39],
        [1, 2, "3"],
        [1, 2, None],
        [1, 2],
        [[1, 2, 3]],
        [True, False, True],
    ):
        with pytest.raises(Refused) as caught:
            values.array([wrong], FEATURES)
        assert "input features: " in caught.value.message


@pytest.mark.parametrize("tensor", [PIXELS, FEATURES])
@pytest.mark.parametrize("values_", [None, True, 1.5, "text", {"a": 1}, [], [None], [[]], [1, [2]]])
def test_what_is_not_a_list_of_examples_is_refused(tensor, values_):
    with pytest.raises(Refused) as caught:
        values.array(values_, tensor)
    assert caught.value.status == 400


def test_lists_as_deep_as_json_allows_are_refused():
    deep = values.parse(b'{"a": ' + b"[" * 1000 + b"]" * 1000 + b"}")["a"]
    for tensor in (PIXELS, FEATURES):
        with pytest.raises(Refused) as caught:
            values.array(deep, tensor)
        assert len(caught.value.message) < 200


def test_one_long_text_among_empty_ones_takes_no_memory():
    # As an array of NumPy, they would take 40 GB.
    texts = ["x" * 1_000_000, *[""] * 10_000]
    tracemalloc.start()
    for tensor in (PIXELS, FEATURES, Tensor("x", "float32")):
        for given in (texts, [texts], [[[each] for each in texts]]):
            with pytest.raises(Refused):
                values.array(given, tensor)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


@pytest.mark.parametrize("count, status", [(0, 400), (-1, 400), (5, 413), (10**6, 413)])
def test_number_of_examples_has_limits(count, status):
    values.check_count(1, 4)
    values.check_count(4, 4)
    with pytest.raises(Refused) as caught:
        values.check_count(count, 4)
    assert caught.value.status == status


def test_encoded_image_is_base64_in_an_object():
    text = base64.b64encode(b"\x00\xffimage").decode()
    assert values.encoded({"b64": text}, "images") == b"\x00\xffimage"
    wrong = ["text", 7, None, {}, {"b64": 7}, {"b64": "a"}, {"b64": "????"}, {"b64": text, "c": 1}]
    for value in [*wrong, {"b64": "\u00e9\u00e9\u00e9\u00e9"}, [1]]:
        with pytest.raises(Refused) as caught:
            values.encoded(value, "images")
        assert caught.value.status == 400 and "input images: " in caught.value.message


def test_text_has_the_type_string():
    assert values.is_text(Tensor("images", STRING))
    assert not values.is_text(PIXELS)
