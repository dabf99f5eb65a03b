"""The nastiest inputs: none takes more memory than is said here, or more than a few seconds. MB are beyond what lay there before."""

import os
import struct
import zlib

import h5py
import numpy as np
import pytest
from PIL import Image

from mtl.data import folder, images
from mtl.data.records import manifest
from tests.hostile import test_images, test_records
from tests.svhn_files import write_struct

SECONDS = 20  # on a machine that does other things as well

ENTRIES = [("1.png", [(5, 6, 2, 20, 11)]), ("2.png", [(2, 3, 4, 9, 12), (10, 12, 5, 8, 12)])]


def refused(taken, kind, path, most, *said):
    """Read a file that must be refused within `most` MB, by a line that says all of `said`."""
    answer = taken(kind, path, measured=True)
    assert answer["outcome"] == "refused" and answer["mb"] < most and answer["seconds"] < SECONDS, (
        answer
    )
    assert all(part in answer["told"] for part in said), answer


def test_the_reader_does_measure(reader, tmp_path):
    Image.new("RGB", (5000, 4000)).save(tmp_path / "large.png")
    answer = reader("picture", tmp_path / "large.png", True)
    assert (
        answer["outcome"] == "read" and 80 < answer["mb"] < 400
    )  # 20 million pixels of 4 bytes, and a copy


