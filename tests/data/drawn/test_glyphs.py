"""The atlas of digit shapes that comes with the package."""

import os

import numpy as np
import pytest

from mtl.data.drawn import glyphs


@pytest.fixture(scope="module")
def atlas():
    return glyphs.load()


def components(ink):
    """Count 8-connected components."""
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
    assert len(set(atlas.names)) == faces
    assert atlas.field.shape == (faces, 10, glyphs.TILE, glyphs.TILE)
    assert atlas.field.dtype == np.uint8
    for extent in (atlas.left, atlas.right, atlas.top, atlas.bottom):
        assert extent.shape == (faces, 10)
        assert extent.dtype == np.float32
    assert atlas.weight.shape == (faces,)
    assert atlas.weight.dtype == np.float32
    assert os.path.getsize(glyphs.PATH) <= 1_000_000


def test_load_is_cached_and_read_only(atlas):
    assert glyphs.load() is atlas
    with pytest.raises(ValueError):
        atlas.field[0, 0, 0, 0] = 1


def test_extents_agree_with_the_field(atlas):
    ink = atlas.field >= 128
    columns, rows = ink.any(axis=2), ink.any(axis=3)
    # A thin tip may lie between the centres of the pixels, so the ink may end a little earlier.
    for lines, low, high in ((columns, atlas.left, atlas.right), (rows, atlas.top, atlas.bottom)):
        first, last = lines.argmax(axis=-1), glyphs.TILE - lines[..., ::-1].argmax(axis=-1)
        assert np.all(first >= low - 0.6) and np.all(last <= high + 0.6)
        assert np.mean(np.abs(first - low)) < 0.5 and np.mean(np.abs(last - high)) < 0.5


def test_digits_are_centred_with_a_margin(atlas):
    assert np.all(np.abs(atlas.left + atlas.right - glyphs.TILE) <= 0.5)
    for low, high in ((atlas.left, atlas.right), (atlas.top, atlas.bottom)):
        assert low.min() >= 2.5 and high.max() <= glyphs.TILE - 2.5
    heights = atlas.bottom[:, 0] - atlas.top[:, 0]
    assert np.median(heights) == pytest.approx(22, abs=0.3)
    assert heights.max() < 22.5


@pytest.mark.parametrize("column", [2, 5, 8])
def test_field_is_the_distance_to_the_ink(atlas, column):
    distance = (128 - atlas.field[..., column].astype(np.float32)) / 16
    nearest = distance.min(axis=-1)
    expected = atlas.left - (column + 0.5)  # to the box of the ink
    # Distances are stored up to 8; those beyond 2 are rounded to whole pixels.
    compared = (expected > 0) & (expected < 7)
    assert compared.sum() > 100
    error = (nearest - expected)[compared]
    assert error.min() > -0.7 and error.max() < 1.2
    assert abs(error.mean()) < 0.25


def test_weight_is_the_share_of_ink(atlas):
    ink = (atlas.field >= 128).sum(axis=(2, 3))
    box = (atlas.right - atlas.left) * (atlas.bottom - atlas.top)
    assert np.max(np.abs((ink / box).mean(axis=1) - atlas.weight)) < 0.06


def test_digits_of_a_face_differ(atlas):
    # A font without Latin digits would show the same sign for all.
    flat = (atlas.field >= 128).reshape(len(atlas.names), 10, -1)
    for i in range(10):
        for j in range(i):
            assert np.all((flat[:, i] != flat[:, j]).sum(axis=-1) >= 10)


def test_most_digits_are_in_one_piece(atlas):
    sample = atlas.field[::29].reshape(-1, glyphs.TILE, glyphs.TILE) >= 120
    assert np.mean([components(ink) == 1 for ink in sample]) > 0.95


def test_most_digits_resemble_the_same_digit_of_another_face(atlas):
    ink = (atlas.field >= 128).reshape(len(atlas.names), 10, -1).astype(np.float32)
    known = ink[::2].reshape(-1, ink.shape[-1])
    held = ink[1::2].reshape(-1, ink.shape[-1])
    gaps = (known**2).sum(axis=-1) - 2 * held @ known.T
    digits = np.arange(len(held)) % 10
    assert np.mean(gaps.argmin(axis=-1) % 10 == digits) > 0.96


def test_save_keeps_the_outline(tmp_path, atlas):
    shape = (2, 10, glyphs.TILE, glyphs.TILE)
    field = np.random.default_rng(3).integers(0, 256, shape).astype(np.uint8)
    path = tmp_path / "a.npz"
    glyphs.save(path, atlas._replace(field=field))
    with np.load(path) as arrays:
        kept = np.cumsum(arrays["field"], axis=-1, dtype=np.uint8).astype(int)
    # An eighth of a pixel near the outline, half a pixel elsewhere.
    error = np.abs(kept - field)
    near = np.abs(field.astype(int) - 128) < 32
    np.testing.assert_array_equal(kept >= 128, field >= 128)
    assert error[near].max() <= 2
    assert error.max() <= 8
