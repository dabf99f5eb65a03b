"""Images with any damage, and headers with any values."""

from collections import Counter

import pytest
from hypothesis import given, strategies as st

from mtl.data import images
from tests.hostile.headers import MAKERS, encoded, webp
from tests.mutations import damaged, quick

pytestmark = pytest.mark.slow

WHOLE = {kind: encoded(kind) for kind in images.FORMATS}
WHOLE |= {
    "PNG with a palette": encoded("PNG", "P"),
    "PNG with alpha": encoded("PNG", "LA"),
    "PNG of 16 bits": encoded("PNG", "I;16"),
    "TIFF in CMYK": encoded("TIFF", "CMYK"),
    "TIFF of floats": encoded("TIFF", "F"),
    "JPEG in CMYK": encoded("JPEG", "CMYK"),
    "WEBP with alpha": encoded("WEBP", "RGBA"),
    "BMP with a palette": encoded("BMP", "P"),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_damaged_image_is_read_or_rejected(tmp_path, read, kind):
    path, seen = tmp_path / "image.png", Counter()  # the extension does not decide the format

    @quick(60)
    @given(damaged(WHOLE[kind]))
    def check(data):
        path.write_bytes(data)
        seen[read("image", path)["outcome"]] += 1

    assert read("image", path.parent / "none.png")["outcome"] == "rejected"
    path.write_bytes(WHOLE[kind])
    assert read("image", path)["result"] == [9, 7]
    check()
    assert seen["rejected"] > 5


SIDES = (
    st.integers(0, 2**32 - 1) | st.integers(0, 40) | st.sampled_from([8000, 8001, 20_000, 65_535])
)


def test_any_header_is_read_or_rejected(tmp_path, read):
    path, seen = tmp_path / "image.jpg", Counter()

    @quick(400)
    @given(
        make=st.sampled_from(MAKERS),
        width=SIDES,
        height=SIDES,
        depth=st.sampled_from([1, 2, 4, 8, 16, 24, 32, 3]),
        colour=st.integers(0, 7),
        tail=st.integers(0, 2000) | st.integers(0, 2**20),
    )
    def check(make, width, height, depth, colour, tail):
        path.write_bytes(make(width, height, depth, colour, tail))
        seen[read("image", path)["outcome"]] += 1

    check()
    assert min(seen["read"], seen["rejected"]) > 5


@pytest.mark.parametrize("width, height", [(0, 5), (5, 0), (0, 0)])
def test_image_without_pixels_is_rejected(tmp_path, read, width, height):
    for make in MAKERS:
        (tmp_path / "empty").write_bytes(make(width, height, 8, 2, 50))
        answer = read("image", tmp_path / "empty")
        assert answer["outcome"] == "rejected" or make is webp  # WEBP stores the size minus 1
