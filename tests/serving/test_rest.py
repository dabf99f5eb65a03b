"""mtl.serving.rest: TensorFlow Serving's protocol, with the examples of its documentation.

Source of the examples: tensorflow_serving/g3doc/api_rest.md.
"""

import json

import numpy as np
import pytest

from mtl import tasks
from mtl.inputs import NUMBERS
from mtl.serving import rest, signatures, values
from mtl.serving.refusals import Refused
from mtl.serving.signatures import DEFAULT, Signature, Tensor

# The model of the documentation: y = x / 2 + 3.
HALF_PLUS_THREE = {DEFAULT: Signature(Tensor("x", "float32"), (Tensor("y", "float32"),))}
PAIRS = {DEFAULT: Signature(Tensor("signal", "float32", (1, 2)), (Tensor("y", "float32"),))}
IMAGES = signatures.of(tasks.NUMBER_TASKS, NUMBERS)
B64 = {"b64": "aW1hZ2UgYnl0ZXM="}  # "image bytes"
MOST = 4


def parse(record, found=HALF_PLUS_THREE):
    return rest.parse(json.dumps(record).encode(), found, MOST)


def answered(call, outputs):
    return json.loads(values.dump(rest.answer(outputs, call)))


# -- the documentation -----------------------------------------------------------------------------


def test_documented_predict_call():
    call = rest.parse(b'{"instances": [1.0,2.0,5.0]}', HALF_PLUS_THREE, MOST)
    assert answered(call, {"y": call.examples / 2 + 3}) == {"predictions": [3.5, 4.0, 5.5]}


def test_documented_list_of_tensors():
    call = rest.parse(b'{"instances": [ [[1, 2]], [[3, 4]] ]}', PAIRS, MOST)
    np.testing.assert_array_equal(call.examples, np.float32([[[1, 2]], [[3, 4]]]))


def test_documented_named_inputs_as_rows_and_as_columns():
    rows = parse({"instances": [{"signal": [[1, 2]]}, {"signal": [[3, 4]]}]}, PAIRS)
    columns = parse({"inputs": {"signal": [[[1, 2]], [[3, 4]]]}}, PAIRS)
    unnamed = parse({"inputs": [[[1, 2]], [[3, 4]]]}, PAIRS)
    np.testing.assert_array_equal(rows.examples, columns.examples)
    np.testing.assert_array_equal(rows.examples, unnamed.examples)
    y = np.float32([7, 8])
    assert answered(rows, {"y": y}) == {"predictions": [7, 8]}
    assert answered(columns, {"y": y}) == {"outputs": [7, 8]}


def test_documented_answer_with_several_outputs():
    outputs = {"a": np.float32([1, 2]), "b": np.int64([[3, 4], [5, 6]])}
    rows = parse({"instances": [1.0, 2.0]})
    assert answered(rows, outputs) == {
        "predictions": [{"a": 1, "b": [3, 4]}, {"a": 2, "b": [5, 6]}]
    }
    columns = parse({"inputs": [1.0, 2.0]})
    assert answered(columns, outputs) == {"outputs": {"a": [1, 2], "b": [[3, 4], [5, 6]]}}


def test_documented_binary_values():
    for body in (
        {"instances": [B64, B64]},
        {"instances": [{"images": B64}, B64]},
        {"inputs": {"images": [B64, B64]}},
        {"inputs": [B64, B64]},
    ):
        assert parse(body, IMAGES).examples == [b"image bytes"] * 2
    assert parse({"inputs": B64}, IMAGES).examples == [b"image bytes"]


def test_documented_status():
    fine = {"error_code": "OK", "error_message": ""}
    expected = [{"version": "123", "state": "AVAILABLE", "status": fine}]
    assert rest.status(123) == {"model_version_status": expected}


def test_documented_error_of_an_unknown_model():
    error = rest.unknown_model("half")
    assert error.status == 404
    assert error.message == "Servable not found for request: Latest(half)"
    assert rest.unknown_model("half", "7").message.endswith("Specific(half, 7)")


# -- the rest --------------------------------------------------------------------------------------


def test_answer_has_null_where_the_network_gives_nan():
    call = parse({"instances": [1.0, 2.0]})
    assert answered(call, {"y": np.float32([np.nan, 1])}) == {"predictions": [None, 1]}


def test_signature_is_chosen_by_its_name():
    pixels = np.zeros((1, *NUMBERS.shape), int).tolist()
    call = parse({"signature_name": "pixels", "instances": pixels}, IMAGES)
    assert call.signature == "pixels" and call.examples.shape == (1, *NUMBERS.shape)
    assert parse({"signature_name": "", "instances": [B64]}, IMAGES).signature == DEFAULT


@pytest.mark.parametrize(
    "record, text",
    [
        ({}, "not both"),
        ({"instances": [1], "inputs": [1]}, "not both"),
        ({"instances": 1}, "must be a list"),
        ({"instances": {"x": [1]}}, "must be a list"),
        ({"inputs": 1}, "must be a list"),
        ({"inputs": {"x": 1}}, "must be a list"),
        ({"instances": []}, "no examples"),
        ({"inputs": []}, "no examples"),
        ({"instances": [{"z": 1}]}, "has the input x"),
        ({"instances": [{"x": 1, "z": 2}]}, "has the input x"),
        ({"instances": [{}]}, "has the input x"),
        ({"inputs": {"x": [1], "z": [2]}}, "has the input x"),
        ({"instances": [B64]}, "input x"),
        ({"instances": [1], "signature_name": "other"}, "signature_name 'other'"),
        ({"instances": [1], "signature_name": ["serving_default"]}, "signature_name"),
    ],
)
def test_wrong_request_is_refused_with_its_reason(record, text):
    with pytest.raises(Refused) as caught:
        parse(record)
    assert caught.value.status == 400 and text in caught.value.message


@pytest.mark.parametrize("key", ["instances", "inputs"])
def test_too_many_examples_are_refused(key):
    with pytest.raises(Refused) as caught:
        parse({key: [0.5] * (MOST + 1)})
    assert caught.value.status == 413


def test_metadata_describes_the_signatures():
    found = rest.metadata("house", 12, IMAGES)
    assert found["model_spec"] == {"name": "house", "signature_name": "", "version": "12"}
    described = found["metadata"]["signature_def"]["signature_def"]
    assert list(described) == ["serving_default", "pixels"]
    tensor = described["pixels"]["inputs"]["pixels"]
    assert tensor["dtype"] == "DT_UINT8"
    sizes = [each["size"] for each in tensor["tensor_shape"]["dim"]]
    assert sizes == ["-1", "64", "64", "3"]
    assert set(described["pixels"]["outputs"]) == {"number", "confidence", "length", "digits"}
