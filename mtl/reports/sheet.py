"""Contact sheets: every picture with its caption, for a person to look at."""

import os
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mtl.runs import files

RIGHT, WRONG = (
    (26, 127, 55),
    (207, 34, 46),
)  # green and red, both dark enough to be read as text on the paper
_PAPER, _INK = (250, 250, 248), (40, 40, 40)
_FRAME = 3  # pixels around each picture, painted where it is marked
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
    """Draw pictures in rows, each with its caption below.

    Args:
      images: uint8 [n, height, width, 3], RGB.
      captions: n texts, of one line or several; a line wider than its cell is cut.
      columns: int, pictures in a row.
      scale: int, each pixel is drawn as scale x scale.
      marks: n of True (right: green frame and caption), False (wrong: red) or None (neither).

    Returns:
      PIL image of mode RGB.

    Raises:
      ValueError: images, captions and marks differ in number, or images are of another shape or type.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise ValueError(
            f"images must be uint8 [n, height, width, 3], got {images.dtype} {list(images.shape)}"
        )
    marks = [None] * len(images) if marks is None else marks
    if not len(images) == len(captions) == len(marks):
        raise ValueError(f"{len(images)} images, {len(captions)} captions and {len(marks)} marks")
    n, height, width = len(images), images.shape[1] * scale, images.shape[2] * scale
    columns = max(1, min(columns, n))
    rows = -(-n // columns)
    font = ImageFont.load_default(size=_FONT_SIZE)
    line_height = sum(font.getmetrics()) + 1
    lines = max((caption.count("\n") + 1 for caption in captions), default=1)
    step_x, step_y = width + 2 * _FRAME + _GAP, height + 2 * _FRAME + lines * line_height + _GAP

    sheet = Image.new("RGB", (columns * step_x + _GAP, rows * step_y + _GAP), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for i, (image, caption, mark) in enumerate(zip(images, captions, marks, strict=True)):
        x, y = _GAP + i % columns * step_x, _GAP + i // columns * step_y
        colour = _INK if mark is None else RIGHT if mark else WRONG
        if mark is not None:
            pen.rectangle(
                (x, y, x + width + 2 * _FRAME - 1, y + height + 2 * _FRAME - 1), fill=colour
            )
        picture = Image.fromarray(image).resize((width, height), Image.Resampling.NEAREST)
        sheet.paste(picture, (x + _FRAME, y + _FRAME))
        for k, line in enumerate(caption.split("\n")):
            top = y + height + 2 * _FRAME + k * line_height
            pen.text(
                (x + _FRAME + width // 2, top),
                _cut(line, font, step_x - 4),
                fill=colour,
                font=font,
                anchor="ma",
            )
    return sheet


def save(picture: Image.Image, path: str) -> None:
    """Write a picture to a file whole or not at all, in the format that the file's ending names.

    Args:
      picture: PIL image of mode RGB.
      path: str, ending as one of Pillow's formats does, .png or .jpg.

    Raises:
      OSError: the file cannot be written.
    """
    with files.whole(path) as unfinished:
        picture.save(
            unfinished, format=Image.registered_extensions()[os.path.splitext(path)[1].lower()]
        )


def _cut(line, font, width):
    """Shorten a line from its end until it fits a width in pixels."""
    shown = line
    while shown and font.getlength(shown) > width:
        line = line[:-1]
        shown = line + "..." if line else ""
    return shown
