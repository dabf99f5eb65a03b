"""Convert the values of a request to arrays, and check them; strict JSON in both directions."""

import base64
import binascii
import itertools
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
    found = _pixels(values, tensor.shape) if tensor.dtype == "uint8" else None
    if found is not None:
        return found
    expected = [-1, *tensor.shape]
    try:
        found = np.asarray(values)
    except (ValueError, OverflowError):  # lists of unequal lengths, or nested too deeply
        raise bad(f"input {tensor.name}: not an array of the shape {expected}") from None
    if found.shape[1:] != tensor.shape or found.ndim == 0:
        shape = f"the shape {[-1, *found.shape[1:]]}" if found.dtype.kind in "buif" else "values"
        cure = f"send numbers of the shape {expected}"
        raise bad(f"input {tensor.name}: has {shape} that do not fit; {cure}")
    _check_type(found, tensor)
    return np.ascontiguousarray(found, tensor.dtype)


def _pixels(values, shape):
    """Return nested lists of n examples as uint8 [n, *shape]; None if they are anything else.

    np.asarray takes twice as long: 1.2 ms for an image of 64 x 64 pixels, instead of 0.6 ms.
    """
    if not isinstance(values, list):
        return None
    flat = values
    try:
        for size in shape:
            if set(map(len, flat)) != {size}:
                return None
            flat = list(itertools.chain.from_iterable(flat))
        return np.frombuffer(bytes(flat), np.uint8).reshape(len(values), *shape)
    except (TypeError, ValueError):
        return None


def _check_type(found, tensor):
    """Raise Refused if an array has a value that the type of an input cannot hold."""
    if tensor.dtype == "uint8":
        whole = found.dtype.kind in "iu"
        if not whole or found.min() < 0 or found.max() > 255:
            raise bad(f"input {tensor.name}: send whole numbers from 0 to 255")
        return
    if found.dtype.kind not in "iuf":
        raise bad(f"input {tensor.name}: send numbers")
    with np.errstate(over="ignore"):
        if not np.isfinite(found.astype(tensor.dtype)).all():
            raise bad(f"input {tensor.name}: send finite numbers of type {tensor.dtype}")


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
