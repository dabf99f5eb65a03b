"""Make `glyphs.npz` and `GLYPHS_LICENSES.txt` from the digits of freely licensed fonts.

A tool for developers: the package does not import it. It needs `pip install fonttools scipy pillow`
and a Debian system with the packages of `font_packages.py` (`apt-get install`). Debian 12 was used.
The result depends only on the font files and the versions of FreeType, NumPy and SciPy. Run

    python -m mtl.data.drawn.make_glyphs --licence_text=FILE

where FILE contains the text of the SIL Open Font License 1.1.
"""

import argparse
import io
import os
import re

import numpy as np
from fontTools.ttLib import TTFont, TTLibError
from PIL import ImageFont
from scipy import ndimage

from mtl.data.drawn import font_packages, glyphs
from mtl.data.drawn.faces import Face, choose
from mtl.data.drawn.font_packages import Font

DIGITS = "0123456789"
TILE = glyphs.TILE
HEIGHT = 22  # of a "0", in tile pixels
MARGIN = 3  # around the digits, in tile pixels
SCALE = 8  # samples per tile pixel, across and down
SPECK = 20  # samples, about a third of a tile pixel
# Drawing slants the digits anyway, hairlines disappear in a tile, and symbol fonts have no digits.
SKIPPED_FILES = re.compile(
    r"Keyboard|Initials|Colored|Symbols|BoldItalic|LightItalic|Thin|Hairline|ExtraLight|UltraLight"
)
# The numbers of holes a well-formed digit may have. Excludes outlined, dotted and sketched faces.
HOLES = {
    "0": (1,),
    "1": (0,),
    "2": (0, 1),
    "3": (0,),
    "4": (0, 1),
    "5": (0,),
    "6": (0, 1),
    "7": (0,),
    "8": (1, 2),
    "9": (0, 1),
}


# -- fonts ---------------------------------------------------------------------------------------


def fonts():
    """Yield a Font for each set of digits, one or two, in each usable font file."""
    for licence, packages in font_packages.PACKAGES.items():
        for package, path in font_packages.font_files(packages):
            if not SKIPPED_FILES.search(os.path.basename(path)):
                yield from _read_fonts(path, package, licence)


def _read_fonts(path, package, licence):
    """List the one or two Fonts of a file; [] if it cannot be read or lacks a digit."""
    try:
        font = TTFont(path)
        cmap = font.getBestCmap() or {}
    except TTLibError:
        return []
    if not all(ord(digit) in cmap for digit in DIGITS):
        return []
    names = font["name"]
    family = names.getDebugName(16) or names.getDebugName(1)
    style = names.getDebugName(17) or names.getDebugName(2)
    name = f"{family} {style}"
    about = {
        "package": package,
        "family": family,
        "licence": licence,
        "copyright": names.getDebugName(0) or font_packages.packaged_copyright(package),
    }
    with open(path, "rb") as file:
        own = file.read()
    lining = _lining_figures(font, cmap)
    if not lining:
        return [Font(name, own, alternative=False, **about)]
    return [
        Font(name, _remapped(font, lining), alternative=False, **about),
        Font(f"{name} old-style", own, alternative=True, **about),
    ]


def _lining_figures(font, cmap):
    """Return the lining figures of a font whose default digits differ, dict digit -> glyph name."""
    if "GSUB" not in font or not font["GSUB"].table.FeatureList:
        return {}
    table, found = font["GSUB"].table, {}
    records = table.FeatureList.FeatureRecord
    features = [record.Feature for record in records if record.FeatureTag == "lnum"]
    for index in [index for feature in features for index in feature.LookupListIndex]:
        for part in table.LookupList.Lookup[index].SubTable:
            part = getattr(part, "ExtSubTable", part)
            if part.LookupType == 1:  # one glyph for another
                glyph_of = part.mapping
                own = {digit: cmap[ord(digit)] for digit in DIGITS}
                found |= {d: glyph_of[glyph] for d, glyph in own.items() if glyph in glyph_of}
    return found


def _remapped(font, mapping):
    """Return the bytes of a font with other digits; mapping: dict digit -> glyph name."""
    for table in font["cmap"].tables:
        if table.isUnicode():
            table.cmap.update({ord(digit): glyph for digit, glyph in mapping.items()})
    buffer = io.BytesIO()
    font.save(buffer)
    return buffer.getvalue()


# -- shapes --------------------------------------------------------------------------------------


def measured_faces(verbose):
    """Yield the Faces with ten well-formed digits; with `verbose`, print why others are skipped."""
    seen = set()
    for font in fonts():
        if font.name in seen:
            continue
        face, fault = _measured(font)
        if face:
            seen.add(font.name)
            yield face
        elif verbose:
            print(f"{font.name}: {fault}")


def _measured(font):
    """Return the Face of a font and "", or None and the reason to skip it."""
    canvases = _rasters(font.data)
    if canvases is None:
        return None, "an empty digit"
    struck = _is_struck(canvases[0])
    fault = _fault(canvases, struck)
    if fault:
        return None, fault
    face = _measure(font, canvases, struck)
    if _is_torn(face.field[int(struck) :]):
        return None, "torn"
    zero_height = np.ptp(face.extents[0, 2:])
    if not face.old and (font.alternative or zero_height < 16):
        return None, "small, or its lining figures are used instead"
    return face, ""


