"""The measured digits of a font, and the choice of font faces for the atlas."""

import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from mtl.data.drawn.font_packages import Font

# The largest number of chosen faces of each kind. These kinds are rare on signs.
LIMITS = {"struck": 14, "old": 24, "thin": 30, "slanted": 30}
SLANTED = re.compile(r"Italic|Oblique|Slant|Inclined")
LEAST_STROKE = 1.5  # in tile pixels; thinner strokes disappear


class Face(NamedTuple):
    """The digits of a font. Lengths are in tile pixels."""

    font: Font
    field: np.ndarray  # float [10, TILE, TILE], signed distance, positive inside
    extents: np.ndarray  # float [10, 4]: left, right, top, bottom of the ink
    weight: float  # the ink's share of its bounding box
    stroke: float  # thickness
    struck: bool  # the zero has a stroke or a dot in it
    old: bool  # old-style figures, which differ in height

    @property
    def kinds(self) -> list[str]:
        """The kinds of LIMITS that this face belongs to."""
        belongs = {
            "struck": self.struck,
            "old": self.old,
            "thin": self.stroke < 2.3,
            "slanted": bool(SLANTED.search(self.font.name)),
        }
        return [kind for kind in LIMITS if belongs[kind]]


def choose(faces: Iterable[Face], count: int, least: float) -> list[Face]:
    """Choose at most `count` faces: in each step, the face that differs most from all chosen ones.

    Args:
      faces: at least one of them belongs to no kind of LIMITS; the first such face is chosen first.
      count: largest number of faces, at least 1.
      least: smallest mean difference of the fields of two faces, in tile pixels.

    Returns:
      The chosen faces, sorted by name.
    """
    faces = [face for face in faces if face.stroke >= LEAST_STROKE]
    shapes = np.stack([np.clip(face.field, -2, 2).ravel() for face in faces]).astype(np.float32)
    chosen, left = [], dict(LIMITS)
    gaps = np.full(len(faces), np.inf, np.float32)
    index = next(i for i, face in enumerate(faces) if not face.kinds)
    while len(chosen) < count and gaps[index] >= least:
        chosen.append(faces[index])
        for kind in faces[index].kinds:
            left[kind] -= 1
        gaps = np.minimum(gaps, np.abs(shapes - shapes[index]).mean(axis=1))
        for i, face in enumerate(faces):
            if any(left[kind] <= 0 for kind in face.kinds):
                gaps[i] = 0
        index = int(gaps.argmax())
    print(f"{len(chosen)} of {len(faces)} faces; the next one differs by {gaps[index]:.3f} px")
    return sorted(chosen, key=lambda face: face.font.name)
