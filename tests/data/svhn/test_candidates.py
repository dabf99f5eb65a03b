"""Which labelled pictures become records, and what is counted of the others."""

import io
import os
import struct
import zlib

import h5py
import numpy as np
import pytest
from PIL import Image

from mtl.data.svhn import archives, candidates
from mtl.errors import DataError
from tests.svhn_files import boxes, draw

GOOD = [
    ("1.png", boxes("7")),
    ("2.png", boxes("210")),
    ("3.png", []),
    ("4.png", [(10, -2, -3, 20, 50)]),
]


def read(directory, splits=("test",), seed=0):
    """Return (dict split -> names, dict split -> Records, Skips) of one directory."""
    skips = candidates.Skips()
    found = candidates.read(
        [candidates.Source(str(directory), "")], list(splits), seed, skips, lambda *done: None
    )
    made = {split: list(candidates.usable(chosen, split, skips)) for split, chosen in found.items()}
    return (
        {split: [candidate.name for candidate in chosen] for split, chosen in found.items()},
        made,
        skips,
    )


def bomb(path):
    """Write a PNG of 1 MB that claims 20,000 x 20,000 pixels, and decodes to 1.2 GB of zeros."""

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    deflate = zlib.compressobj(9)
    first = deflate.compress(bytes(60_001 * 20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    again = deflate.compress(bytes(60_001 * 20)) + deflate.flush(
        zlib.Z_FULL_FLUSH
    )  # needs nothing that came before
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    content = first + again * 999 + deflate.flush() + struct.pack(">I", 1)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", content)
        + chunk(b"IEND", b"")
    )


BAD = {
    "10.png": ("labels beyond 1 to 10", [(11, 1, 1, 5, 9)]),
    "11.png": ("labels beyond 1 to 10", [(0, 1, 1, 5, 9)]),
    "12.png": ("too many boxes, or too long a name", boxes("1" * 40)),
    "13.png": ("boxes outside the picture", [(3, 100, 1, 5, 9)]),
    "14.png": ("boxes outside the picture", [(4, -9, 1, 5, 9)]),
    "15.png": ("boxes without width or height", [(3, 4, 4, -3, 9)]),
    "16.png": ("boxes without width or height", [(3, 4, 4, 3, 0), (1, 8, 4, 3, 9)]),
    "17.png": ("pictures that are absent", boxes("5")),
    "18.png": ("pictures that cannot be read", boxes("6")),
    "19.png": ("pictures that cannot be read", boxes("8")),
    "20.png": ("pictures that cannot be read", boxes("9")),
    "21.png": ("pictures that cannot be read", boxes("9")),
    "22.png": ("pictures that are too large", boxes("9")),
    "1.png": ("pictures named twice", boxes("1")),
}


def test_what_cannot_be_used_is_counted_by_its_kind(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_PICTURE", 3_000_000)
    test = tmp_path / "test"
    draw(test, [*GOOD, *((name, described) for name, (_, described) in BAD.items())])
    os.remove(test / "17.png")
    whole = (test / "18.png").read_bytes()
    (test / "18.png").write_bytes(whole[: len(whole) // 2])
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
    said = []
    skips.report("test", said.append)
    for kind, line in zip(sorted(set(kinds)), said, strict=True):
        head, example = line.rsplit(", the first: ", 1)
        assert head == f"test: {kinds.count(kind)} skipped: {kind}"
        assert (
            any(name in example for name, (of_kind, _) in BAD.items() if of_kind == kind)
            and "\n" not in line
        )


def test_null_references_are_counted_and_the_first_is_named(tmp_path):
    draw(tmp_path / "test", GOOD)
    with h5py.File(tmp_path / "test" / "digitStruct.mat", "r+") as file:
        file["#refs#/b1/left"][2, 0] = h5py.Reference()
        file["digitStruct/bbox"][2, 0] = h5py.Reference()
    names, _, skips = read(tmp_path / "test")
    assert sorted(names["test"]) == ["1.png", "4.png"]
    assert dict(skips.counts["test"]) == {"null references": 2}
    said = []
    skips.report("test", said.append)
    first = "entry 2 (2.png): left is a null reference"
    assert said == [f"test: 2 skipped: null references, the first: {first}"]


def test_a_picture_is_kept_as_it_is(tmp_path):
    draw(tmp_path / "test", GOOD)
    Image.open(tmp_path / "test" / "2.png").convert("L").save(tmp_path / "test" / "2.png", "JPEG")
    _, made, skips = read(tmp_path / "test")
    assert not skips.counts["test"]
    for record in made["test"]:
        assert record.encoded == (tmp_path / "test" / record.name).read_bytes() and (
            record.width,
            record.height,
        ) == (31, 17)


def turned(picture, path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    picture.save(path, "JPEG", exif=exif, quality=100)


@pytest.mark.parametrize(
    "save, size, expected",
    [
        (turned, (17, 31), lambda picture: np.rot90(picture, -1)),
        (lambda picture, path: picture.save(path, "BMP"), (31, 17), np.asarray),
        (lambda picture, path: Image.merge("RGBA", (*picture.split(), Image.new("L", picture.size, 0))).save(path), (31, 17),
         lambda picture: np.full((17, 31, 3), 128)),
        (lambda picture, path: Image.fromarray(np.full((17, 31), 257 * 99, np.uint16)).save(path), (31, 17),
         lambda picture: np.full((17, 31, 3), 99)),
    ],
    ids=["turned", "bmp", "transparent", "16 bits"],
)  # fmt: skip
def test_what_other_decoders_would_see_otherwise_is_encoded_anew(tmp_path, save, size, expected):
    draw(tmp_path / "test", GOOD[:1])
    path = tmp_path / "test" / "1.png"
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    if save is turned:
        picture = picture.resize((31, 17), box=(0, 0, 3, 2))  # smooth, which JPEG keeps
    save(picture, path)
    _, made, _ = read(tmp_path / "test")
    (record,) = made["test"]
    with Image.open(io.BytesIO(record.encoded)) as kept:
        assert (
            kept.format == "PNG"
            and kept.mode == "RGB"
            and kept.size == (record.width, record.height) == size
        )
        difference = np.abs(np.asarray(kept, int) - np.asarray(expected(picture), int))
    assert difference.max() <= (0 if save is not turned else 20)


def test_broken_exif_is_passed_over(tmp_path):
    draw(tmp_path / "test", GOOD[:1])
    with Image.open(tmp_path / "test" / "1.png") as picture:
        picture.convert("RGB").save(
            tmp_path / "test" / "1.png", "JPEG", exif=b"Exif\0\0MM\0*\0\0\xff\xff\xff\xff"
        )
    _, made, _ = read(tmp_path / "test")
    assert [(record.width, record.height) for record in made["test"]] == [(31, 17)]


def test_order_and_validation_follow_from_names_and_seed(tmp_path):
    entries = [(f"{i}.png", boxes(str(i))) for i in range(1, 41)]
    draw(tmp_path / "train", entries)
    names, _, _ = read(tmp_path / "train", ["train", "validation"], seed=4)
    assert set(names["validation"]) == {
        name for name, _ in entries if zlib.crc32(name.encode(), 4) % 10 == 0
    }
    assert sorted(names["train"] + names["validation"]) == sorted(name for name, _ in entries)
    draw(tmp_path / "fewer", entries[::-1][:30])
    fewer, _, _ = read(tmp_path / "fewer", ["train", "validation"], seed=4)
    for split in ("train", "validation"):
        assert fewer[split] == [name for name in names[split] if int(name[:-4]) > 10]
    assert read(tmp_path / "train", ["train", "validation"], seed=5)[0]["train"] != names["train"]


def test_no_labels_at_all(tmp_path):
    with pytest.raises(DataError, match="digitStruct.mat: no such file"):
        read(tmp_path)