def _rasters(data):
    """Return the digits on a common baseline, bool [10, side, side], or None if one is empty."""
    _, boxes = _ink(data, 500)
    if boxes is None:
        return None
    boxes = boxes / 500
    extent = boxes[:, 3].max() - boxes[:, 1].min()
    width = (boxes[:, 2] - boxes[:, 0]).max()
    room = TILE - 2 * MARGIN
    size = SCALE * min(HEIGHT / (boxes[0, 3] - boxes[0, 1]), room / extent, room / width)
    images, boxes = _ink(data, size)
    side = TILE * SCALE
    baseline = (side - boxes[:, 3].max() - boxes[:, 1].min()) / 2
    canvases = np.zeros((10, side, side), bool)
    for canvas, image, box in zip(canvases, images, boxes):
        top, left = round(box[1] + baseline), (side - image.shape[1]) // 2
        canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return canvases


def _ink(data, size):
    """Return the images of the digits and their boxes relative to the baseline; or None, None."""
    face = ImageFont.truetype(io.BytesIO(data), size, layout_engine=ImageFont.Layout.BASIC)
    images, boxes = [], np.zeros((10, 4))
    for digit in DIGITS:
        # The mask is larger than the ink: it includes the digit's advance.
        mask, offset = face.getmask2(digit, "L", anchor="ls")
        image = np.array(mask, np.uint8).reshape(mask.size[::-1]) >= 128
        rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
        if not len(rows):
            return None, None
        images.append(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
        left, top = columns[0] + offset[0], rows[0] + offset[1]
        boxes[int(digit)] = left, top, left + images[-1].shape[1], top + images[-1].shape[0]
    return images, boxes


def _parts_and_holes(canvas):
    """Return the number of connected parts of a digit, and of its holes."""
    parts = ndimage.label(canvas, np.ones((3, 3)))[1]
    # A few background samples may remain where curves meet; they do not count as holes.
    holes = sum(np.bincount(ndimage.label(~canvas)[0].ravel())[1:] >= SPECK) - 1
    return parts, holes


def _is_struck(zero):
    """Return whether a zero has a stroke or a dot in it."""
    parts, holes = _parts_and_holes(zero)
    return bool(parts == 2 or holes in (2, 3))


def _fault(canvases, struck):
    """Return the fault of a face, or "" if its ten digits are well formed."""
    first = int(struck)  # a struck zero is an accepted exception
    for digit, canvas in list(zip(DIGITS, canvases))[first:]:
        parts, holes = _parts_and_holes(canvas)
        if parts != 1 or holes not in HOLES[digit]:
            return f"{digit} has {parts} parts and {holes} holes"
    if any(np.array_equal(canvases[i], canvases[j]) for i in range(10) for j in range(i)):
        return "two digits alike"
    return ""


def _measure(font, canvases, struck):
    """Return the Face of a font; canvases: its digits, bool [10, side, side]."""
    extents, shares = np.zeros((10, 4)), []
    for digit, canvas in enumerate(canvases):
        rows, columns = np.flatnonzero(canvas.any(1)), np.flatnonzero(canvas.any(0))
        extents[digit] = np.array([columns[0], columns[-1] + 1, rows[0], rows[-1] + 1]) / SCALE
        shares.append(canvas.sum() / (np.ptp(rows) + 1) / (np.ptp(columns) + 1))
    field = np.stack([_distance(canvas) for canvas in canvases])
    stroke = 2 * np.mean(field.max(axis=(1, 2)))
    old = bool(np.ptp(extents[:, 2]) > 3 or np.ptp(extents[:, 3]) > 3)
    return Face(font, field, extents, np.mean(shares), stroke, struck, old)


def _distance(canvas):
    """Return the signed distance in tile pixels, [TILE, TILE], at the centres of the pixels."""
    signed = ndimage.distance_transform_edt(canvas) - ndimage.distance_transform_edt(~canvas)
    signed -= 0.5 * np.sign(signed)  # an edge is half a sample away from the samples next to it
    middle = slice(SCALE // 2 - 1, SCALE // 2 + 1)
    blocks = signed.reshape(TILE, SCALE, TILE, SCALE)[:, middle, :, middle]
    return blocks.mean(axis=(1, 3)) / SCALE


def _is_torn(field):
    """Return whether a tile shows a connected digit in pieces, because its strokes are thin."""
    for tile in field:
        ink = ndimage.zoom(tile, 4, order=1) >= -0.2  # blur or bolder ink closes smaller gaps
        pieces = np.bincount(ndimage.label(ink)[0].ravel())[1:]
        if (pieces >= 4).sum() != 1:
            return True
    return False


# -- the atlas -----------------------------------------------------------------------------------


def make_atlas(chosen):
    """Return the Glyphs of a list of Faces."""
    field = np.clip(np.rint(128 + 16 * np.stack([face.field for face in chosen])), 0, 255)
    extents = np.stack([face.extents for face in chosen]).astype(np.float32)
    return glyphs.Glyphs(
        field=field.astype(np.uint8),
        left=extents[..., 0],
        right=extents[..., 1],
        top=extents[..., 2],
        bottom=extents[..., 3],
        names=np.array([face.font.name for face in chosen]),
        weight=np.array([face.weight for face in chosen], np.float32),
    )


def main():
    """Run the tool."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--licence_text", required=True, help="file with the text of the OFL 1.1")
    parser.add_argument("--faces", type=int, default=400, help="largest number of faces")
    parser.add_argument(
        "--least", type=float, default=0.02, help="smallest mean distance of two faces, in pixels"
    )
    parser.add_argument("--verbose", action="store_true", help="print why faces are skipped")
    flags = parser.parse_args()
    chosen = choose(measured_faces(flags.verbose), flags.faces, flags.least)
    glyphs.save(glyphs.PATH, make_atlas(chosen))
    with open(flags.licence_text, encoding="utf-8") as file:
        text = font_packages.licences([face.font for face in chosen], file.read())
    path = os.path.join(os.path.dirname(glyphs.PATH), "GLYPHS_LICENSES.txt")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    print(f"{os.path.getsize(glyphs.PATH)} bytes")


if __name__ == "__main__":
    main()
