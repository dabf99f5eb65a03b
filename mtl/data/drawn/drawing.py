"""One picture of a number: a line of digits laid out as distance fields, seen through a distorted window, coloured, and spoilt.

The digits' signed distance fields are pasted side by side into a text plane. A window in that plane, tilted, slanted and seen in
perspective, is sampled at the resolution of the imagined photograph; there each pixel's distance to the nearest outline tells how much ink
covers it, and whether it belongs to an outline. Grounds, light and ink are then mixed, blurred, made noisy, compressed
and resized to the window, the way a photograph of a house comes to the network.
"""

import io

import numpy as np
from PIL import Image, ImageFilter

from mtl.config import WINDOW
from mtl.data.augment import turn_and_slant
from mtl.data.drawn.glyphs import TILE

# Difficulty at which pictures begin to look as photographs do, and at which they fully do. Plain ones stay plain: filled by their digits.
PLAIN, STREET = 0.2, 0.5
DIGIT = 22.0  # height of a digit in the text plane, in its pixels
FAR = 8.0  # distance, in pixels of the text plane, where the fields end
PAD = 64  # empty pixels of the text plane around the line


def draw(text, stream, difficulty, glyphs):
    """Draw a number as a house might show it.

    Args:
      text: str of digits, "" for a ground without a number.
      stream: np.random.Generator, which decides everything.
      difficulty: float in [0, 1].
      glyphs: glyphs.Glyphs.

    Returns:
      uint8 [WINDOW, WINDOW, 3].
    """
    difficulty *= stream.uniform(
        0.3, 1.0
    )  # of this image: easy ones teach the digits, hard ones how they are spoilt
    field, box = lay_out(text, stream, difficulty, glyphs)
    corners, width, height = look(box, stream, difficulty)
    # The photograph's own resolution: from barely legible to sharper than the window.
    tall = np.exp(stream.uniform(np.log(48 - 36 * difficulty), np.log(64 - 12 * difficulty))) * (
        1.0 if len(text) < 4 else 1.3
    )
    wide = tall * width / height
    size = (int(np.clip(wide, 8, 128)), int(np.clip(tall, 8, 96)))
    scale = size[1] / height  # pixels of the photograph for one of the text plane

    distance = sample(field, corners, size) if text else np.full((size[1], size[0]), -FAR)
    picture = ground(size, stream, difficulty)
    picture = ink(picture, distance, field, corners, scale, stream, difficulty) if text else picture
    return spoil(picture, stream, difficulty)


def likeness(difficulty):
    """Say how far a picture of a difficulty is laid out, inked and photographed as real house numbers are: 0 up to PLAIN, 1 from STREET."""
    return float(np.clip((difficulty - PLAIN) / (STREET - PLAIN), 0.0, 1.0))


