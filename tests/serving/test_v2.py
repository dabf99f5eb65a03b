"""mtl.serving.v2: the Open Inference Protocol, with JSON and with binary tensors."""

import base64
import json
import struct

import numpy as np
import pytest

from mtl import __version__, tasks
from mtl.inputs import Inputs
from mtl.serving import signatures, v2
from mtl.serving.refusals import Refused

FOUND = signatures.of(tasks.NUMBER_TASKS, Inputs((2, 3, 1), 0))
MOST = 4
PIXELS = np.arange(12, dtype=np.uint8).reshape(2, 2, 3, 1)
OUTPUTS = {
    "number": ["12", "X"],
    "confidence": np.float32([0.5, np.nan]),
    "length": np.arange(14, dtype=np.float32).reshape(2, 7),
    "digits": np.zeros((2, 5, 11), np.float32),
}


def tensor(**changes):
    given = {"name": "pixels", "shape": [2, 2, 3, 1], "datatype": "UINT8"}
    given["data"] = PIXELS.tolist()
    given.update(changes)
    return {name: value for name, value in given.items() if value is not None}


def parse(record, data=b"", header=None):
    head = json.dumps(record).encode()
    return v2.parse(head + data, len(head) if data and header is None else header, FOUND, MOST)


def binary_images(*files):
    return b"".join(struct.pack("<I", len(file)) + file for file in files)


def images(**changes):
    return tensor(name="images", shape=[2], datatype="BYTES", **{"data": None, **changes})


@pytest.mark.parametrize("flat", [False, True])
def test_numbers_in_json_are_nested_or_flat(flat):
    data = PIXELS.ravel().tolist() if flat else PIXELS.tolist()
    call = parse({"inputs": [tensor(data=data)]})
    assert call.signature == "pixels" and call.examples.dtype == np.uint8
    np.testing.assert_array_equal(call.examples, PIXELS)


def test_numbers_in_binary_data():
    given = tensor(data=None, parameters={"binary_data_size": 12})
    call = parse({"inputs": [given]}, PIXELS.tobytes())
    np.testing.assert_array_equal(call.examples, PIXELS)


def test_images_in_base64_and_in_binary_data():
    files = [b"\x89PNG\xff", b""]
    texts = [base64.b64encode(file).decode() for file in files]
    assert parse({"inputs": [images(data=texts)]}).examples == files
    data = binary_images(*files)
    given = images(parameters={"binary_data_size": len(data)})
    call = parse({"inputs": [given]}, data)
    assert call.signature == "serving_default" and call.examples == files


@pytest.mark.parametrize(
    "record, text",
    [
        ({}, '"inputs" must be a list of one input'),
        ({"inputs": []}, "one input"),
        ({"inputs": [tensor(), tensor()]}, "one input"),
        ({"inputs": ["pixels"]}, "one input"),
        ({"inputs": [tensor(name="other")]}, "the model takes images or pixels"),
        ({"inputs": [tensor(name=["pixels"])]}, "the model takes images or pixels"),
        ({"inputs": [tensor(datatype="FP32")]}, "must be UINT8"),
        ({"inputs": [tensor(datatype=None)]}, "must be UINT8"),
        ({"inputs": [tensor(shape=[2, 3, 2, 1])]}, "must be [-1, 2, 3, 1]"),
        ({"inputs": [tensor(shape=[12])]}, "must be [-1, 2, 3, 1]"),
        ({"inputs": [tensor(shape="2")]}, "must be [-1, 2, 3, 1]"),
        ({"inputs": [tensor(shape=[2.0, 2, 3, 1])]}, "must be [-1, 2, 3, 1]"),
        ({"inputs": [tensor(shape=[True, 2, 3, 1])]}, "must be [-1, 2, 3, 1]"),
        ({"inputs": [tensor(shape=[0, 2, 3, 1])]}, "no examples"),
        ({"inputs": [tensor(shape=[-1, 2, 3, 1])]}, "no examples"),
        ({"inputs": [tensor(shape=[3, 2, 3, 1])]}, "data must be [3, 2, 3, 1] numbers"),
        ({"inputs": [tensor(data=None)]}, "data must be"),
        ({"inputs": [tensor(data={"a": 1})]}, "data must be"),
        ({"inputs": [tensor(data=[256] * 12)]}, "whole numbers from 0 to 255"),
        ({"inputs": [tensor(data=["1"] * 12)]}, "whole numbers from 0 to 255"),
        ({"inputs": [tensor(parameters=[1])]}, '"parameters" must be an object'),
        ({"inputs": [tensor()], "id": 5}, '"id" must be text'),
        ({"inputs": [tensor()], "outputs": [{"name": "other"}]}, "the outputs are number"),
        ({"inputs": [tensor()], "outputs": ["number"]}, "the outputs are number"),
        ({"inputs": [tensor()], "outputs": {"name": "number"}}, "list of the outputs"),
        ({"inputs": [tensor()], "outputs": [{"name": "number"}] * 5}, "list of the outputs"),
        ({"inputs": [tensor(data=["x" * 1_000_000] + [""] * 10_000)]}, "data must be"),
        ({"inputs": [tensor(data=[[1, 2], [3]])]}, "data must be"),
        ({"inputs": [tensor(data=[1, [2]])]}, "data must be"),
        ({"inputs": [images(data="text")]}, "list of base64 texts"),
        ({"inputs": [images(data=["????", "????"])]}, "wrong base64"),
        ({"inputs": [images(data=["YQ=="])]}, "1 images, but shape [2]"),
    ],
)
def test_wrong_request_is_refused_with_its_reason(record, text):
    with pytest.raises(Refused) as caught:
        parse(record)
    assert caught.value.status == 400 and text in caught.value.message


