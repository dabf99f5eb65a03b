"""Which labelled images become records, and how the others are counted."""

import io
import os
import struct
import zlib

import h5py
import numpy as np
import pytest
from PIL import Image

from mtl.data.svhn import candidates, unpack
from mtl.data.svhn.skips import Skips
from mtl.errors import DataError
from tests.svhn_files import boxes, draw

GOOD = [
    ("1.png", boxes("7")),
    ("2.png", boxes("210")),
    ("3.png", []),
    ("4.png", [(10, -2, -3, 20, 50)]),
]


def read(directory, splits=("test",), seed=0):
    """Return dict split -> names, dict split -> Records, and the Skips of one folder."""
    skips = Skips()
    sources = [candidates.Source(str(directory), "")]
    found = candidates.read(sources, list(splits), seed, skips, lambda *done: None)
    names = {split: [candidate.name for candidate in found[split]] for split in found}
    made = {split: list(candidates.usable(found[split], split, skips)) for split in found}
    return names, made, skips


def report(skips):
    lines = []
    skips.report("test", lines.append)
    return lines


def bomb(path):
    """Write a PNG of 1 MB that claims 20,000 x 20,000 pixels, and decodes to 1.2 GB of zeros."""

    def chunk(kind, content):
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    deflate = zlib.compressobj(9)
    rows = bytes(60_001 * 20)
    # After a full flush the next part does not refer back, so it can be repeated.
    first = deflate.compress(rows) + deflate.flush(zlib.Z_FULL_FLUSH)
    again = deflate.compress(rows) + deflate.flush(zlib.Z_FULL_FLUSH)
    content = first + again * 999 + deflate.flush() + struct.pack(">I", 1)
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


BAD = {
    "10.png": ("labels outside 1 to 10", [(11, 1, 1, 5, 9)]),
    "11.png": ("labels outside 1 to 10", [(0, 1, 1, 5, 9)]),
    "12.png": ("too many boxes or too long a name", boxes("1" * 40)),
    "13.png": ("boxes outside the image", [(3, 100, 1, 5, 9)]),
    "14.png": ("boxes outside the image", [(4, -9, 1, 5, 9)]),
    "15.png": ("boxes without width or height", [(3, 4, 4, -3, 9)]),
    "16.png": ("boxes without width or height", [(3, 4, 4, 3, 0), (1, 8, 4, 3, 9)]),
    "17.png": ("missing images", boxes("5")),
    "18.png": ("unreadable images", boxes("6")),
    "19.png": ("unreadable images", boxes("8")),
    "20.png": ("unreadable images", boxes("9")),
    "21.png": ("unreadable images", boxes("9")),
    "22.png": ("images that are too large", boxes("9")),
    "1.png": ("repeated names", boxes("1")),
}


