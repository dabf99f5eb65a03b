"""Contact sheets: images in rows, each with its caption."""

import os
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mtl.runs import files

# Both are dark enough for text on the light background.
GREEN, RED = (26, 127, 55), (207, 34, 46)
_PAPER, _INK = (250, 250, 248), (40, 40, 40)
_FRAME = 3  # pixels around each image, painted if it has a mark
_GAP = 9  # pixels between cells
_FONT_SIZE = 13


def draw(
    images: np.ndarray,
    captions: Sequence[str],
    *,
    columns: int = 12,
    scale: int = 1,
    marks: Sequence[bool | None] | None = None,
) -> Image.Image:
    """Draw images in rows, each with its caption below.

    Args:
      images: uint8 [n, height, width, 3], RGB.
      captions: n texts of one or several lines. A line wider than its cell is shortened.
      columns: images in a row.
      scale: int, the factor by which images are enlarged.
      marks: n of True (correct: green frame and caption), False (wrong: red) or None (neither).

    Returns:
      PIL image of mode RGB.

    Raises:
      ValueError: images, captions and marks differ in number, or the images have another type or
        shape.
    """
    marks = [None] * len(images) if marks is None else marks
    _check(images, captions, marks)
    n, height, width = len(images), images.shape[1] * scale, images.shape[2] * scale
    columns = max(1, min(columns, n))
    rows = -(-n // columns)
    font = ImageFont.load_default(size=_FONT_SIZE)
    line_height = sum(font.getmetrics()) + 1
    lines = max((caption.count("\n") + 1 for caption in captions), default=1)
    step_x = width + 2 * _FRAME + _GAP
    step_y = height + 2 * _FRAME + lines * line_height + _GAP

    sheet = Image.new("RGB", (columns * step_x + _GAP, rows * step_y + _GAP), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for i, (image, caption, mark) in enumerate(zip(images, captions, marks)):
        x, y = _GAP + i % columns * step_x, _GAP + i // columns * step_y
        if mark is not None:
            corner = (x + width + 2 * _FRAME - 1, y + height + 2 * _FRAME - 1)
            pen.rectangle(((x, y), corner), fill=_colour(mark))
        scaled = Image.fromarray(image).resize((width, height), Image.Resampling.NEAREST)
        sheet.paste(scaled, (x + _FRAME, y + _FRAME))
        middle, top = x + _FRAME + width // 2, y + height + 2 * _FRAME
        for k, line in enumerate(caption.split("\n")):
            shown = _shortened(line, font, step_x - 4)
            position = (middle, top + k * line_height)
            pen.text(position, shown, fill=_colour(mark), font=font, anchor="ma")
    return sheet


def save(sheet: Image.Image, path: str) -> None:
    """Write a sheet to a file atomically.

    Args:
      sheet: PIL image of mode RGB.
      path: its extension decides the format, such as .png or .jpg.

    Raises:
      OSError: the file cannot be written.
    """
    ending = os.path.splitext(path)[1].lower()
    with files.whole(path) as unfinished:
        sheet.save(unfinished, format=Image.registered_extensions()[ending])


def _colour(mark):
    """Return the colour of a caption and of the frame."""
    if mark is None:
        return _INK
    return GREEN if mark else RED


def _check(images, captions, marks):
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        found = f"{images.dtype} {list(images.shape)}"
        raise ValueError(f"images must be uint8 [n, height, width, 3], got {found}")
    if not len(images) == len(captions) == len(marks):
        raise ValueError(f"{len(images)} images, {len(captions)} captions and {len(marks)} marks")


def _shortened(line, font, width):
    """Cut a line at its end until it fits a width in pixels."""
    shown = line
    while shown and font.getlength(shown) > width:
        line = line[:-1]
        shown = f"{line}..." if line else ""
    return shown