def test_too_many_examples_are_refused_before_their_data_is_read():
    with pytest.raises(Refused) as caught:
        parse({"inputs": [tensor(shape=[MOST + 1, 2, 3, 1], data=None)]})
    assert caught.value.status == 413


@pytest.mark.parametrize("header", [-1, 10**9])
def test_wrong_length_of_the_header_is_refused(header):
    with pytest.raises(Refused, match="but the body has"):
        parse({"inputs": [tensor()]}, b"data", header)


@pytest.mark.parametrize("size", [11, 13, -12, 12.0, "12", True, 10**30])
def test_wrong_size_of_binary_data_is_refused(size):
    given = tensor(data=None, parameters={"binary_data_size": size})
    with pytest.raises(Refused, match="binary_data_size"):
        parse({"inputs": [given]}, PIXELS.tobytes())


@pytest.mark.parametrize(
    "data, text",
    [
        (binary_images(b"abc", b"def")[:-1], "ends within an image"),
        (binary_images(b"abc") + b"\x01\x00", "ends within an image"),
        (binary_images(b"abc") + b"\xff" * 8, "ends within an image"),
        (binary_images(b"abc"), "1 images, but shape [2]"),
        (binary_images(*[b""] * 100), "images, but shape [2]"),
    ],
)
def test_wrong_binary_images_are_refused(data, text):
    with pytest.raises(Refused) as caught:
        parse({"inputs": [images(parameters={"binary_data_size": len(data)})]}, data)
    assert text in caught.value.message


def test_answer_in_json():
    call = parse({"inputs": [tensor()], "id": "a1", "outputs": [{"name": "confidence"}]})
    body, size = v2.answer(OUTPUTS, call, "mtl", 7, FOUND["pixels"])
    assert size is None
    assert json.loads(body) == {
        "model_name": "mtl",
        "model_version": "7",
        "id": "a1",
        "outputs": [{"name": "confidence", "datatype": "FP32", "shape": [2], "data": [0.5, None]}],
    }


def test_answer_without_chosen_outputs_has_all():
    call = parse({"inputs": [tensor()]})
    found = json.loads(v2.answer(OUTPUTS, call, "mtl", 7, FOUND["pixels"])[0])
    assert [each["name"] for each in found["outputs"]] == list(OUTPUTS)
    assert found["outputs"][0]["data"] == ["12", "X"]
    assert len(found["outputs"][3]["data"]) == 2 * 5 * 11
    assert "id" not in found


def test_answer_in_binary_data_and_json():
    asked = [{"name": "number", "parameters": {"binary_data": True}}, {"name": "length"}]
    asked.append({"name": "confidence", "parameters": {"binary_data": True}})
    call = parse({"inputs": [tensor()], "outputs": asked})
    body, size = v2.answer(OUTPUTS, call, "mtl", 7, FOUND["pixels"])
    number, length, confidence = json.loads(body[:size])["outputs"]
    text = binary_images(b"12", b"X")
    assert number["parameters"] == {"binary_data_size": len(text)}
    assert length["data"] == list(range(14)) and "parameters" not in length
    assert confidence["shape"] == [2]
    assert body[size:] == text + OUTPUTS["confidence"].tobytes()


def test_all_outputs_in_binary_data():
    call = parse({"inputs": [tensor()], "parameters": {"binary_data_output": True}})
    body, size = v2.answer(OUTPUTS, call, "mtl", 7, FOUND["pixels"])
    described = json.loads(body[:size])["outputs"]
    assert sum(each["parameters"]["binary_data_size"] for each in described) == len(body) - size


def test_descriptions():
    assert v2.server() == {
        "name": "mtl",
        "version": __version__,
        "extensions": ["binary_tensor_data"],
    }
    found = v2.metadata("house", 12, FOUND)
    assert (found["name"], found["versions"]) == ("house", ["12"])
    assert [each["datatype"] for each in found["inputs"]] == ["BYTES", "UINT8"]
    assert found["inputs"][1]["shape"] == [-1, 2, 3, 1]
    assert found["outputs"][3] == {"name": "digits", "datatype": "FP32", "shape": [-1, 5, 11]}
    assert v2.unknown_model("a", "2").status == 404
