"""The camera: a random view of the text plane, and the distance field that it samples."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from mtl.data.augment import turn_and_slant
from mtl.data.drawn.realism import realism_of

FAR = 8.0  # the distance, in pixels of the text plane, at which the distance fields end


class View(NamedTuple):
    """A window onto the text plane. Lengths are in pixels of the text plane."""

    corners: np.ndarray  # float [4, 2], x and y, counterclockwise from the upper left
    width: float  # as seen from the front
    height: float


def choose_view(
    box: tuple[float, float, float, float], rng: np.random.Generator, difficulty: float
) -> View:
    """Return a random View of a box (left, top, right, bottom): turned, slanted, in perspective."""
    realism = realism_of(difficulty)
    strength = 0.2 + 1.1 * difficulty
    left, top, right, bottom = box
    centre = np.array([(left + right) / 2, (top + bottom) / 2])
    pose = _choose_pose(box, rng, difficulty)
    line = (_corners(left, top, right, bottom) - centre) @ pose.T
    # The box of a slanted line is upright, as in labelled photographs.
    (left, top), (right, bottom) = line.min(axis=0), line.max(axis=0)
    if realism:
        # Hand-drawn boxes are wider than the ink: the box of a 1 is half as wide as high.
        loose = np.clip(rng.normal(0.12, 0.08) + rng.normal(0.0, 0.03, 2), -0.03, 0.4)
        pads = realism * (bottom - top) * loose
        left, right = left - pads[0], right + pads[1]
    margins = _choose_margins(rng, realism)
    width = (right - left) / (1.0 - margins[0] - margins[2])
    height = (bottom - top) / (1.0 - margins[1] - margins[3])
    left, top = left - margins[0] * width, top - margins[1] * height
    corners = _corners(left, top, left + width, top + height)
    corners += rng.normal(0.0, 0.03 * strength, (4, 2)) * [width, height]  # perspective
    return View(corners @ np.linalg.inv(pose).T + centre, width, height)


def _corners(left, top, right, bottom):
    """Return the corners of a box, float [4, 2], counterclockwise from the upper left."""
    return np.array([[left, top], [left, bottom], [right, bottom], [right, top]])


def _choose_pose(box, rng, difficulty):
    """Return the matrix [2, 2] from the text plane to the image: slant, turn, then stretch."""
    left, top, right, bottom = box
    realism = realism_of(difficulty)
    strength = 0.2 + 1.1 * difficulty
    spread = 0.07 if rng.random() > 0.2 * difficulty else 0.3
    turn = rng.normal(0.0, spread) * strength
    slant = rng.normal(0.0, 0.14) * strength
    # House numbers in photographs are narrower than type: seen from the side, in close boxes.
    stretch = np.exp(rng.normal(-0.05 - 0.28 * realism, 0.18 + 0.02 * realism))
    stretch *= max(1.0, (right - left) / (bottom - top)) ** -0.5
    return np.diag([stretch, 1.0]) @ turn_and_slant(turn, slant)


def _choose_margins(rng, realism):
    """Return the margins around the box, [4]: left, top, right, bottom as shares of the view."""
    # Half of the views have little margin above and below. The others have at least that of SVHN's
    # boxes, grown to 1.3 times their size. The side margins are wider: an eighth of the view in
    # SVHN, up to a quarter in images without boxes.
    loose = 0.0
    if rng.random() < 0.12 + 0.03 * realism:
        loose = rng.uniform(0.0, 0.15 + 0.05 * realism)
    if rng.random() < 0.5 - 0.1 * realism:
        least, most = -0.03 + 0.01 * realism, 0.06 + 0.02 * realism
    else:
        least, most = 0.0, 0.15 + 0.04 * realism
    above, below = loose + rng.uniform(least, most, 2)
    side = rng.choice([0.09 + 0.02 * realism, rng.uniform(0.0, 0.21 + 0.03 * realism)])
    sides = loose + side + rng.normal(0.0, 0.025, 2)
    return np.clip([sides[0], above, sides[1], below], -0.03, 0.32 + 0.04 * realism)


class Shot(NamedTuple):
    """A photograph of a text plane, before anything is painted."""

    field: np.ndarray  # the text plane, uint8: see layout.lay_out
    corners: np.ndarray  # of the View
    size: tuple[int, int]  # width and height of the photograph in pixels
    scale: float  # pixels of the photograph per pixel of the text plane

    def distance(self, offset: np.ndarray | float = 0.0) -> np.ndarray:
        """Return the signed distance to the nearest outline, positive inside a digit.

        Args:
          offset: [2], shift of the view over the text plane in x and y.

        Returns:
          float32 [height, width], in pixels of the text plane.
        """
        corners = (self.corners + offset).ravel().tolist()
        seen = Image.fromarray(self.field).transform(
            self.size, Image.Transform.QUAD, corners, Image.Resampling.BILINEAR
        )
        return (np.asarray(seen, np.float32) - 128.0) / 16.0
