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
CELL = 120  # smallest width of a cell, enough for "> more than 5 digits"
WIDE = 200  # the same for your own tasks, enough for "height 1.70893 (true 1.75)"
_FONT_SIZE = 13
# Pixels of the larger side of an image. Smaller ones are enlarged, larger ones are reduced.
_SMALLEST, _LARGEST = 64, 128

PAGE = 400  # images on a page; few programs open a larger image
_PAGE_COLUMNS = 10
_PAGE_SCALE = 2


def compared(true: str, predicted: str) -> str:
    """Return a label and a prediction as two lines of a caption. One line would be too wide."""
    return f"true {true}\n> {predicted}"


def draw(
    images: np.ndarray,
    captions: Sequence[str],
    *,
    columns: int = 12,
    scale: int = 1,
    marks: Sequence[bool | None] | None = None,
    cell: int = CELL,
) -> Image.Image:
    """Draw images in rows, each with its caption below.

    Args:
      images: see `shown`, which sets their size.
      captions: n texts of one or several lines. A line wider than its cell is cut on the left.
      columns: images in a row.
      scale: int, the factor by which images are enlarged in addition.
      marks: n of True (correct: green frame and caption), False (wrong: red) or None (neither).
      cell: smallest width of a cell in pixels.

    Returns:
      PIL image of mode RGB.

    Raises:
      ValueError: images, captions and marks differ in number, or the images have another type or
        shape.
    """
    marks = [None] * len(images) if marks is None else marks
    if not len(images) == len(captions) == len(marks):
        raise ValueError(f"{len(images)} images, {len(captions)} captions and {len(marks)} marks")
    images = shown(images)
    n, height, width = len(images), images.shape[1] * scale, images.shape[2] * scale
    columns = max(1, min(columns, n))
    rows = -(-n // columns)
    font = ImageFont.load_default(size=_FONT_SIZE)
    line_height = sum(font.getmetrics()) + 1
    lines = max((caption.count("\n") + 1 for caption in captions), default=1)
    step_x = max(width + 2 * _FRAME, cell) + _GAP
    margin = (step_x - _GAP - width) // 2 - _FRAME  # left of the frame of an image
    step_y = height + 2 * _FRAME + lines * line_height + _GAP

    sheet = Image.new("RGB", (columns * step_x + _GAP, rows * step_y + _GAP), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for i, (image, caption, mark) in enumerate(zip(images, captions, marks)):
        x, y = _GAP + i % columns * step_x + margin, _GAP + i // columns * step_y
        if mark is not None:
            corner = (x + width + 2 * _FRAME - 1, y + height + 2 * _FRAME - 1)
            pen.rectangle(((x, y), corner), fill=_colour(mark))
        scaled = Image.fromarray(image).resize((width, height), Image.Resampling.NEAREST)
        sheet.paste(scaled, (x + _FRAME, y + _FRAME))
        middle, top = x + _FRAME + width // 2, y + height + 2 * _FRAME
        for k, line in enumerate(caption.split("\n")):
            shortened = _shortened(line, font, step_x - 4)
            position = (middle, top + k * line_height)
            pen.text(position, shortened, fill=_colour(mark), font=font, anchor="ma")
    return sheet


def shown(images: np.ndarray) -> np.ndarray:
    """Return images as a sheet or a page shows them: RGB, of about 64 to 128 pixels.

    Smaller images are enlarged by a whole factor, so that each pixel becomes a square.

    Args:
      images: uint8 or float in 0..1, [n, height, width] or [n, height, width, 1 or 3].

    Returns:
      uint8 [n, height, width, 3].

    Raises:
      ValueError: the images have another type or shape.
    """
    images = rgb(images)
    side = max(images.shape[1:3])
    if side > _LARGEST:
        return _reduced(images, _LARGEST / side)
    factor = -(-_SMALLEST // side)
    return images.repeat(factor, axis=1).repeat(factor, axis=2)


def rgb(images: np.ndarray) -> np.ndarray:
    """Return images of any type as uint8 [n, height, width, 3]. Arguments as `shown`."""
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[3] not in (1, 3) or images.dtype.kind not in "uf":
        found = f"{images.dtype} {list(images.shape)}"
        raise ValueError(f"images must be uint8 or float [n, h, w, 1 or 3], got {found}")
    if images.dtype.kind == "f":
        images = np.round(255 * np.clip(np.nan_to_num(images), 0, 1))
    return np.broadcast_to(images.astype(np.uint8), (*images.shape[:3], 3))


def _reduced(images, factor):
    height, width = (max(1, round(size * factor)) for size in images.shape[1:3])
    found = np.empty((len(images), height, width, 3), np.uint8)
    for i, image in enumerate(images):
        reduced = Image.fromarray(np.ascontiguousarray(image)).resize(
            (width, height), Image.Resampling.BOX
        )
        found[i] = np.asarray(reduced)
    return found


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


class Pages:
    """Writes images to the pages of a sheet, each page as soon as it is full."""

    def __init__(self, path: str, cell: int = CELL):
        """Start with the first page; see `page_path` for the others, and `draw` for the cell."""
        self.path, self._cell = path, cell
        self.written = []  # the paths of the pages that are written
        self.count = 0  # images added
        self._images, self._captions = [], []

    def add(self, image: np.ndarray, caption: str) -> None:
        """Add an image, as those of `shown` and of one shape, with its caption.

        Raises:
          OSError: the page is full and cannot be written.
        """
        self._images.append(image)
        self._captions.append(caption)
        self.count += 1
        if len(self._images) == PAGE:
            self.close()

    def close(self) -> None:
        """Write the images that are not on a page yet.

        Raises:
          OSError: the page cannot be written.
        """
        if not self._images:
            return
        path = page_path(self.path, len(self.written) + 1)
        size = {"columns": _PAGE_COLUMNS, "scale": _PAGE_SCALE, "cell": self._cell}
        save(draw(np.stack(self._images), self._captions, **size), path)
        self.written.append(path)
        self._images, self._captions = [], []


def pages(count: int) -> int:
    """Return how many pages show `count` images; at least 1."""
    return max(1, -(-count // PAGE))


def page_path(path: str, number: int) -> str:
    """Return the path of a page, 1 and up: sheet.png, sheet-2.png, sheet-3.png, ..."""
    root, ending = os.path.splitext(path)
    return path if number == 1 else f"{root}-{number}{ending}"


def _colour(mark):
    """Return the colour of a caption and of the frame."""
    if mark is None:
        return _INK
    return GREEN if mark else RED


def _shortened(line, font, width):
    """Cut a line on the left until it fits a width in pixels. The end tells file names apart."""
    if font.getlength(line) <= width:
        return line
    kept = line[-int(width) :]  # no character is narrower than a pixel
    while kept and font.getlength(f"...{kept}") > width:
        kept = kept[1:]
    return f"...{kept}"
