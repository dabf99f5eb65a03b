"""Tests of the atlas of digit shapes."""

import os

import numpy as np
import pytest

from mtl.data.drawn import glyphs


@pytest.fixture(scope="module", name="atlas")
def _atlas():
    return glyphs.load()


def _components(ink):
    """Count 8-connected components by flooding."""
    ink, count = ink.copy(), 0
    while ink.any():
        count += 1
        stack = [tuple(np.argwhere(ink)[0])]
        while stack:
            y, x = stack.pop()
            if 0 <= y < ink.shape[0] and 0 <= x < ink.shape[1] and ink[y, x]:
                ink[y, x] = False
                stack += [(y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return count


def test_shapes_and_types(atlas):
    faces = len(atlas.names)
    assert 250 <= faces <= 450
    assert (
        atlas.field.shape == (faces, 10, glyphs.TILE, glyphs.TILE) and atlas.field.dtype == np.uint8
    )
    for extent in (atlas.left, atlas.right, atlas.top, atlas.bottom):
        assert extent.shape == (faces, 10) and extent.dtype == np.float32
    assert atlas.weight.shape == (faces,) and atlas.weight.dtype == np.float32
    assert len(set(atlas.names)) == faces
    assert os.path.getsize(glyphs.PATH) <= 1000000


def test_load_is_cached_and_read_only(atlas):
    assert glyphs.load() is atlas
    with pytest.raises(ValueError):
        atlas.field[0, 0, 0, 0] = 1


def test_extents_agree_with_the_field(atlas):
    """The ink (field >= 128) reaches, to about a pixel, as far as the extents say."""
    ink = atlas.field >= 128
    columns, rows = ink.any(axis=2), ink.any(axis=3)
    # Thin tips (a flag, a foot) may lie between the pixels' centres: allow for them.
    for lines, low, high in ((columns, atlas.left, atlas.right), (rows, atlas.top, atlas.bottom)):
        first, last = lines.argmax(axis=-1), glyphs.TILE - lines[..., ::-1].argmax(axis=-1)
        assert np.all(first >= low - 0.6) and np.all(last <= high + 0.6)
        assert np.mean(np.abs(first - low)) < 0.5 and np.mean(np.abs(last - high)) < 0.5


def test_digits_stand_centred_with_a_margin(atlas):
    assert np.all(np.abs(atlas.left + atlas.right - glyphs.TILE) <= 0.5)
    for low, high in ((atlas.left, atlas.right), (atlas.top, atlas.bottom)):
        assert low.min() >= 2.5 and high.max() <= glyphs.TILE - 2.5
    heights = atlas.bottom[:, 0] - atlas.top[:, 0]
    assert np.median(heights) == pytest.approx(22, abs=0.3) and heights.max() < 22.5


def test_field_falls_by_a_pixel_a_pixel_outside(atlas):
    """Left of the ink's box the distance to the outline is at least, and for some row about, that to the box."""
    for column in (2, 5, 8):
        box = atlas.left - (column + 0.5)
        nearest = ((128 - atlas.field[..., column].astype(np.float32)) / 16).min(axis=-1)
        seen = (box > 0) & (
            box < 7
        )  # the stored distances end at 8; those beyond 2 are rounded to the middle of a pixel
        assert seen.sum() > 100
        error = (nearest - box)[seen]
        assert error.min() > -0.7 and error.max() < 1.2 and abs(error.mean()) < 0.25


def test_weight_is_the_share_of_ink(atlas):
    ink = (atlas.field >= 128).sum(axis=(2, 3))
    share = (ink / ((atlas.right - atlas.left) * (atlas.bottom - atlas.top))).mean(axis=1)
    assert np.max(np.abs(share - atlas.weight)) < 0.06


def test_digits_differ_and_most_are_of_one_piece(atlas):
    """No face shows one digit for another (as a font without Latin digits would), nor shreds."""
    flat = (atlas.field >= 128).reshape(len(atlas.names), 10, -1)
    for i in range(10):
        for j in range(i):
            assert np.all((flat[:, i] != flat[:, j]).sum(axis=-1) >= 10)
    sample = atlas.field[::29].reshape(-1, glyphs.TILE, glyphs.TILE) >= 120
    assert np.mean([_components(ink) == 1 for ink in sample]) > 0.95


def test_the_same_digit_is_alike_across_faces(atlas):
    """The nearest shape among the other faces is, for nearly all digits, one of the same digit."""
    ink = (atlas.field >= 128).reshape(len(atlas.names), 10, -1).astype(np.float32)
    known, held = ink[::2].reshape(-1, ink.shape[-1]), ink[1::2].reshape(-1, ink.shape[-1])
    gaps = (known**2).sum(axis=-1) - 2 * held @ known.T
    digits = np.arange(len(held)) % 10
    assert np.mean(gaps.argmin(axis=-1) % 10 == digits) > 0.96


def test_save_keeps_the_outline(tmp_path, atlas):
    """A field survives saving with an error of an eighth of a pixel near the outline, of half a pixel elsewhere."""
    generator = np.random.default_rng(3)
    field = generator.integers(0, 256, (2, 10, glyphs.TILE, glyphs.TILE)).astype(np.uint8)
    path = tmp_path / "a.npz"
    glyphs.save(path, atlas._replace(field=field))
    with np.load(path) as arrays:
        kept = np.cumsum(arrays["field"], axis=-1, dtype=np.uint8).astype(int)
    error = np.abs(kept - field)
    near = np.abs(field.astype(int) - 128) < 32
    np.testing.assert_array_equal(kept >= 128, field >= 128)
    assert error[near].max() <= 2 and error.max() <= 8


def test_every_family_is_in_the_licence_file(atlas):
    path = os.path.join(os.path.dirname(glyphs.PATH), "GLYPHS_LICENSES.txt")
    with open(path, encoding="utf-8") as stream:
        text = stream.read()
    families = {line for line in text.splitlines() if line}
    for name in atlas.names:
        words = str(name).split()
        assert any(" ".join(words[:i]) in families for i in range(1, len(words) + 1)), name
    assert "SIL OPEN FONT LICENSE" in text and "Apache License, Version 2.0" in text
