"""TensorFlow Serving's REST protocol, without HTTP: parse a request, build an answer.

Source: TensorFlow Serving, g3doc/api_rest.md. Its answers have the bare word NaN, which is not
JSON; ours have null.
"""

from typing import Any

import numpy as np

from mtl.serving import values
from mtl.serving.calls import Call, Signatures
from mtl.serving.refusals import Refused, bad, quoted
from mtl.serving.signatures import DEFAULT, STRING, Tensor

ROWS, COLUMNS = "predictions", "outputs"  # the key of the answer
_DTYPES = {"uint8": "DT_UINT8", "int64": "DT_INT64", "float32": "DT_FLOAT", STRING: "DT_STRING"}


def parse(body: bytes, signatures: Signatures, most: int) -> Call:
    """Parse the body of :predict, in row format ("instances") or column format ("inputs").

    Args:
      body: JSON.
      signatures: of the model.
      most: examples in a request.

    Raises:
      Refused: the request is wrong or too large.
    """
    record = values.parse(body)
    name = record.get("signature_name") or DEFAULT
    if not isinstance(name, str) or name not in signatures:
        raise bad(f"signature_name {quoted(name)} must be one of {', '.join(signatures)}")
    tensor = signatures[name].input
    if ("instances" in record) == ("inputs" in record):
        raise bad('send "instances" (a list of examples) or "inputs" (one batch), not both')
    if "instances" in record:
        return Call(name, _rows(record["instances"], tensor, most), ROWS)
    return Call(name, _columns(record["inputs"], tensor, most), COLUMNS)


def _rows(instances, tensor, most):
    """Return the examples of the row format: values, or objects {input: value}."""
    if not isinstance(instances, list):
        raise bad('"instances" must be a list of examples')
    values.check_count(len(instances), most)
    return _examples([_named(each, tensor) for each in instances], tensor)


def _columns(batch, tensor, most):
    """Return the examples of the column format: a batch, or an object {input: batch}."""
    batch = _named(batch, tensor)
    if values.is_text(tensor) and isinstance(batch, dict):
        batch = [batch]  # a single image without a list, as in the documentation
    if not isinstance(batch, list):
        raise bad(f'"inputs": {tensor.name} must be a list of examples')
    values.check_count(len(batch), most)
    return _examples(batch, tensor)


def _named(value, tensor):
    """Return a value, which may be written as {input: value}."""
    if not isinstance(value, dict) or list(value) == ["b64"]:
        return value
    if list(value) != [tensor.name]:
        raise bad(f"the signature has the input {tensor.name}, but got {quoted(sorted(value))}")
    return value[tensor.name]


def _examples(batch, tensor):
    if values.is_text(tensor):
        return [values.encoded(each, tensor.name) for each in batch]
    return values.array(batch, tensor)


def answer(outputs: dict[str, np.ndarray], call: Call) -> dict[str, Any]:
    """Return the answer of a call. A single output is written without its name.

    Args:
      outputs: output name -> [n, *shape].
      call: the call.
    """
    if call.form == COLUMNS:
        only = next(iter(outputs.values())) if len(outputs) == 1 else outputs
        return {COLUMNS: only}
    if len(outputs) == 1:
        return {ROWS: next(iter(outputs.values()))}
    count = len(next(iter(outputs.values())))
    return {ROWS: [{name: array[i] for name, array in outputs.items()} for i in range(count)]}


# -- descriptions ----------------------------------------------------------------------------------


def status(version: int) -> dict[str, Any]:
    """Return the answer of GET /v1/models/NAME."""
    fine = {"error_code": "OK", "error_message": ""}
    return {
        "model_version_status": [{"version": str(version), "state": "AVAILABLE", "status": fine}]
    }


def metadata(name: str, version: int, signatures: Signatures) -> dict[str, Any]:
    """Return the answer of GET /v1/models/NAME/metadata."""
    described = {}
    for key, signature in signatures.items():
        described[key] = {
            "inputs": {signature.input.name: _tensor(signature.input)},
            "outputs": {tensor.name: _tensor(tensor) for tensor in signature.outputs},
            "method_name": "tensorflow/serving/predict",
        }
    return {
        "model_spec": {"name": name, "signature_name": "", "version": str(version)},
        "metadata": {"signature_def": {"signature_def": described}},
    }


def _tensor(tensor: Tensor):
    sizes = [{"size": str(size), "name": ""} for size in (-1, *tensor.shape)]
    return {
        "dtype": _DTYPES[tensor.dtype],
        "tensor_shape": {"dim": sizes, "unknown_rank": False},
        "name": f"{tensor.name}:0",
    }


def unknown_model(name: str, version: str = "") -> Refused:
    """Return the error of a model or version that is not served, in TensorFlow Serving's words."""
    spec = f"Specific({name}, {version})" if version else f"Latest({name})"
    return Refused(404, f"Servable not found for request: {spec}")