def lay_out(text, stream, difficulty, glyphs):
    """Paste a line of digits into a text plane.

    Returns:
      uint8 [height, width], the distance field (128 on an outline, 16 a pixel), and the box (left, top, right, bottom) of the line's
      digits in it. Digits of a neighbouring number may stand outside of the box.
    """
    face = stream.integers(len(glyphs.names))
    spacing = stream.choice([stream.uniform(-0.5, 3.0), stream.uniform(1.0, 9.0)], p=[0.8, 0.2])
    jumpy = stream.random() < 0.18 * difficulty
    # Upright digits on a slanting line.
    stairs = (
        stream.uniform(-9.0, 9.0) if stream.random() < 0.12 * difficulty and len(text) < 5 else 0.0
    )
    before, after = (
        str(stream.integers(10)) if stream.random() < 0.12 * difficulty else "" for _ in range(2)
    )
    street = likeness(difficulty)
    gap = stream.uniform(5.0, 12.0) * (1.0 + 0.6 * street)  # before a neighbour's digits
    stacked = (
        2 <= len(text) <= 3 and street > 0.0 and stream.random() < 0.04 * difficulty
    )  # one digit below the other
    if stacked:
        before = after = ""
        drop = stream.uniform(22.0, 28.0)

    pens, pen = [], float(PAD)
    line = before + text + after
    for place, character in enumerate(line):
        if place in (len(before), len(before + text)) and place:
            pen += gap
        digit = int(character)
        if jumpy and stream.random() < 0.2:
            face = stream.integers(len(glyphs.names))
        lift = (stream.uniform(-2.5, 2.5) if jumpy else 0.0) + stairs * place
        if stacked:
            pens.append(
                (face, digit, pen + stream.uniform(-1.5, 1.5), (place - (len(text) - 1) / 2) * drop)
            )
            continue
        pens.append((face, digit, pen, lift))
        pen += glyphs.right[face, digit] - glyphs.left[face, digit] + spacing
    plane = np.zeros((TILE + 2 * PAD, int(pen) + TILE + PAD), np.uint8)
    boxes = []
    for face, digit, x, lift in pens:
        column, row = int(round(x - glyphs.left[face, digit])), int(round(PAD + lift))
        tile = plane[row : row + TILE, column : column + TILE]
        np.maximum(tile, glyphs.field[face, digit], out=tile)
        boxes.append(
            (
                column + glyphs.left[face, digit],
                row + glyphs.top[face, digit],
                column + glyphs.right[face, digit],
                row + glyphs.bottom[face, digit],
            )
        )
    own = np.array(
        boxes[len(before) : len(before) + len(text)]
        or [(PAD, PAD + 5, PAD + 14 * stream.uniform(1, 4), PAD + 27)]
    )
    return plane, (own[:, 0].min(), own[:, 1].min(), own[:, 2].max(), own[:, 3].max())


def look(box, stream, difficulty):
    """Choose the window onto the text plane: margins, stretch, slant, turn and perspective.

    Returns:
      float [4, 2], its corners (x, y) from the upper left counterclockwise; its width and height in pixels of the text plane, as they look
      from the front.
    """
    left, top, right, bottom = box
    # The photograph of the line: turned about its centre and slanted. The columns are where a step right and a step down go.
    strength, street = 0.2 + 1.1 * difficulty, likeness(difficulty)
    turn = stream.normal(0.0, 0.07 if stream.random() > 0.2 * difficulty else 0.3) * strength
    slant = stream.normal(0.0, 0.14) * strength
    turned = turn_and_slant(turn, slant)
    # Photographed house numbers are narrower than type: seen from the side, and boxed closely.
    stretch = (
        np.exp(stream.normal(-0.05 - 0.28 * street, 0.18 + 0.02 * street))
        * max(1.0, (right - left) / (bottom - top)) ** -0.5
    )
    turned = np.diag([stretch, 1.0]) @ turned

    centre = np.array([(left + right) / 2, (top + bottom) / 2])
    line = (
        np.array([[left, top], [left, bottom], [right, bottom], [right, top]]) - centre
    ) @ turned.T
    (left, top), (right, bottom) = (
        line.min(axis=0),
        line.max(axis=0),
    )  # the upright box around it, as people draw boxes
    if (
        street
    ):  # wider than the ink, by a share of the height: a 1 stands in a box half as wide as high
        pads = (
            street
            * (bottom - top)
            * np.clip(stream.normal(0.12, 0.08) + stream.normal(0.0, 0.03, 2), -0.03, 0.4)
        )
        left, right = left - pads[0], right + pads[1]
    # Half of the windows are cut close above and below, the others with the margin that 1.3 times the box leaves, or more. Beside the
    # number there is more room: 1.3 times the box leaves an eighth of the window, a whole picture up to a quarter.
    loose = (
        stream.uniform(0.0, 0.15 + 0.05 * street) if stream.random() < 0.12 + 0.03 * street else 0.0
    )
    close = stream.random() < 0.5 - 0.1 * street
    least, most = (
        (-0.03 + 0.01 * street, 0.06 + 0.02 * street) if close else (0.0, 0.15 + 0.04 * street)
    )
    above, below = loose + stream.uniform(least, most, 2)
    beside = (
        loose
        + stream.choice([0.09 + 0.02 * street, stream.uniform(0.0, 0.21 + 0.03 * street)])
        + stream.normal(0.0, 0.025, 2)
    )
    margins = np.clip([beside[0], above, beside[1], below], -0.03, 0.32 + 0.04 * street)
    width, height = (
        (right - left) / (1.0 - margins[0] - margins[2]),
        (bottom - top) / (1.0 - margins[1] - margins[3]),
    )
    left, top = left - margins[0] * width, top - margins[1] * height
    corners = np.array(
        [[left, top], [left, top + height], [left + width, top + height], [left + width, top]]
    )
    corners += stream.normal(0.0, 0.03 * strength, (4, 2)) * [width, height]  # perspective
    return corners @ np.linalg.inv(turned).T + centre, width, height


