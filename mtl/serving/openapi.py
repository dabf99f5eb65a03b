"""The OpenAPI description of a server, as GET /openapi.json gives it."""

from collections.abc import Sequence
from typing import Any

from mtl import __version__
from mtl.inputs import Inputs
from mtl.serving import signatures
from mtl.serving.signatures import STRING, Tensor
from mtl.tasks import Task

_BASE64 = {"type": "string", "contentEncoding": "base64"}
_ANY = {"type": "object"}


def describe(name: str, tasks: Sequence[Task], inputs: Inputs) -> dict[str, Any]:
    """Return the description, OpenAPI 3.1.

    Args:
      name: of the model.
      tasks, inputs: of the network.
    """
    found = signatures.of(tasks, inputs)
    v1, v2 = f"/v1/models/{name}", f"/v2/models/{name}"
    paths = {
        "/predict": {"post": _predict(found, inputs)},
        f"{v1}:predict": {"post": _post(_rows(found), "TensorFlow Serving: predict")},
        f"{v2}/infer": {"post": _post(_infer(found), "Open Inference Protocol: infer")},
    }
    described = {
        "/": "the page",
        "/healthz": "whether the server answers",
        "/metrics": "Prometheus metrics",
        "/openapi.json": "this description",
        v1: "TensorFlow Serving: state of the versions",
        f"{v1}/metadata": "TensorFlow Serving: signatures",
        "/v2": "Open Inference Protocol: the server",
        "/v2/health/live": "Open Inference Protocol: whether the server runs",
        "/v2/health/ready": "Open Inference Protocol: whether the server takes requests",
        v2: "Open Inference Protocol: inputs and outputs",
        f"{v2}/ready": "Open Inference Protocol: whether the model takes requests",
    }
    for path, summary in described.items():
        paths[path] = {"get": {"summary": summary, "responses": _responses()}}
    info = {"title": f"mtl serve: {name}", "version": __version__}
    return {"openapi": "3.1.0", "info": info, "paths": paths}


def _responses(*codes):
    """Return the responses of a path: 200, and errors as JSON."""
    found = {"200": {"description": "the answer"}}
    schema = {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "string"}},
    }
    for code in codes:
        content = {"application/json": {"schema": schema}}
        found[code] = {"description": "an error on one line", "content": content}
    return found


def _post(schema, summary):
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    codes = ("400", "408", "413", "415", "503", "504")
    return {"summary": summary, "requestBody": body, "responses": _responses(*codes)}


def _predict(found, inputs):
    """Describe /predict."""
    if inputs.is_images:
        described = _post(_ANY, "one image file: the object of mtl predict --json")
        described["requestBody"]["content"] = {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
        }
        seen = {"name": "seen", "in": "query", "schema": {"type": "string", "enum": ["1"]}}
        return {**described, "parameters": [seen]}
    tensor = found[signatures.DEFAULT].input
    schema = {
        "type": "object",
        "required": [tensor.name],
        "additionalProperties": False,
        "properties": {tensor.name: _nested(tensor)},
    }
    return _post(schema, "one example: the object of mtl predict --json")


def _nested(tensor: Tensor):
    """Describe one example as nested lists, or as base64."""
    if tensor.dtype == STRING:
        return {"type": "object", "required": ["b64"], "properties": {"b64": _BASE64}}
    schema: dict[str, Any] = {"type": "number"}
    if tensor.dtype == "uint8":
        schema = {"type": "integer", "minimum": 0, "maximum": 255}
    for size in reversed(tensor.shape):
        schema = {"type": "array", "items": schema, "minItems": size, "maxItems": size}
    return schema


def _rows(found):
    """Describe the bodies of :predict."""
    choices = []
    for name, signature in found.items():
        batch = {"type": "array", "minItems": 1, "items": _nested(signature.input)}
        for key in ("instances", "inputs"):
            properties = {"signature_name": {"const": name}, key: batch}
            required = [key] if name == signatures.DEFAULT else ["signature_name", key]
            choices.append({"type": "object", "required": required, "properties": properties})
    return {"oneOf": choices}


def _infer(found):
    """Describe the bodies of .../infer."""
    tensor_of = {
        "type": "object",
        "required": ["name", "shape", "datatype", "data"],
        "properties": {
            "name": {"enum": [signature.input.name for signature in found.values()]},
            "shape": {"type": "array", "items": {"type": "integer"}},
            "datatype": {"enum": ["UINT8", "FP32", "BYTES"]},
            "data": {"type": "array"},
        },
    }
    inputs = {"type": "array", "minItems": 1, "maxItems": 1, "items": tensor_of}
    properties = {"id": {"type": "string"}, "inputs": inputs, "outputs": {"type": "array"}}
    return {"type": "object", "required": ["inputs"], "properties": properties}
