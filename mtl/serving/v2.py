"""The Open Inference Protocol v2, without HTTP: parse a request, build an answer.

Sources: the protocol (KServe, open-inference-protocol), and Triton's extension for binary tensor
data. Encoded images are BYTES: binary data, or base64 in JSON, which cannot hold bytes.
"""

import math
import struct
from typing import Any, NamedTuple

import numpy as np

from mtl import __version__
from mtl.serving import values
from mtl.serving.calls import Call, Signatures
from mtl.serving.refusals import Refused, bad, quoted
from mtl.serving.signatures import DEFAULT, STRING, Signature, Tensor

HEADER = "Inference-Header-Content-Length"  # bytes of JSON before the binary data
_DATATYPES = {"uint8": "UINT8", "int64": "INT64", "float32": "FP32", STRING: "BYTES"}
_LENGTH = struct.Struct("<I")  # before each element of binary BYTES


class Form(NamedTuple):
    """How an answer is written."""

    id: str | None
    binary: dict[str, bool]  # the outputs to send, in order -> whether as binary data


def parse(body: bytes, header: int | None, signatures: Signatures, most: int) -> Call:
    """Parse the body of .../infer.

    Args:
      body: JSON, then binary data.
      header: bytes of the JSON, from the HTTP header of that name; None if there is no binary data.
      signatures: of the model. The name of the input in the request chooses one.
      most: examples in a request.

    Raises:
      Refused: the request is wrong or too large.
    """
    header = len(body) if header is None else header
    if not 0 <= header <= len(body):
        raise bad(f"{HEADER} is {header}, but the body has {len(body)} bytes")
    record = values.parse(body[:header])
    given = _input(record)
    by_input = {each.input.name: key for key, each in signatures.items()}
    if given.get("name") not in list(by_input):
        names = " or ".join(by_input)
        raise bad(f"input {quoted(given.get('name'))} is unknown; the model takes {names}")
    key = by_input[given["name"]]
    tensor = signatures[key].input
    _check_count(given, tensor, most)
    data = memoryview(body)[header:]
    if values.is_text(tensor):
        examples = _texts(given, tensor, data)
    else:
        examples = _array(given, tensor, data)
    return Call(key, examples, _form(record, signatures[key]))


def _input(record):
    """Return the one input of a request."""
    inputs = record.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise bad('"inputs" must be a list of one input: [{"name", "shape", "datatype", "data"}]')
    return inputs[0]


def _check_count(given, tensor, most):
    """Check the datatype and the shape of an input."""
    datatype = _DATATYPES[tensor.dtype]
    if given.get("datatype") != datatype:
        what = quoted(given.get("datatype"))
        raise bad(f"input {tensor.name}: datatype {what} must be {datatype}")
    shape = given.get("shape")
    whole = isinstance(shape, list) and all(type(size) is int for size in shape)
    if not whole or len(shape) != 1 + len(tensor.shape) or tuple(shape[1:]) != tensor.shape:
        expected = [-1, *tensor.shape]
        raise bad(f"input {tensor.name}: shape {quoted(shape)} must be {expected}, -1 examples")
    values.check_count(shape[0], most)


def _binary_size(given, tensor, data):
    """Return the bytes of binary data of an input; None if its data is in JSON."""
    size = _parameters(given).get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or size != len(data):
        what = f"binary_data_size {quoted(size)}, but {len(data)} bytes follow the JSON"
        raise bad(f"input {tensor.name}: {what}")
    return size


def _parameters(record):
    found = record.get("parameters") or {}
    if not isinstance(found, dict):
        raise bad('"parameters" must be an object')
    return found


def _array(given, tensor, data):
    """Return the numbers of an input, [n, *shape]."""
    size = _binary_size(given, tensor, data)
    shape = given["shape"]
    if size is None:
        try:
            flat = values.flattened(given.get("data"))[0]  # nested or flat
        except ValueError:
            flat = None
        if flat is None or len(flat) != math.prod(shape):
            raise bad(f"input {tensor.name}: data must be {shape} numbers")
        return values.shaped(flat, shape, tensor)
    dtype = np.dtype(tensor.dtype).newbyteorder("<")
    if size != dtype.itemsize * math.prod(shape):
        raise bad(f"input {tensor.name}: {size} bytes do not fit the shape {shape}")
    return values.array(np.frombuffer(data, dtype).reshape(shape), tensor)


