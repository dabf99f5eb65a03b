"""Triton's client against the v2 paths: a second opinion about the protocol."""

import io

import numpy as np
import pytest
import tritonclient.http as triton
from PIL import Image
from tritonclient.utils import InferenceServerException

from tests.serving import fake


@pytest.fixture(scope="module")
def client():
    with fake.serve(name="house") as server:
        with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as opened:
            yield opened


def pixels(*values):
    given = np.zeros((len(values), *fake.INPUTS.shape), np.uint8)
    given += np.uint8(values)[:, None, None, None]
    return given


def tensor(array, binary=True):
    name, datatype = ("pixels", "UINT8") if array.dtype == np.uint8 else ("images", "BYTES")
    found = triton.InferInput(name, list(array.shape), datatype)
    found.set_data_from_numpy(array, binary_data=binary)
    return found


def test_server_and_model_are_ready(client):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("house") and client.is_model_ready("house", "7")
    assert not client.is_model_ready("other")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    found = client.get_model_metadata("house")
    assert [each["name"] for each in found["inputs"]] == ["images", "pixels"]


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("answer", [True, False])
def test_pixels(client, binary, answer):
    asked = [triton.InferRequestedOutput("number", binary_data=answer)]
    asked.append(triton.InferRequestedOutput("digits", binary_data=answer))
    found = client.infer("house", [tensor(pixels(3, 5), binary)], outputs=asked, request_id="a7")
    assert found.get_response()["id"] == "a7"
    assert [text if type(text) is str else text.decode() for text in found.as_numpy("number")] == [
        "3",
        "5",
    ]
    digits = found.as_numpy("digits")
    assert digits.dtype == np.float32 and digits.shape == (2, 5, 11)
    assert digits[:, 0].argmax(axis=1).tolist() == [3, 5]
    assert found.as_numpy("length") is None


def test_encoded_images_and_all_outputs(client):
    files = []
    for value in (1, 4, 9):
        file = io.BytesIO()
        Image.new("RGB", (5, 6), (value, 0, 0)).save(file, "PNG")
        files.append(file.getvalue())
    found = client.infer("house", [tensor(np.array(files, object))])
    assert found.as_numpy("number").tolist() == [b"1", b"4", b"9"]
    assert found.as_numpy("confidence").shape == (3,)


def test_errors_are_those_of_the_server(client):
    with pytest.raises(InferenceServerException, match="model other is not served"):
        client.infer("other", [tensor(pixels(1))])
    with pytest.raises(InferenceServerException, match="shape"):
        client.infer("house", [tensor(np.zeros((1, 2, 2, 3), np.uint8))])
    asked = [triton.InferRequestedOutput("weights")]
    with pytest.raises(InferenceServerException, match="weights"):
        client.infer("house", [tensor(pixels(1))], outputs=asked)
