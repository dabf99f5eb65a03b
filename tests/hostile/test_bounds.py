"""The memory and the time that the worst files take. MB are in addition to the process before."""

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from mtl.data import folder, image_files
from mtl.data.records import manifest
from tests.hostile.headers import MAKERS, tiff
from tests.hostile.shards import framed, write
from tests.hostile.structs import STRUCTS
from tests.image_files import PNG_SIGNATURE, png_chunk
from tests.svhn_files import write_struct

pytestmark = pytest.mark.slow

SECONDS = 20  # on a busy machine

ENTRIES = [("1.png", [(5, 6, 2, 20, 11)]), ("2.png", [(2, 3, 4, 9, 12), (10, 12, 5, 8, 12)])]


def rejected(read, kind, path, most, *parts):
    """Read a file that must be rejected within `most` MB, by an error with all of `parts`."""
    answer = read(kind, path, measured=True)
    assert answer["outcome"] == "rejected", answer
    assert answer["mb"] < most, answer
    assert answer["seconds"] < SECONDS, answer
    assert all(part in answer["result"] for part in parts), answer


def test_reader_measures_memory(reader, tmp_path):
    Image.new("RGB", (5000, 4000)).save(tmp_path / "large.png")
    answer = reader("image", tmp_path / "large.png", True)
    assert answer["outcome"] == "read"
    assert 80 < answer["mb"] < 400  # 20 million pixels of 4 bytes, and a copy


# -- images, rejected by the header ----------------------------------------------------------------


