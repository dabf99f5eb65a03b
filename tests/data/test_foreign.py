"""Files that are no readable images are named by their content, and else by their extension."""

import io

import numpy as np
import pytest
from PIL import Image

from mtl.data import folder, foreign, images
from mtl.errors import DataError

FTYP = b"\0\0\0\x18ftyp"
SVG = '<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="http://www.w3.org/2000/svg"/>'

# The first bytes of a file, and a part of what it is called.
CONTENTS = [
    (FTYP + b"heic\0\0\0\0mif1heic", "a HEIC image"),
    (FTYP + b"mif1\0\0\0\0mif1heic", "a HEIC image"),
    (FTYP + b"avif\0\0\0\0avifmif1", "an AVIF image"),
    (FTYP + b"crx \0\0\0\x01crx isom", "a raw camera file"),
    (FTYP + b"qt  \0\0\0\0qt  ", "a video"),
    (FTYP + b"isom\0\0\x02\0isomiso2", "a video"),
    (b"RIFF\x24\0\0\0AVI LIST", "a video"),
    (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01", "a video"),
    (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF document"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n", "a PostScript document"),
    (b"8BPS\0\x01\0\0\0\0\0\0", "a Photoshop image"),
    (b"\xff\x0a\xfa\x7f\x01\x90\x08\x06", "a JPEG XL image"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 image"),
    (b"PK\x03\x04\x14\0\0\0\x08\0", "an archive"),
    (b"\x1f\x8b\x08\0\0\0\0\0", "an archive"),
    (SVG.encode(), "an SVG image"),
    (b"\xef\xbb\xbf" + SVG.encode(), "an SVG image"),
    (b"\n<!DOCTYPE html>\n<title>404</title>", "a web page (HTML)"),
    (b"<html><body><svg/></body></html>", "a web page (HTML)"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d", "a pointer of Git LFS"),
    (b"file,label\r\n1.png,210\r\n", "a text file"),
    ("Größe\n".encode(), "a text file"),
    ("图画".encode()[:5], "a text file"),  # cut within a character
]


@pytest.mark.parametrize("head, what", CONTENTS)
def test_content_names_the_kind_whatever_the_extension(head, what):
    found = foreign.kind(head, "photo.jpg")
    assert found.what.startswith(what)
    assert found.what.endswith(("which cannot be read", "not an image", "not the image"))


@pytest.mark.parametrize("head, what", CONTENTS)
def test_image_with_such_content_is_rejected_with_its_kind(tmp_path, head, what):
    path = tmp_path / "photo.jpg"
    path.write_bytes(head)
    with pytest.raises(DataError) as from_path:
        images.read(str(path))
    with pytest.raises(DataError) as from_memory:
        images.read(str(path), io.BytesIO(head))
    assert str(from_path.value) == str(from_memory.value)
    assert str(from_path.value).startswith(f"{path}: {what}")
    assert "; " in str(from_path.value)


@pytest.mark.parametrize(
    "path, what",
    [
        ("a/IMG_1.HEIC", "a HEIC image"),
        ("b.heif", "a HEIC image"),
        ("c.avif", "an AVIF image"),
        ("d.pdf", "a PDF document"),
        ("e.svgz", "an SVG image"),
        ("f.MOV", "a video"),
        ("g.nef", "a raw camera file"),
    ],
)
def test_extension_names_the_kind_of_unknown_content(path, what):
    assert foreign.kind(b"\x00\x93\xfe\x07", path).what.startswith(what)
    assert foreign.kind(b"file,label\n", path) is foreign.TEXT


@pytest.mark.parametrize("path", ["a.jpg", "a", ".heic", "a.heic.png", "heic"])
def test_unknown_content_and_extension_have_no_kind(path):
    assert foreign.kind(b"\x00\x93\xfe\x07", path) is None
    assert foreign.kind(b"", path) is None


def test_image_is_read_whatever_its_extension(tmp_path):
    pixels = np.full((4, 6, 3), 9, np.uint8)
    for name in ("a.heic", "b.pdf", "c.txt"):
        Image.fromarray(pixels).save(tmp_path / name, "PNG")
        np.testing.assert_array_equal(np.asarray(images.read(str(tmp_path / name))), pixels)


def test_raw_file_is_rejected_instead_of_reading_its_thumbnail(tmp_path):
    path = tmp_path / "IMG_1.NEF"
    Image.new("RGB", (160, 120)).save(path, "TIFF")
    with pytest.raises(DataError, match=r"IMG_1\.NEF: a raw camera file, .*; export it as JPEG"):
        images.read(str(path))


def test_dataset_of_a_folder_names_the_line_and_the_kind(tmp_path):
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "1.jpg").write_bytes(FTYP + b"heic\0\0\0\0mif1heic")
    (tmp_path / "test" / "labels.csv").write_text("file,label\n1.jpg,210\n")
    with pytest.raises(DataError, match=r"labels\.csv line 2: .*1\.jpg: a HEIC image, which"):
        folder.load(str(tmp_path), "test")
