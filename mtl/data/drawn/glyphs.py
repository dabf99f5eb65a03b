"""The atlas: distance fields of the digits 0..9 in several hundred font faces.

It is made by `make_glyphs.py`.
"""

import functools
import os
from typing import NamedTuple

import numpy as np

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "glyphs.npz")
TILE = 32  # pixels, the side of a tile


class Glyphs(NamedTuple):
    """The digits of all faces, each in a square tile of TILE x TILE pixels.

    A "0" is 22 pixels high, or less if the digits of its face would not fit into a tile. All digits
    of a face have the same baseline. Positions are in tile pixels from the upper left corner.

    Attributes:
      field: uint8 [faces, 10, TILE, TILE], row before column. Each value is 128 + 16 * d, where d
        is the signed distance from the pixel's centre to the outline, positive inside the digit.
      left: float32 [faces, 10], x of the ink's left edge.
      right: float32 [faces, 10], x of its right edge.
      top: float32 [faces, 10], y of its upper edge.
      bottom: float32 [faces, 10], y of its lower edge.
      names: str [faces], family and style.
      weight: float32 [faces], the ink's share of its bounding box, averaged over the digits:
        larger is bolder.
    """

    field: np.ndarray
    left: np.ndarray
    right: np.ndarray
    top: np.ndarray
    bottom: np.ndarray
    names: np.ndarray
    weight: np.ndarray


def save(path: str, glyphs: Glyphs) -> None:
    """Write an atlas, with less precision away from the outlines; see `_coarse`."""
    arrays = glyphs._asdict()
    # Differences along the rows are mostly zero, so the file is half as large.
    arrays["field"] = np.diff(_coarse(glyphs.field), axis=-1, prepend=np.uint8(0))
    np.savez_compressed(path, **arrays)


def _coarse(field):
    """Round distances to quarters of a pixel near the outline and to whole pixels elsewhere."""
    distance = field.astype(np.int32) - 128
    # Round to the middle of each interval: the sign never changes, and the mean is unbiased.
    near = 4 * (distance // 4) + 2
    far = 16 * (distance // 16) + 8
    return (128 + np.where((distance >= -32) & (distance < 32), near, far)).astype(np.uint8)


@functools.lru_cache(maxsize=1)
def load() -> Glyphs:
    """Return the packaged atlas, always the same object. Its arrays are read-only."""
    with np.load(PATH, allow_pickle=False) as arrays:
        parts = {name: arrays[name] for name in Glyphs._fields}
    parts["field"] = np.cumsum(parts["field"], axis=-1, dtype=np.uint8)
    for array in parts.values():
        array.setflags(write=False)
    return Glyphs(**parts)