@pytest.mark.parametrize("side", [8001, 20_000])
def test_small_png_with_too_many_pixels_is_rejected(read, tmp_path, side):
    packer = zlib.compressobj(9)
    line = bytes(1 + (side + 7) // 8)
    body = b"".join(packer.compress(line) for _ in range(side)) + packer.flush()
    header = struct.pack(">2I5B", side, side, 1, 0, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", body) + png_chunk(b"IEND", b"")
    path = tmp_path / "bomb.png"
    path.write_bytes(PNG_SIGNATURE + chunks)
    assert path.stat().st_size < 400_000
    rejected(read, "image", path, 20, "pixels", "scale it down")


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("side", [8001, 16_000, 65_535])
def test_header_that_claims_gigabytes_is_rejected(read, tmp_path, make, side):
    (tmp_path / "huge").write_bytes(make(side, side, 8, 0, 0))
    rejected(read, "image", tmp_path / "huge", 20)


PNG_HEAD = PNG_SIGNATURE + png_chunk(b"IHDR", struct.pack(">2I5B", 5, 5, 8, 2, 0, 0, 0))
HEADS = {
    "PNG text": PNG_HEAD + b"\x7f\xff\xff\xffiTXt",
    "PNG chunk": PNG_HEAD + b"\x7f\xff\xff\xffabCd",
    "WEBP": b"RIFF\xff\xff\xff\x7fWEBPVP8L",
    "TIFF tag": tiff(5, 5, 8, 1, 2**19 - 1),
    "GIF": b"GIF89a" + bytes(7),
}


@pytest.mark.parametrize("kind", HEADS)
def test_sparse_file_of_gigabytes_is_rejected(read, tmp_path, kind):
    path = tmp_path / "sparse"
    with open(path, "wb") as file:
        file.write(HEADS[kind])
        file.truncate(4 << 30)
    rejected(read, "image", path, 20, f"larger than {image_files.MAX_BYTES // 10**6} MB")
    if kind != "GIF":  # Pillow searches it byte by byte, for half a minute
        os.truncate(path, image_files.MAX_BYTES)
        answer = read("image", path, measured=True)
        assert answer["mb"] < 2.2 * image_files.MAX_BYTES / 2**20
        assert answer["seconds"] < SECONDS


# -- digitStruct.mat -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STRUCTS)
def test_hostile_digitstruct_is_rejected(read, tmp_path, name):
    damage, reason = STRUCTS[name]
    os.mkfifo(tmp_path / "pipe")
    write_struct(tmp_path / "digitStruct.mat", ENTRIES, damage)
    rejected(read, "digitstruct", tmp_path / "digitStruct.mat", 50, reason)


def test_arrays_compressed_like_matlab_are_read(read, tmp_path):
    def damage(file):
        for name, shuffle in (("digitStruct/name", False), ("digitStruct/bbox", True)):
            values = file[name][()]
            del file[name]
            options = {"chunks": (1, 1), "compression": "gzip", "shuffle": shuffle}
            file.create_dataset(name, data=values, **options)
        characters = np.array([[ord(character)] for character in "7.png"], np.uint16)
        file.create_dataset("packed", data=characters, compression="gzip")
        file["digitStruct/name"][0, 0] = file["packed"].ref

    write_struct(tmp_path / "digitStruct.mat", ENTRIES, damage)
    assert read("digitstruct", tmp_path / "digitStruct.mat")["result"] == 2


# -- records ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["records", "training"])
@pytest.mark.parametrize("length", [2**40, 2**33, 2**64 - 1, manifest.MAX_RECORD + 1])
def test_record_that_claims_a_terabyte_is_rejected(read, tmp_path, kind, length):
    claim = length.to_bytes(8, "little")
    # Behind a record of these eight bytes, TensorFlow writes their checksum.
    claim += framed(tmp_path, claim)[-4:]
    path = write(tmp_path, claim + bytes(300))
    rejected(read, kind, tmp_path, 50, f"{path}: record 0: claims {length} bytes")


def many_features(count, size):
    """Return a serialized Example of `count` features without values; size: of their names."""
    names = (f"{i:0{size}x}".encode() for i in range(count))
    entries = b"".join(b"\n" + bytes([size + 2]) + b"\n" + bytes([size]) + name for name in names)
    # The length as protobuf's varint: seven bits a byte, the lowest first.
    length, prefix = len(entries), b"\n"
    while length > 127:
        prefix += bytes([length & 127 | 128])
        length >>= 7
    return prefix + bytes([length]) + entries


@pytest.mark.parametrize("kind", ["records", "training"])
def test_record_of_a_million_features_is_rejected(read, tmp_path, kind):
    path = write(tmp_path, framed(tmp_path, many_features(1_000_000, 5)), 1)
    rejected(read, kind, tmp_path, 300, f"{path}: record 0: 0 values of image/name")


# -- text files ------------------------------------------------------------------------------------


def long_line(path):
    with open(path, "wb") as file:
        file.write(b"file,label\n")
        file.truncate(200 << 20)


def zeros(path):
    os.symlink("/dev/zero", path)


TEXTS = {  # name: (kind, the most bytes of memory)
    "labels.csv": ("labels", 1.2 * folder.MAX_BYTES),
    "manifest.json": ("manifest", 1.2 * manifest.MAX_BYTES),
    "a.flags": ("flagfile", 5 << 20),
    "md5.txt": ("checksums", 5 << 20),
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize(
    "make, reason",
    [
        (long_line, "larger than"),
        (zeros, "not a file"),
        (os.mkfifo, "not a file"),
        (os.mkdir, "not a file"),
    ],
)
def test_endless_text_is_rejected(read, tmp_path, name, make, reason):
    kind, most = TEXTS[name]
    make(tmp_path / name)
    path = tmp_path if kind == "manifest" else tmp_path / name
    answer = read(kind, path, tmp_path / name, measured=True)
    assert answer["outcome"] == "rejected"
    assert answer["mb"] < 5 + most / 2**20
    assert answer["seconds"] < 5
    assert reason in answer["result"]


def test_memory_for_the_shortest_lines_of_labels_is_limited(read, tmp_path):
    (tmp_path / "a").write_bytes(b"")
    size = folder.MAX_BYTES // 16  # a part: each file is checked, which takes time
    (tmp_path / "labels.csv").write_bytes(b"file,label\n" + b"a,\n" * (size // 3))
    answer = read("labels", tmp_path / "labels.csv", measured=True)
    assert answer["outcome"] == "read", answer
    assert answer["mb"] < 70 * size / 2**20, answer


@pytest.mark.parametrize(
    "part", [b"[],", b"{},", b"[" * 9, b'{"":' * 9, b'"\xc3\xbc",', b"9,", b'{"%d":1},']
)
def test_memory_for_the_largest_manifest_is_limited(read, tmp_path, part):
    content = b"[" + part * ((manifest.MAX_BYTES - 9) // len(part)) + b"1]"
    (tmp_path / "manifest.json").write_bytes(content)
    rejected(read, "manifest", tmp_path, 300, "damaged")
