"""The atlas of distance fields of the digits 0..9 in several hundred faces (see `make_glyphs.py`)."""

import functools
import os
from typing import NamedTuple

import numpy as np

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "glyphs.npz")
TILE = 32  # px, the side of a tile


class Glyphs(NamedTuple):
    """The digits of all faces as square tiles of TILE pixels, in which a "0" is 22 pixels high where it fits.

    Attributes:
      field: uint8 [faces, 10, TILE, TILE] (row, column), the signed distance to the outline as 128 + 16 * d with d
        in tile pixels at the pixel's centre, positive inside the digit.
      left: float32 [faces, 10], x of the ink's left edge, in tile pixels from the tile's left edge.
      right: float32 [faces, 10], x of its right edge.
      top: float32 [faces, 10], y of its upper edge, from the tile's upper edge.
      bottom: float32 [faces, 10], y of its lower edge. All digits of a face stand on one baseline.
      names: str [faces], the family and style.
      weight: float32 [faces], the ink's share of its bounding box, mean over the digits: greater is bolder.
    """

    field: np.ndarray
    left: np.ndarray
    right: np.ndarray
    top: np.ndarray
    bottom: np.ndarray
    names: np.ndarray
    weight: np.ndarray


def save(path, glyphs):
    """Write an atlas; its field loses precision away from the outline (see `_coarse`).

    Args:
      path: the file to write.
      glyphs: a Glyphs.
    """
    arrays = glyphs._asdict()
    # Differences of rows and columns are mostly zero: half the size of the values themselves.
    levels = _coarse(glyphs.field)
    arrays["field"] = np.diff(levels, axis=-1, prepend=np.uint8(0))
    np.savez_compressed(path, **arrays)


def _coarse(field):
    """Return a field rounded to quarters of a pixel near the outline, where it is seen, and to pixels elsewhere."""
    distance = field.astype(np.int32) - 128
    # The middle of each step, so that no value changes its side of the outline and none is biased.
    near = 4 * (distance // 4) + 2
    far = 16 * (distance // 16) + 8
    return (128 + np.where((distance >= -32) & (distance < 32), near, far)).astype(np.uint8)


@functools.lru_cache(maxsize=1)
def load():
    """Read the atlas that comes with the package.

    Returns:
      A Glyphs, the same at each call: its arrays are read-only.
    """
    with np.load(PATH, allow_pickle=False) as arrays:
        parts = {name: arrays[name] for name in Glyphs._fields}
    parts["field"] = np.cumsum(parts["field"], axis=-1, dtype=np.uint8)
    for array in parts.values():
        array.setflags(write=False)
    return Glyphs(**parts)