# -- pictures: refused by the header -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [8001, 20_000])
def test_a_bomb_is_a_small_png(taken, tmp_path, side):
    path, packer = tmp_path / "bomb.png", zlib.compressobj(9)
    body = (
        b"".join(packer.compress(bytes(1 + (side + 7) // 8)) for _ in range(side)) + packer.flush()
    )
    header = struct.pack(">2I5B", side, side, 1, 0, 0, 0, 0)
    chunks = [
        test_images.chunk(*parts) for parts in ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    assert path.stat().st_size < 400_000
    refused(taken, "picture", path, 20, "pixels", "scale it down")


@pytest.mark.parametrize(
    "make",
    [
        test_images.gif,
        test_images.tiff,
        test_images.bmp,
        test_images.png,
        test_images.webp,
        test_images.ppm,
    ],
)
@pytest.mark.parametrize("side", [8001, 16_000, 65_535])
def test_a_header_that_claims_gigabytes(taken, tmp_path, make, side):
    (tmp_path / "huge").write_bytes(make(side, side, 8, 0, 0))
    refused(taken, "picture", tmp_path / "huge", 20)


HEAD = (
    b"\x89PNG\r\n\x1a\n"
    + test_images.chunk(b"IHDR", struct.pack(">2I5B", 5, 5, 8, 2, 0, 0, 0))
    + b"\x7f\xff\xff\xff"
)


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"iTXt",
        HEAD + b"abCd",
        b"RIFF\xff\xff\xff\x7fWEBPVP8L",
        test_images.tiff(5, 5, 8, 1, 2**19 - 1),
        b"GIF89a" + bytes(7),
    ],
    ids=["PNG text", "PNG chunk", "WEBP", "TIFF tag", "GIF"],
)
def test_a_file_with_a_hole_of_gigabytes(taken, tmp_path, head):
    with open(tmp_path / "hole", "wb") as file:
        file.write(head)
        file.truncate(4 << 30)
    refused(taken, "picture", tmp_path / "hole", 20, f"larger than {images.MAX_BYTES // 10**6} MB")
    if head[:3] != b"GIF":  # which is looked through byte by byte, for half a minute
        os.truncate(tmp_path / "hole", images.MAX_BYTES)
        answer = taken("picture", tmp_path / "hole", measured=True)
        assert answer["mb"] < 2.2 * images.MAX_BYTES / 2**20 and answer["seconds"] < SECONDS


# -- digitStruct.mat ---------------------------------------------------------------------------------------------------------------


def replaced(name, make):
    """Return a damage that puts what make(file, name) writes in the place of a member."""

    def damage(file):
        del file[name]
        make(file, name)

    return damage


def referred(make, place="digitStruct/name"):
    """Return a damage that has the first reference of a data set lead to what make(file, name) writes."""

    def damage(file):
        make(file, "odd")
        file[place][0, 0] = file["odd"].ref

    return damage


def never_written(size):
    return lambda file, name: file.create_dataset(name, (size,), h5py.ref_dtype, chunks=(1024,))


def packed(file, name):
    """One value in a chunk of half a gigabyte, which is half a megabyte when it is packed."""
    file.create_dataset(
        name, (1,), np.uint16, maxshape=(None,), chunks=(2**28,), compression="gzip"
    )[0] = 65


def packed_beyond_what_it_says(file, name):
    """A chunk of 2000 bytes, by its shape, that unpacks to 60 MB."""
    odd = file.create_dataset(
        name, (5,), np.uint16, maxshape=(None,), chunks=(1000,), compression="gzip"
    )
    odd.id.write_direct_chunk((0,), zlib.compress(bytes(60 << 20), 9))


def packed_twice(file, name):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((1000,))
    plist.set_deflate(9)
    plist.set_deflate(9)
    space = h5py.h5s.create_simple((5,), (h5py.h5s.UNLIMITED,))
    odd = h5py.h5d.create(file.id, name.encode(), h5py.h5t.NATIVE_UINT16, space, plist)
    odd.write_direct_chunk((0,), zlib.compress(zlib.compress(bytes(300 << 20), 9)))


def long_text(file, name):
    file.create_dataset(name, (1,), "S1073741824")


def text_of_any_length(file, name):
    file.create_dataset(name, (1,), h5py.string_dtype())[0] = "1" * (100 << 20)


def external_array(file, name):
    file.create_dataset(
        name,
        (8,),
        np.uint16,
        external=[(os.path.join(os.path.dirname(file.filename), "pipe"), 0, 16)],
    )


def virtual_array(file, name):
    layout = h5py.VirtualLayout((5,), np.uint16)
    layout[:] = h5py.VirtualSource(
        os.path.join(os.path.dirname(file.filename), "pipe"), "odd", (5,)
    )
    file.create_virtual_dataset(name, layout)


def external_link(file, name):
    file[name] = h5py.ExternalLink(os.path.join(os.path.dirname(file.filename), "pipe"), "odd")


def huge_attribute(file):
    file["digitStruct"].attrs["text"] = "x" * 60_000
    label = file["#refs#/v1label0"]
    label.attrs["MATLAB_class"] = "x" * 60_000
    label[0, 0] = 11


STRUCTS = {
    "a trillion names": (replaced("digitStruct/name", never_written(2**40)), "values, but at most"),
    "a hundred million names": (
        replaced("digitStruct/name", never_written(2**27)),
        "values, but at most",
    ),
    "a hundred million boxes": (
        replaced("digitStruct/bbox", never_written(2**27)),
        "values, but at most",
    ),
    "a name in a huge chunk": (referred(packed), "an array in chunks of"),
    "a label in a huge chunk": (referred(packed, "#refs#/b1/label"), "an array in chunks of"),
    "a chunk that says less than it is": (
        referred(packed_beyond_what_it_says),
        "larger than it claims",
    ),
    "a label of such a chunk": (
        referred(packed_beyond_what_it_says, "#refs#/b1/label"),
        "larger than it claims",
    ),
    "a chunk packed twice": (referred(packed_twice), "compressed in another way"),
    "a name of a gigabyte": (referred(long_text), "values of the type"),
    "a name of any length": (referred(text_of_any_length), "values of the type"),
    "names of any length": (replaced("digitStruct/name", text_of_any_length), "values of the type"),
    "values in a pipe": (referred(external_array), "in another file"),
    "a label in a pipe": (referred(external_array, "#refs#/b1/label"), "in another file"),
    "a view of a pipe": (referred(virtual_array), "in another file"),
    "names in a pipe": (replaced("digitStruct/name", external_link), "link to another place"),
    "all of it in a pipe": (replaced("digitStruct", external_link), "link to another place"),
    "a part of a box in a pipe": (replaced("#refs#/b0/top", external_link), "link to another place"),
    "huge attributes": (huge_attribute, "the label 11"),
}


@pytest.mark.parametrize("name", STRUCTS)
def test_a_digitstruct_that_would_take_all_memory_or_wait_for_ever(taken, tmp_path, name):
    damage, said = STRUCTS[name]
    os.mkfifo(tmp_path / "pipe")
    write_struct(tmp_path / "digitStruct.mat", ENTRIES, damage)
    refused(taken, "digitstruct", tmp_path / "digitStruct.mat", 50, said)


def test_arrays_that_are_packed_as_matlab_does_are_read(taken, tmp_path):
    def damage(file):
        for name in ("digitStruct/name", "digitStruct/bbox"):
            values = file[name][()]
            del file[name]
            file.create_dataset(
                name, data=values, chunks=(1, 1), compression="gzip", shuffle=name.endswith("bbox")
            )
        file.create_dataset(
            "packed", data=np.array([[ord(c)] for c in "7.png"], np.uint16), compression="gzip"
        )
        file["digitStruct/name"][0, 0] = file["packed"].ref

    write_struct(tmp_path / "digitStruct.mat", ENTRIES, damage)
    assert taken("digitstruct", tmp_path / "digitStruct.mat")["told"] == 2


# -- records -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["records", "training"])
@pytest.mark.parametrize("length", [2**40, 2**33, 2**64 - 1, manifest.MAX_RECORD + 1])
def test_a_record_that_claims_a_terabyte(taken, tmp_path, kind, length):
    claim = length.to_bytes(8, "little")
    claim += test_records.framed(tmp_path, claim)[-4:]
    path = test_records.write(tmp_path, claim + bytes(300))
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size)
    refused(taken, kind, tmp_path, 50, f"{path}: record 0: claims {length} bytes")


def features(count, size):
    """Return a serialized Example of `count` features with names of `size` bytes and no values."""
    names = (f"{i:0{size}x}".encode() for i in range(count))
    entries = b"".join(b"\n" + bytes([size + 2]) + b"\n" + bytes([size]) + name for name in names)
    length, prefix = len(entries), b"\n"
    while length > 127:
        prefix, length = prefix + bytes([length & 127 | 128]), length >> 7
    return prefix + bytes([length]) + entries


@pytest.mark.parametrize("kind", ["records", "training"])
def test_a_record_of_a_million_features(taken, tmp_path, kind):
    path = test_records.write(tmp_path, test_records.framed(tmp_path, features(1_000_000, 5)), 1)
    refused(taken, kind, tmp_path, 300, f"{path}: record 0: 0 values of image/name")


# -- texts -------------------------------------------------------------------------------------------------------------------------


def long_line(path):
    with open(path, "wb") as file:
        file.write(b"file,label\n")
        file.truncate(200 << 20)


def zeros(path):
    os.symlink("/dev/zero", path)


TEXTS = {"labels.csv": ("labels", 1.2 * folder.MAX_BYTES), "manifest.json": ("manifest", 1.2 * manifest.MAX_BYTES),
         "a.flags": ("flagfile", 5 << 20), "md5.txt": ("checksums", 5 << 20)}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize(
    "make, said",
    [
        (long_line, "larger than"),
        (zeros, "not a file"),
        (os.mkfifo, "not a file"),
        (os.mkdir, "not a file"),
    ],
)
def test_a_text_without_end_or_without_beginning(taken, tmp_path, name, make, said):
    kind, most = TEXTS[name]
    make(tmp_path / name)
    answer = taken(
        kind, tmp_path if kind == "manifest" else tmp_path / name, tmp_path / name, measured=True
    )
    assert (
        answer["outcome"] == "refused"
        and answer["mb"] < 5 + most / 2**20
        and answer["seconds"] < 5
        and said in answer["told"]
    )


def test_lines_of_labels_take_little_more_than_they_are(taken, tmp_path):
    (tmp_path / "a").write_bytes(b"")
    size = folder.MAX_BYTES // 16  # for looking whether each file is there takes its time
    (tmp_path / "labels.csv").write_bytes(
        b"file,label\n" + b"a,\n" * (size // 3)
    )  # the shortest lines there are
    answer = taken("labels", tmp_path / "labels.csv", measured=True)
    assert answer["outcome"] == "read" and answer["mb"] < 70 * size / 2**20, answer


@pytest.mark.parametrize(
    "part", [b"[],", b"{},", b"[" * 9, b'{"":' * 9, b'"\xc3\xbc",', b"9,", b'{"%d":1},']
)
def test_the_largest_manifest_that_is_read(taken, tmp_path, part):
    content = b"[" + part * ((manifest.MAX_BYTES - 9) // len(part)) + b"1]"
    (tmp_path / "manifest.json").write_bytes(content)
    refused(taken, "manifest", tmp_path, 300, "damaged")
