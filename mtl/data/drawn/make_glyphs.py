"""Make `glyphs.npz` and `GLYPHS_LICENSES.txt`: distance fields of the digits of freely licensed fonts.

A developer's tool, not imported by the package. It needs `pip install fonttools scipy pillow` and a Debian system
with the font packages of `OPEN_FONT` and `APACHE` below (`apt-get install`); it was run on Debian 12 (bookworm).
The result depends only on the font files and the versions of FreeType, NumPy and SciPy. Run it as

    python -m mtl.data.drawn.make_glyphs --licence_text=FILE

where FILE holds the text of the SIL Open Font License 1.1.
"""

import argparse
import io
import os
import re
import subprocess

import numpy as np
from fontTools.ttLib import TTFont, TTLibError
from PIL import ImageFont
from scipy import ndimage

from mtl.data.drawn import glyphs

DIGITS = "0123456789"
TILE, HEIGHT, MARGIN, SCALE = glyphs.TILE, 22, 3, 8
# Packages whose fonts are under the SIL Open Font License 1.1 (some leave the choice of another licence as well).
OPEN_FONT = """
    fonts-croscore fonts-lato fonts-noto-core fonts-cabin fonts-cantarell fonts-comfortaa fonts-crosextra-caladea
    fonts-crosextra-carlito fonts-dosis fonts-ebgaramond fonts-inter fonts-jura fonts-karla fonts-lobstertwo
    fonts-manrope fonts-national-park fonts-oldstandard fonts-opendin fonts-play fonts-quattrocento fonts-quicksand
    fonts-sora fonts-vollkorn fonts-yanone-kaffeesatz fonts-yrsa-rasa fonts-bebas-neue fonts-league-spartan
    fonts-league-mono fonts-allerta fonts-arapey fonts-averia-gwf fonts-averia-sans-gwf fonts-averia-serif-gwf
    fonts-b612 fonts-courier-prime fonts-comic-neue fonts-fantasque-sans fonts-firacode fonts-gemunu-libre
    fonts-jetbrains-mono fonts-junction fonts-kaushanscript fonts-leckerli-one fonts-linuxlibertine fonts-monoid
    fonts-mononoki fonts-nanum fonts-nanum-extra fonts-routed-gothic fonts-sil-andika fonts-sil-charis
    fonts-sil-gentium fonts-smc-manjari fonts-rampart fonts-reggae fonts-rocknroll fonts-yusei-magic fonts-stick
    fonts-dancingscript fonts-gfs-didot fonts-gfs-artemisia fonts-gfs-neohellenic fonts-hosny-amiri
    fonts-anonymous-pro fonts-junicode fonts-elstob fonts-mplus fonts-oxygen fonts-lemonada fonts-compagnon
    fonts-cherrybomb fonts-smiley-sans fonts-millimetre fonts-essays1743
""".split()
APACHE = "fonts-open-sans fonts-roboto-unhinted fonts-roboto-slab fonts-clear-sans".split()
SPECK = 20  # samples, about a third of a tile pixel
# Few slanted faces are wanted (the generator slants), hairlines are lost in a tile, symbol fonts' digits are dingbats.
SKIPPED_FILES = re.compile(
    r"Keyboard|Initials|Colored|Symbols|BoldItalic|LightItalic|Thin|Hairline|ExtraLight|UltraLight"
)
# The number of enclosed holes a well-formed digit may have: outline, dotted and sketched faces fall out here.
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


def font_files(packages):
    """Yield (package, path) of the installed font files of Debian packages, in a fixed order."""
    for package in packages:
        listed = subprocess.run(
            ["dpkg-query", "-L", package], capture_output=True, text=True, check=True
        ).stdout
        for path in sorted(listed.splitlines()):
            if path.lower().endswith((".ttf", ".otf")) and os.path.isfile(path):
                yield package, path


def packaged_copyright(package):
    """Return the first copyright line of a Debian package's licence file."""
    with open(f"/usr/share/doc/{package}/copyright", encoding="utf-8") as stream:
        return re.search(r"^Copyright:\s*(.+)$", stream.read(), re.MULTILINE).group(1)


