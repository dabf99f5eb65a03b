"""Check arrays of images and of features, and convert them to what a network takes."""

import numpy as np

from mtl.errors import DataError, shown


def images(path: str, values: np.ndarray) -> np.ndarray:
    """Return images as uint8, or float32 in 0..1 [n, height, width, channels].

    Args:
      path: the file, for errors.
      values: [n, height, width] or [n, height, width, channels], with 1 or 3 channels.

    Raises:
      DataError: the array has another shape or type, or a pixel is outside 0..1.
    """
    where = f"{shown(path)}: images"
    found = f"{getattr(values, 'dtype', type(values).__name__)} {list(np.shape(values))}"
    if np.ndim(values) == 3:
        values = values[..., None]
    if np.ndim(values) != 4 or values.shape[3] not in (1, 3) or not min(values.shape[1:3]):
        wanted = "[n, height, width] or [n, height, width, channels] with 1 or 3 channels"
        raise DataError(f"{where} are {found}, not {wanted}; give them this shape")
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind != "f":
        cure = "convert pixels in 0..255 with images.astype(np.uint8)"
        raise DataError(f"{where} are {found}, not uint8, or floats in 0..1; {cure}")
    rows = values.reshape(len(values), -1)
    # NaN fails every comparison.
    outside = ~((rows.min(axis=1) >= 0) & (rows.max(axis=1) <= 1))
    if outside.any():
        index = int(np.flatnonzero(outside)[0])
        row = rows[index]
        pixel = row[~((row >= 0) & (row <= 1))][0]
        cure = "divide by the largest value, or store uint8" if np.isfinite(pixel) else "replace it"
        raise DataError(f"{where}, example {index}: the pixel {pixel} is not in 0..1; {cure}")
    return values.astype(np.float32, copy=False)


def features(path: str, values: np.ndarray) -> np.ndarray:
    """Return features as float32 [n, d].

    Raises:
      DataError: the array has another shape or type, or a value is not finite.
    """
    where = f"{shown(path)}: features"
    found = f"{getattr(values, 'dtype', type(values).__name__)} {list(np.shape(values))}"
    if np.ndim(values) != 2 or not values.shape[1] or values.dtype.kind not in "fiub":
        raise DataError(f"{where} are {found}, not numbers [n, d]; store one row for each example")
    with np.errstate(over="ignore"):  # found below
        converted = values.astype(np.float32, copy=False)
    finite = np.isfinite(converted)
    if not finite.all():
        row, column = np.argwhere(~finite)[0].tolist()
        what = f"{values[row, column]} is not a finite float32"
        cure = "replace it, or remove the example"
        raise DataError(f"{where}, example {row}, column {column}: {what}; {cure}")
    return converted
