"""Convert the values of a request to arrays, and check them; strict JSON in both directions."""

import base64
import binascii
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from mtl.serving.refusals import bad, quoted, too_large
from mtl.serving.signatures import STRING, Tensor


def parse(body: bytes) -> dict[str, Any]:
    """Return the object in the body of a request.

    Raises:
      Refused: it is not strict JSON (UTF-8, no NaN, not nested too deeply), or not an object.
    """
    try:
        record = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        reason = str(error).split(":")[0]
        raise bad(f"the body is not strict JSON ({reason}); correct it") from None
    if not isinstance(record, dict):
        raise bad("the body must be a JSON object, such as {...}")
    return record


def dump(record: Any) -> bytes:
    """Return a record as strict JSON: NaN and infinity become null. It may hold NumPy arrays."""
    return orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY)


def check_count(count: int, most: int) -> None:
    """Raise Refused unless a request has 1 to `most` examples."""
    if count < 1:
        raise bad("no examples; send at least one")
    if count > most:
        raise too_large(f"{count} examples in a request, but the limit is {most}; send fewer")


def array(values: Any, tensor: Tensor) -> np.ndarray:
    """Convert nested lists, or an array, to the array of an input.

    Args:
      values: n examples, of numbers.
      tensor: the input, not of text.

    Returns:
      [n, *tensor.shape] of type tensor.dtype.

    Raises:
      Refused: another shape, or a value that the type cannot hold.
    """
    if isinstance(values, np.ndarray):
        return _finite(values, tensor)
    expected = [-1, *tensor.shape]
    try:
        flat, shape = flattened(values)
    except ValueError:
        raise bad(f"input {tensor.name}: not an array of the shape {expected}") from None
    if tuple(shape[1:]) != tensor.shape:
        what = f"has the shape {quoted([-1, *shape[1:]])}"
        raise bad(f"input {tensor.name}: {what}; send numbers of the shape {expected}")
    return shaped(flat, shape, tensor)


def flattened(values: Any) -> tuple[list, list[int]]:
    """Return nested lists as one list, and their shape; raise ValueError if they are not an array.

    np.asarray is unsafe here: for one long text among a thousand empty ones it takes the memory of
    a thousand long ones.
    """
    if not isinstance(values, list):
        raise ValueError("not a list")
    flat, shape = values, [len(values)]
    while flat and isinstance(flat[0], list):
        try:
            (size,) = set(map(len, flat))
        except TypeError:
            raise ValueError("a number beside a list") from None
        shape.append(size)
        flat = list(itertools.chain.from_iterable(flat))
    return flat, shape


def shaped(flat: list, shape: Sequence[int], tensor: Tensor) -> np.ndarray:
    """Convert a list of numbers to an array of a shape, of type tensor.dtype.

    Raises:
      Refused: a value that the type cannot hold.
    """
    if tensor.dtype == "uint8":
        try:
            # np.array takes twice as long: 1.2 ms for 64 x 64 pixels, instead of 0.6 ms.
            return np.frombuffer(bytes(flat), np.uint8).reshape(shape)
        except (TypeError, ValueError):
            raise bad(f"input {tensor.name}: send whole numbers from 0 to 255") from None
    if not set(map(type, flat)) <= {int, float}:
        raise bad(f"input {tensor.name}: send numbers")
    return _finite(np.array(flat, np.float64).reshape(shape), tensor)


def _finite(found, tensor):
    """Return an array in the type of an input; raise Refused if a value is not finite in it."""
    with np.errstate(over="ignore"):
        found = np.ascontiguousarray(found, tensor.dtype)
    if not np.isfinite(found).all():
        raise bad(f"input {tensor.name}: send finite numbers of type {tensor.dtype}")
    return found


def encoded(value: Any, name: str) -> bytes:
    """Return the bytes of an encoded image: {"b64": text}, as TensorFlow Serving takes it.

    Raises:
      Refused: another form, or wrong base64.
    """
    if not isinstance(value, dict) or list(value) != ["b64"]:
        cure = 'send {"b64": "..."} with the base64 of an image file'
        raise bad(f"input {name}: {quoted(value)} is not an image; {cure}")
    return from_base64(value["b64"], name)


def from_base64(text: Any, name: str) -> bytes:
    """Return the bytes of a base64 text; raise Refused if it is wrong."""
    if not isinstance(text, str):
        raise bad(f"input {name}: base64 must be text")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise bad(f"input {name}: wrong base64; encode the bytes of an image file") from None


def is_text(tensor: Tensor) -> bool:
    """Return whether a tensor holds text or encoded images."""
    return tensor.dtype == STRING