def sample(field, corners, size):
    """Sample a distance field through a window: float32 [height, width], in pixels of the text plane, positive inside a digit."""
    flat = Image.fromarray(field).transform(
        size, Image.Transform.QUAD, corners.ravel().tolist(), Image.Resampling.BILINEAR
    )
    return (np.asarray(flat, np.float32) - 128.0) / 16.0


def coverage(distance, scale):
    """Turn a distance (pixels of the text plane) into the share of each pixel that is covered, 0 to 1."""
    return np.clip(0.5 + distance * scale, 0.0, 1.0)[:, :, None]


def smooth_noise(size, cells, stream):
    """Return float32 [height, width, 1] of normal noise, smooth over 1 / cells of the picture."""
    coarse = Image.fromarray(stream.normal(0.0, 1.0, (cells[1], cells[0])).astype(np.float32))
    return np.asarray(coarse.resize(size, Image.Resampling.BICUBIC))[:, :, None]


def colour(stream, value, street):
    """Return float32 [3]: a colour of a brightness, mostly grey, brownish or bluish, seldom vivid, on streets (0 to 1) even less often."""
    saturation = (
        stream.beta(1.0, 4.0)
        if stream.random() > 0.25 - 0.13 * street
        else stream.uniform(0.3, 1.0)
    )
    hue = stream.choice(
        [stream.normal(0.08, 0.05), stream.normal(0.6, 0.06), stream.random()], p=[0.4, 0.3, 0.3]
    )
    rgb = np.clip(np.abs((hue * 6.0 + np.array([0.0, 4.0, 2.0])) % 6.0 - 3.0) - 1.0, 0.0, 1.0)
    tinted = 1.0 - saturation * (1.0 - rgb)
    return (value * tinted / max(tinted @ [0.3, 0.6, 0.1], 0.35)).clip(0.0, 1.0).astype(np.float32)


def ground(size, stream, difficulty):
    """Paint what the number stands on: a colour, spots, a texture of lines, bars and plates; float32 [height, width, 3], 0..1."""
    width, height = size
    street = likeness(difficulty)
    picture = np.broadcast_to(
        colour(stream, stream.uniform(0.04, 0.96), street), (height, width, 3)
    ).copy()
    picture += (
        smooth_noise(size, stream.integers(2, 9, 2), stream)
        * stream.exponential(0.035)
        * difficulty
    )
    if stream.random() < 0.25 * difficulty:  # boards, bricks, blinds
        period = stream.uniform(4.0, 14.0)
        angle = stream.choice([0.0, np.pi / 2]) + stream.normal(0.0, 0.1)
        along = np.arange(width)[None, :] * np.cos(angle) + np.arange(height)[:, None] * np.sin(
            angle
        )
        lines = np.abs((along / period + stream.random()) % 1.0 - 0.5) < stream.uniform(0.03, 0.3)
        picture += (lines * stream.normal(0.0, 0.12))[:, :, None]
    if stream.random() < 0.3 * difficulty:  # a plate: what lies beyond its rim has another colour
        inside = rectangle(size, stream.uniform(0.0, 0.16, 4), stream.choice([2.0, 2.0, 8.0]))
        if stream.random() < 0.2 + 0.1 * street:
            inside = ellipse(size, stream.uniform(0.42, 0.6, 2))
        picture = picture * inside + colour(stream, stream.random(), street) * (1.0 - inside)
        if stream.random() < 0.4:
            rim = inside - rectangle(size, stream.uniform(0.0, 0.16, 4) + 0.05, 8.0)
            picture = picture + np.clip(rim, 0.0, 1.0) * stream.normal(0.0, 0.3)
    for _ in range(
        stream.poisson(0.5 * difficulty)
    ):  # frames, edges of plates, cables: mostly near the rim
        tone = colour(stream, stream.random(), street)
        at, thick = np.abs(stream.beta(0.5, 0.5)), stream.uniform(0.02, 0.16)
        if stream.random() < 0.6:
            first = int(at * width)
            picture[:, first : first + max(1, int(thick * width))] = tone
        else:
            first = int(at * height)
            picture[first : first + max(1, int(thick * height))] = tone
    return picture