def _texts(given, tensor, data):
    """Return the encoded images of an input, list of bytes."""
    size = _binary_size(given, tensor, data)
    if size is None:
        texts = given.get("data")
        if not isinstance(texts, list):
            raise bad(f"input {tensor.name}: data must be a list of base64 texts, or binary data")
        found = [values.from_base64(text, tensor.name) for text in texts]
    else:
        found = _split(data, given["shape"][0], tensor)
    if len(found) != given["shape"][0]:
        raise bad(f"input {tensor.name}: {len(found)} images, but shape {given['shape']}")
    return found


def _split(data, most, tensor):
    """Return the elements of binary BYTES, at most one more than `most`."""
    found = []
    while data and len(found) <= most:
        length = _LENGTH.unpack_from(data)[0] if len(data) >= _LENGTH.size else len(data)
        end = _LENGTH.size + length
        if end > len(data):
            raise bad(f"input {tensor.name}: binary data ends within an image")
        found.append(bytes(data[_LENGTH.size : end]))
        data = data[end:]
    return found


def _form(record, signature: Signature):
    """Return the Form of a request: which outputs it asks for."""
    identifier = record.get("id")
    if identifier is not None and not isinstance(identifier, str):
        raise bad('"id" must be text')
    everywhere = _parameters(record).get("binary_data_output") is True
    names = [tensor.name for tensor in signature.outputs]
    asked = record.get("outputs") or [{"name": name} for name in names]
    if not isinstance(asked, list) or len(asked) > len(names):
        raise bad('"outputs" must be a list of the outputs of the model')
    binary = {}
    for each in asked:
        if not isinstance(each, dict) or each.get("name") not in names:
            raise bad(f"output {quoted(each)} is unknown; the outputs are {', '.join(names)}")
        binary[each["name"]] = _parameters(each).get("binary_data", everywhere) is True
    return Form(identifier, binary)


# -- answers ---------------------------------------------------------------------------------------


def answer(
    outputs: dict[str, np.ndarray], call: Call, model: str, version: int, signature: Signature
) -> tuple[bytes, int | None]:
    """Return the body of an answer, and the bytes of its JSON if binary data follows, else None.

    Args:
      outputs: output name -> [n, *shape].
      call: the call.
      model, version: names of what answered.
      signature: of the call.
    """
    types = {tensor.name: tensor.dtype for tensor in signature.outputs}
    described, blobs = [], []
    for name, binary in call.form.binary.items():
        array = outputs[name]
        shape = list(np.shape(array))
        entry = {"name": name, "datatype": _DATATYPES[types[name]], "shape": shape}
        if binary:
            blobs.append(_blob(array, types[name]))
            entry["parameters"] = {"binary_data_size": len(blobs[-1])}
        else:
            entry["data"] = np.ravel(array) if types[name] != STRING else list(array)
        described.append(entry)
    record = {"model_name": model, "model_version": str(version), "outputs": described}
    if call.form.id is not None:
        record["id"] = call.form.id
    head = values.dump(record)
    return b"".join([head, *blobs]), len(head) if blobs else None


def _blob(array, dtype):
    """Return an output as binary data."""
    if dtype != STRING:
        return np.asarray(array).astype(np.dtype(dtype).newbyteorder("<")).tobytes()
    encoded = [text.encode() for text in array]
    return b"".join(_LENGTH.pack(len(each)) + each for each in encoded)


# -- descriptions ----------------------------------------------------------------------------------


def server(name: str = "mtl") -> dict[str, Any]:
    """Return the answer of GET /v2."""
    return {"name": name, "version": __version__, "extensions": ["binary_tensor_data"]}


def metadata(name: str, version: int, signatures: Signatures) -> dict[str, Any]:
    """Return the answer of GET /v2/models/NAME. A request has exactly one of the inputs."""
    outputs = signatures[DEFAULT].outputs
    return {
        "name": name,
        "versions": [str(version)],
        "platform": "mtl",
        "inputs": [_described(each.input) for each in signatures.values()],
        "outputs": [_described(tensor) for tensor in outputs],
    }


def _described(tensor: Tensor):
    return {
        "name": tensor.name,
        "datatype": _DATATYPES[tensor.dtype],
        "shape": [-1, *tensor.shape],
    }


def unknown_model(name: str, version: str = "") -> Refused:
    """Return the error of a model or version that is not served."""
    what = f"version {version} of model {name}" if version else f"model {name}"
    return Refused(404, f"{what} is not served")