def lining(font):
    """Return {digit: glyph} of the lining figures that the face offers beside its own digits, or None."""
    if "GSUB" not in font or not font["GSUB"].table.FeatureList:
        return None
    table, cmap, found = font["GSUB"].table, font.getBestCmap(), {}
    for record in table.FeatureList.FeatureRecord:
        if record.FeatureTag == "lnum":
            for index in record.Feature.LookupListIndex:
                for part in table.LookupList.Lookup[index].SubTable:
                    part = getattr(part, "ExtSubTable", part)
                    if part.LookupType == 1:
                        found.update(
                            {
                                c: part.mapping[cmap[ord(c)]]
                                for c in DIGITS
                                if cmap[ord(c)] in part.mapping
                            }
                        )
    return found or None


def remapped(font, mapping):
    """Return the bytes of a font whose character map shows other glyphs for the digits."""
    for table in font["cmap"].tables:
        if table.isUnicode():
            table.cmap.update({ord(c): glyph for c, glyph in mapping.items()})
    stream = io.BytesIO()
    font.save(stream)
    return stream.getvalue()


def rasters(data):
    """Return ten boolean canvases [TILE * SCALE]^2 of a font's digits on a common baseline, or None if one is empty."""

    def ink(size):
        """Return the digits' pictures and their extents about the origin on the baseline."""
        face = ImageFont.truetype(io.BytesIO(data), size, layout_engine=ImageFont.Layout.BASIC)
        pictures, boxes = [], np.zeros((10, 4))
        for digit in DIGITS:
            # The mask's own size will not do: it takes in the digit's advance.
            mask, offset = face.getmask2(digit, "L", anchor="ls")
            picture = np.array(mask, np.uint8).reshape(mask.size[::-1]) >= 128
            rows, columns = np.flatnonzero(picture.any(1)), np.flatnonzero(picture.any(0))
            if not len(rows):
                return None, None
            pictures.append(picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
            left, top = columns[0] + offset[0], rows[0] + offset[1]
            boxes[int(digit)] = left, top, left + pictures[-1].shape[1], top + pictures[-1].shape[0]
        return pictures, boxes

    _, boxes = ink(500)
    if boxes is None:
        return None
    boxes = boxes / 500
    extent = boxes[:, 3].max() - boxes[:, 1].min()
    width = (boxes[:, 2] - boxes[:, 0]).max()
    room = TILE - 2 * MARGIN
    size = SCALE * min(HEIGHT / (boxes[0, 3] - boxes[0, 1]), room / extent, room / width)
    pictures, boxes = ink(size)
    side = TILE * SCALE
    baseline = (side - boxes[:, 3].max() - boxes[:, 1].min()) / 2
    out = np.zeros((10, side, side), bool)
    for digit, (picture, box) in enumerate(zip(pictures, boxes)):
        top, left = round(box[1] + baseline), (side - picture.shape[1]) // 2
        out[digit, top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return out


def fault(canvases):
    """Return why a face is left out, or "" if its ten digits are well formed; a struck zero is "zero"."""
    struck = False
    for digit, canvas in zip(DIGITS, canvases):
        parts = ndimage.label(canvas, np.ones((3, 3)))[1]
        # Curves that meet leave specks of a few samples: those are no holes.
        holes = sum(np.bincount(ndimage.label(~canvas)[0].ravel())[1:] >= SPECK) - 1
        if digit == "0" and (parts == 2 or holes in (2, 3)):
            struck = True
        elif parts != 1 or holes not in HOLES[digit]:
            return f"{digit} has {parts} parts and {holes} holes"
    if any(np.array_equal(canvases[i], canvases[j]) for i in range(10) for j in range(i)):
        return "two digits alike"
    return "zero" if struck else ""


def distance(canvas):
    """Return the signed distance [TILE, TILE] in tile pixels (positive inside) at the centres of the tile's pixels."""
    signed = ndimage.distance_transform_edt(canvas) - ndimage.distance_transform_edt(~canvas)
    signed -= 0.5 * np.sign(signed)  # an edge lies half a sample away from the samples next to it
    blocks = signed.reshape(TILE, SCALE, TILE, SCALE)[
        :, SCALE // 2 - 1 : SCALE // 2 + 1, :, SCALE // 2 - 1 : SCALE // 2 + 1
    ]
    return blocks.mean(axis=(1, 3)) / SCALE


def measure(name, canvases):
    """Return the face's entry: name, distances [10, TILE, TILE], extents [10, 4] (left, right, top, bottom), weight, stroke."""
    extents, share = np.zeros((10, 4)), []
    for digit, canvas in enumerate(canvases):
        rows, columns = np.flatnonzero(canvas.any(1)), np.flatnonzero(canvas.any(0))
        extents[digit] = np.array([columns[0], columns[-1] + 1, rows[0], rows[-1] + 1]) / SCALE
        share.append(canvas.sum() / (np.ptp(rows) + 1) / (np.ptp(columns) + 1))
    field = np.stack([distance(canvas) for canvas in canvases])
    return {
        "name": name,
        "field": field,
        "extents": extents,
        "weight": np.mean(share),
        "stroke": 2 * np.mean(field.max(axis=(1, 2))),
    }


def torn(field):
    """Return whether a stroke is so thin that tiles [n, TILE, TILE] of connected digits show one in pieces."""
    for tile in field:
        ink = (
            ndimage.zoom(tile, 4, order=1) >= -0.2
        )  # px; a blur or a slightly bolder drawing mends a smaller gap
        pieces = np.bincount(ndimage.label(ink)[0].ravel())[1:]
        if (pieces >= 4).sum() != 1:
            return True
    return False


def faces(verbose):
    """Yield the entries (see `measure`, plus package, family, copyright, licence) of all acceptable faces."""
    seen = set()
    for licence, packages in (("OFL-1.1", OPEN_FONT), ("Apache-2.0", APACHE)):
        for package, path in font_files(packages):
            if SKIPPED_FILES.search(os.path.basename(path)):
                continue
            try:
                font = TTFont(path)
                cmap = font.getBestCmap() or {}
            except TTLibError:
                continue
            if not all(ord(c) in cmap for c in DIGITS):
                continue
            names = font["name"]
            family = names.getDebugName(16) or names.getDebugName(1)
            style = names.getDebugName(17) or names.getDebugName(2)
            about = {
                "package": package,
                "family": family,
                "licence": licence,
                "copyright": names.getDebugName(0) or packaged_copyright(package),
            }
            other = lining(font)
            with open(path, "rb") as stream:
                variants = [(f"{family} {style}", stream.read())]
            if other:
                variants = [
                    (f"{family} {style}", remapped(font, other)),
                    (f"{family} {style} old-style", variants[0][1]),
                ]
            for name, data in variants:
                if name in seen:
                    continue
                canvases = rasters(data)
                why = "an empty digit" if canvases is None else fault(canvases)
                if why in ("", "zero"):
                    entry = {**measure(name, canvases), **about, "struck": why == "zero"}
                    heights = entry["extents"][:, 2:]
                    entry["old"] = bool(np.ptp(heights[:, 0]) > 3 or np.ptp(heights[:, 1]) > 3)
                    if torn(entry["field"][1 if entry["struck"] else 0 :]):
                        why = "torn"
                    elif not entry["old"] and (name != variants[0][0] or np.ptp(heights[0]) < 16):
                        why = "small, or its lining figures are taken"
                    else:
                        seen.add(name)
                        yield entry
                if verbose and why:
                    print(f"{name}: {why}")


# How many faces of a kind may be taken: a struck zero, old-style figures and thin strokes are rare on signs.
LIMITS = {"struck": 14, "old": 24, "thin": 30, "slanted": 30}


def kinds(entry):
    """Return the kinds of `LIMITS` that a face belongs to."""
    slanted = re.search(r"Italic|Oblique|Slant|Inclined", entry["name"])
    return [
        kind
        for kind, belongs in (
            ("struck", entry["struck"]),
            ("old", entry["old"]),
            ("thin", entry["stroke"] < 2.3),
            ("slanted", slanted),
        )
        if belongs
    ]


def choose(entries, count, least):
    """Return at most `count` entries, each time the one farthest from those taken, none nearer than `least` pixels."""
    entries = [e for e in entries if e["stroke"] >= 1.5]
    near = np.stack([np.clip(e["field"], -2, 2).ravel() for e in entries]).astype(np.float32)
    taken, gaps, left = [], np.full(len(entries), np.inf, np.float32), dict(LIMITS)
    index = next(i for i, e in enumerate(entries) if not kinds(e))
    while True:
        for kind in kinds(entries[index]):
            left[kind] -= 1
        taken.append(index)
        gaps = np.minimum(gaps, np.abs(near - near[index]).mean(axis=1))
        for i, entry in enumerate(entries):
            if any(left[kind] <= 0 for kind in kinds(entry)):
                gaps[i] = 0
        index = int(gaps.argmax())
        if len(taken) == count or gaps[index] < least:
            print(
                f"{len(taken)} of {len(entries)} faces, the next would be {gaps[index]:.3f} px from its neighbour"
            )
            return sorted((entries[i] for i in taken), key=lambda e: e["name"])


def write_licences(path, chosen, text):
    """Write the list of families with copyright and licence, and the text of the Open Font License."""
    lines = [
        "glyphs.npz holds distance fields computed from the digits of the fonts listed here: it is a derived work of them.",
        "The part that comes from a font is under that font's licence: the SIL Open Font License, Version 1.1 (OFL-1.1,",
        "text at the end of this file) or the Apache License, Version 2.0 (Apache-2.0, text in the file LICENSE of this",
        "project, and at http://www.apache.org/licenses/LICENSE-2.0). The atlas is named after none of the fonts; the",
        "names below and in its array `names` only say where a shape comes from. `make_glyphs.py` made it.",
        "",
    ]
    families = {}
    for entry in chosen:
        families.setdefault((entry["family"], entry["package"]), entry)
    for (family, package), entry in sorted(families.items()):
        lines += [
            f"{family}",
            f"    Licence: {entry['licence']}; Debian package: {package}",
            f"    {' '.join(entry['copyright'].split())}",
            "",
        ]
    with open(path, "w", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n" + "-" * 80 + "\n\n" + text)


def main():
    """Run the tool."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--licence_text",
        required=True,
        help="a file with the text of the SIL Open Font License 1.1",
    )
    parser.add_argument("--faces", type=int, default=400, help="the most faces to take")
    parser.add_argument(
        "--least",
        type=float,
        default=0.02,
        help="the least mean distance of two faces, in tile pixels",
    )
    parser.add_argument(
        "--verbose", action="store_true", help="say which faces are left out, and why"
    )
    flags = parser.parse_args()
    chosen = choose(list(faces(flags.verbose)), flags.faces, flags.least)
    field = np.clip(np.rint(128 + 16 * np.stack([e["field"] for e in chosen])), 0, 255).astype(
        np.uint8
    )
    extents = np.stack([e["extents"] for e in chosen]).astype(np.float32)
    glyphs.save(
        glyphs.PATH,
        glyphs.Glyphs(
            field,
            extents[..., 0],
            extents[..., 1],
            extents[..., 2],
            extents[..., 3],
            np.array([e["name"] for e in chosen]),
            np.array([e["weight"] for e in chosen], np.float32),
        ),
    )
    with open(flags.licence_text, encoding="utf-8") as stream:
        write_licences(
            os.path.join(os.path.dirname(glyphs.PATH), "GLYPHS_LICENSES.txt"), chosen, stream.read()
        )
    print(f"{os.path.getsize(glyphs.PATH)} bytes")


if __name__ == "__main__":
    main()
