"""Archives with damage below the compression, and endless headers.

A rejected archive leaves nothing, and nothing is written outside its folder.
"""

import gzip
import io
import os
import tarfile
from collections import Counter

import pytest
from hypothesis import given, strategies as st

from tests.mutations import damaged, quick

pytestmark = pytest.mark.slow

CONTENT = {
    "train/1.png": b"x" * 700,
    "train/digitStruct.mat": b"y" * 10,
    "train/" + "l" * 90 + "/2.png": b"z",
    "train/ü.txt": b"?",
}


def plain(form):
    """Return a tar file of CONTENT."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, content in CONTENT.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def header(name, kind, size, extended=False):
    """Return the header of a member."""
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    block = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    block[482] = extended  # the map of a sparse member continues in the next block
    return with_checksums(bytes(block))


def with_checksums(data):
    """Correct the checksums of all headers, so that damage is not found by them."""
    data = bytearray(data)
    for at in range(0, len(data) - 511, 512):
        if data[at + 257 : at + 262] == b"ustar":
            data[at + 148 : at + 156] = b" " * 8  # the checksum counts as spaces
            data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    return bytes(data)


def unpacked(read, directory, data):
    """Unpack a tar file; return the answer. It must leave the given folder or nothing."""
    path = directory / "train.tar.gz"
    path.write_bytes(gzip.compress(data, 1))
    answer = read("archive", path, measured=len(data) > 10**6)
    left = sorted(
        os.path.relpath(os.path.join(above, name), directory)
        for above, _, names in os.walk(directory)
        for name in names
    )
    inside = [name for name in left if name.startswith(f"train.tar.gz.out{os.sep}train{os.sep}")]
    assert left == sorted(["train.tar.gz", *inside])
    assert bool(inside) == (answer["outcome"] == "read")
    return answer


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_damaged_archive_is_unpacked_inside_its_folder_or_rejected(tmp_path_factory, read, form):
    seen = Counter()

    @quick(100)
    @given(damaged(plain(form)), st.booleans())
    def check(data, correct):
        directory = tmp_path_factory.mktemp("archive")
        answer = unpacked(read, directory, with_checksums(data) if correct else data)
        seen[answer["outcome"]] += 1

    check()
    assert min(seen["read"], seen["rejected"]) > 10


def pax(**records):
    """Return the member with extended attributes of the next one."""
    body = b""
    for name, value in records.items():
        line = f" {name.replace('_', '.')}={value}\n"
        # A line begins with its own length, including the digits of the length.
        length = next(n for n in range(999) if len(str(n)) + len(line) == n)
        body += f"{length}{line}".encode()
    return header("x", tarfile.XHDTYPE, len(body)) + body.ljust(512, b"\0")


MAP = {
    "GNU.sparse.name": "train/1.png",
    "GNU.sparse.realsize": 10 << 30,
    "GNU.sparse.size": 10 << 30,
}
SPARSE = {"GNU.sparse.major": 1, "GNU.sparse.minor": 0, **MAP}
ENDLESS = {
    "long names": 3000 * (header("x", tarfile.GNUTYPE_LONGNAME, 5) + b"name\0".ljust(512, b"\0")),
    "extended attributes": 3000 * pax(path="ab"),
    "a sparse member": header("train/1.png", tarfile.GNUTYPE_SPARSE, 5),
    "a map of holes": header("train/1.png", tarfile.GNUTYPE_SPARSE, 5, True)
    + 50_000 * ((b"00000000001\0" * 42)[:504] + b"\1" + bytes(7)),
    "a map of holes in the member": pax(**SPARSE)
    + header("train/1.png", tarfile.REGTYPE, 512)
    + b"99999999\n"
    + b"1\n" * 10**7,
    "a map of holes in the attributes": pax(**MAP, **{"GNU.sparse.map": "0,5"})
    + header("train/1.png", tarfile.REGTYPE, 5)
    + b"x" * 512,
}


@pytest.mark.parametrize("name", ENDLESS)
def test_endless_header_is_rejected_at_once(tmp_path, read, name):
    answer = unpacked(read, tmp_path, ENDLESS[name])
    assert answer["outcome"] == "rejected"
    assert answer["mb"] < 50
    assert answer["seconds"] < 3