def rectangle(size, margins, sharpness):
    """Return float32 [height, width, 1]: 1 inside of four margins (left, top, right, bottom, as shares), 0 outside, with a soft edge."""
    x, y = (np.arange(size[0]) + 0.5) / size[0], (np.arange(size[1]) + 0.5) / size[1]
    across = np.minimum(x - margins[0], 1.0 - margins[2] - x) * size[0]
    down = np.minimum(y - margins[1], 1.0 - margins[3] - y) * size[1]
    return np.clip(np.minimum(across[None, :], down[:, None]) * sharpness / 4.0 + 0.5, 0.0, 1.0)[
        :, :, None
    ].astype(np.float32)


def ellipse(size, radii):
    """Return float32 [height, width, 1]: 1 inside of an upright ellipse in the middle (radii as shares), 0 outside, with a soft edge."""
    x, y = (np.arange(size[0]) + 0.5) / size[0] - 0.5, (np.arange(size[1]) + 0.5) / size[1] - 0.5
    distance = 1.0 - np.hypot(x[None, :] / radii[0], y[:, None] / radii[1])
    return np.clip(distance * min(size) / 3.0 + 0.5, 0.0, 1.0)[:, :, None].astype(np.float32)


def ink(picture, distance, field, corners, scale, stream, difficulty):
    """Paint the digits over a ground, some with a shadow, an outline or a lit edge; float32 [height, width, 3], 0..1."""
    street = likeness(difficulty)
    weight = stream.normal(
        0.0, 0.35 - 0.15 * street
    )  # thicker or thinner than the face, in pixels of the text plane
    if street:  # houses wear bold digits: thin faces grow and the boldest shrink, before their counters close
        half = (float(field.max()) - 128.0) / 16.0
        weight += street * np.clip(0.7 * (stream.normal(2.4, 0.4) - half), -0.6, 1.2)
        uneven = smooth_noise(
            (picture.shape[1], picture.shape[0]), stream.integers(3, 12, 2), stream
        )[:, :, 0]
        weight = weight + stream.exponential(0.25) * difficulty * uneven
    distance = distance + weight
    behind = float(picture.mean())
    least = 0.45 - 0.30 * difficulty  # contrast of ink and ground
    values = [value for value in stream.uniform(0.0, 1.0, 16) if abs(value - behind) >= least]
    value = values[0] if values else float(behind < 0.5)
    if stream.random() < 0.4:
        value = float(behind < 0.5) * 0.95 + 0.03  # plain black or white
    tone = colour(stream, value, street)

    if stream.random() < 0.25:  # shadow, or the thickness of a raised digit
        offset = stream.uniform(-3.0, 3.0, 2)
        strength = stream.uniform(0.2, 0.9)
        cast = coverage(
            sample(field, corners + offset, (picture.shape[1], picture.shape[0])) + weight,
            scale * stream.uniform(0.3, 1.0),
        )
        picture = (
            picture * (1.0 - cast * strength)
            + colour(stream, stream.choice([0.02, 0.95], p=[0.8, 0.2]), street) * cast * strength
        )
    if stream.random() < 0.15:  # outline
        rim = coverage(distance + stream.uniform(0.6, 2.5), scale)
        picture = picture * (1.0 - rim) + colour(stream, stream.random(), street) * rim
    cover = coverage(distance, scale)
    wear = smooth_noise((picture.shape[1], picture.shape[0]), stream.integers(2, 7, 2), stream)
    body = tone + wear * stream.exponential(0.04) * difficulty
    if stream.random() < 0.12:  # a lit edge: the digit is brighter or darker along its outline
        body = body + coverage(stream.uniform(1.0, 2.5) - distance, scale) * stream.normal(
            0.0, 0.25
        )
    return picture * (1.0 - cover) + body * cover