def test_unusable_images_are_counted_by_kind(tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "MAX_IMAGE", 3_000_000)
    test = tmp_path / "test"
    draw(test, [*GOOD, *((name, described) for name, (_, described) in BAD.items())])
    os.remove(test / "17.png")
    os.truncate(test / "18.png", os.path.getsize(test / "18.png") // 2)
    bomb(test / "19.png")
    assert os.path.getsize(test / "19.png") < 2_000_000
    os.remove(test / "20.png")
    os.mkfifo(test / "20.png")
    (test / "21.png").write_bytes(b"")
    os.truncate(test / "22.png", 3_000_001)
    _, made, skips = read(test)
    assert {record.name for record in made["test"]} == {name for name, _ in GOOD}
    kinds = [kind for kind, _ in BAD.values()]
    assert dict(skips.counts["test"]) == {kind: kinds.count(kind) for kind in kinds}
    for kind, line in zip(sorted(set(kinds)), report(skips), strict=True):
        head, example = line.rsplit(", the first: ", 1)
        assert head == f"test: {kinds.count(kind)} skipped: {kind}"
        assert any(name in example for name in BAD if BAD[name][0] == kind)
        assert "\n" not in line


def test_null_references_are_counted(tmp_path):
    draw(tmp_path / "test", GOOD)
    with h5py.File(tmp_path / "test" / "digitStruct.mat", "r+") as file:
        file["#refs#/b1/left"][2, 0] = h5py.Reference()
        file["digitStruct/bbox"][2, 0] = h5py.Reference()
    names, _, skips = read(tmp_path / "test")
    assert sorted(names["test"]) == ["1.png", "4.png"]
    first = "entry 2 (2.png): left is a null reference"
    assert report(skips) == [f"test: 2 skipped: null references, the first: {first}"]


def test_missing_labels_are_an_error(tmp_path):
    with pytest.raises(DataError, match="digitStruct.mat: no such file"):
        read(tmp_path)


# -- the bytes of a record -----------------------------------------------------------------------


def test_plain_image_is_kept_byte_for_byte(tmp_path):
    draw(tmp_path / "test", GOOD)
    Image.open(tmp_path / "test" / "2.png").convert("L").save(tmp_path / "test" / "2.png", "JPEG")
    _, made, skips = read(tmp_path / "test")
    assert not skips.counts["test"]
    for record in made["test"]:
        assert record.encoded == (tmp_path / "test" / record.name).read_bytes()
        assert (record.width, record.height) == (31, 17)


def save_turned(image, path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    image.resize((31, 17), box=(0, 0, 3, 2)).save(path, "JPEG", exif=exif, quality=100)


def save_bmp(image, path):
    image.save(path, "BMP")


def save_transparent(image, path):
    Image.merge("RGBA", (*image.split(), Image.new("L", image.size, 0))).save(path)


def save_16_bits(image, path):
    Image.fromarray(np.full((17, 31), 257 * 99, np.uint16)).save(path)


def turned(image):
    return np.rot90(np.asarray(image.resize((31, 17), box=(0, 0, 3, 2))), -1)


@pytest.mark.parametrize(
    "save, expected, tolerance",
    [
        (save_turned, turned, 20),
        (save_bmp, np.asarray, 0),
        (save_transparent, lambda image: np.full((17, 31, 3), 128), 0),
        (save_16_bits, lambda image: np.full((17, 31, 3), 99), 0),
    ],
)
def test_other_image_is_encoded_again_as_png(tmp_path, save, expected, tolerance):
    draw(tmp_path / "test", GOOD[:1])
    path = tmp_path / "test" / "1.png"
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    save(image, path)
    _, made, _ = read(tmp_path / "test")
    (record,) = made["test"]
    wanted = expected(image)
    with Image.open(io.BytesIO(record.encoded)) as kept:
        assert (kept.format, kept.mode) == ("PNG", "RGB")
        assert (record.height, record.width) == wanted.shape[:2]
        pixels = np.asarray(kept, int)
    np.testing.assert_allclose(pixels, wanted, rtol=0, atol=tolerance)


def test_broken_exif_is_ignored(tmp_path):
    draw(tmp_path / "test", GOOD[:1])
    path = tmp_path / "test" / "1.png"
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    image.save(path, "JPEG", exif=b"Exif\0\0MM\0*\0\0\xff\xff\xff\xff")
    _, made, _ = read(tmp_path / "test")
    assert [(record.width, record.height) for record in made["test"]] == [(31, 17)]


# -- order and splits ----------------------------------------------------------------------------


def test_order_and_validation_depend_on_names_and_seed(tmp_path):
    entries = [(f"{i}.png", boxes(str(i))) for i in range(1, 41)]
    splits = ["train", "validation"]
    draw(tmp_path / "train", entries)
    names, _, _ = read(tmp_path / "train", splits, seed=4)
    held_out = {name for name, _ in entries if zlib.crc32(name.encode(), 4) % 10 == 0}
    assert set(names["validation"]) == held_out
    assert sorted(names["train"] + names["validation"]) == sorted(name for name, _ in entries)
    draw(tmp_path / "fewer", entries[::-1][:30])
    fewer, _, _ = read(tmp_path / "fewer", splits, seed=4)
    for split in splits:
        assert fewer[split] == [name for name in names[split] if int(name[:-4]) > 10]
    assert read(tmp_path / "train", splits, seed=5)[0]["train"] != names["train"]