def spoil(picture, stream, difficulty):
    """Light, blur, noise and compression, then the resize to the window; uint8 [WINDOW, WINDOW, 3]."""
    height, width = picture.shape[:2]
    street = likeness(difficulty)
    slope = stream.normal(0.0, 0.25, 2) * difficulty
    light = (
        1.0
        + slope[0] * np.linspace(-0.5, 0.5, width)[None, :]
        + slope[1] * np.linspace(-0.5, 0.5, height)[:, None]
    )
    if stream.random() < 0.12 * difficulty:  # the edge of a shadow falls across
        angle = stream.uniform(0, 2 * np.pi)
        side = (
            np.cos(angle) * np.linspace(-1, 1, width)[None, :]
            + np.sin(angle) * np.linspace(-1, 1, height)[:, None]
        )
        light = light * (
            1.0
            - stream.uniform(0.2, 0.6) * np.clip((side - stream.uniform(-0.5, 0.5)) * 8.0, 0.0, 1.0)
        )
    picture = picture * light[:, :, None]
    # Haze and poor exposure take contrast away without moving anything.
    picture = (
        picture * (1.0 - stream.beta(1.0, 3.0) * 0.75 * difficulty)
        + stream.uniform(0.0, 0.3) * difficulty * stream.random()
    )

    flat = Image.fromarray((picture * 255.0).clip(0, 255).astype(np.uint8))
    blur = stream.exponential(0.45 + 0.15 * street) * difficulty * height / 32.0
    if stream.random() < 0.3 * difficulty:
        blur += stream.uniform(0.5, 1.8) * height / 32.0
    if blur > 0.15:
        flat = flat.filter(ImageFilter.GaussianBlur(min(blur, height / 15.0)))
    if stream.random() < 0.25 * difficulty:  # cameras sharpen, which leaves halos
        flat = flat.filter(
            ImageFilter.UnsharpMask(
                radius=stream.uniform(1.0, 2.5), percent=int(stream.uniform(50, 200)), threshold=0
            )
        )
    noise = stream.exponential(4.0) * difficulty
    if noise > 0.5:
        grain = stream.normal(0.0, noise, (height, width, 3 if stream.random() < 0.5 else 1))
        flat = Image.fromarray((np.asarray(flat, np.float32) + grain).clip(0, 255).astype(np.uint8))
    if (
        street and stream.random() < 0.3 * difficulty
    ):  # a lens shifts the colours against each other
        shift = stream.normal(0.0, 0.5, 2) * height / 32.0
        bands = [_moved(band, way * shift) for way, band in zip((-1, 0, 1), flat.split())]
        flat = _continued(
            Image.merge("RGB", bands),
            np.full(4, min(int(np.ceil(np.abs(shift).max())), min(flat.size) // 4)),
        )
    if (
        street and stream.random() < 0.3 * difficulty
    ):  # pictures end close to the number, and what lies beyond is made up
        flat = _continued(
            flat,
            np.maximum(stream.uniform(-0.08, 0.09, 4) * [width, height, width, height], 0).astype(
                int
            ),
        )
    if stream.random() < 0.6 * difficulty:
        buffer = io.BytesIO()
        flat.save(buffer, "JPEG", quality=int(stream.uniform(25, 92)))
        flat = Image.open(buffer).convert("RGB")
    return np.asarray(flat.resize((WINDOW, WINDOW), Image.Resampling.BILINEAR))


def _moved(band, by):
    """Shift a picture of one channel by fractions of pixels (x, y)."""
    return band.transform(
        band.size, Image.Transform.AFFINE, (1, 0, by[0], 0, 1, by[1]), Image.Resampling.BILINEAR
    )


def _continued(flat, cut):
    """Replace pixels at the rim (left, top, right, bottom: how many) by the last ones before them."""
    pixels = np.asarray(flat)
    inside = pixels[cut[1] : pixels.shape[0] - cut[3], cut[0] : pixels.shape[1] - cut[2]]
    return Image.fromarray(np.pad(inside, ((cut[1], cut[3]), (cut[0], cut[2]), (0, 0)), "edge"))
