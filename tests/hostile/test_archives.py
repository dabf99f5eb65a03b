"""Archives with any damage beneath the compression, and headers without end: nothing is left where one is refused, nothing lies outside."""

import gzip
import io
import os
import tarfile
from collections import Counter

import pytest
from hypothesis import given, strategies as st

from tests.mutations import damaged, quick

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
    block[482] = extended  # of a sparse member: its map goes on in the next block
    return mended(bytes(block))


def mended(data):
    """Write the checksums of headers anew, so that damage gets past them."""
    data = bytearray(data)
    for at in range(0, len(data) - 511, 512):
        if data[at + 257 : at + 262] == b"ustar":
            data[at + 148 : at + 156] = b"%06o\0 " % (
                sum(data[at : at + 148]) + 8 * 32 + sum(data[at + 156 : at + 512])
            )
    return bytes(data)


def unpacked(taken, directory, data):
    """Unpack a tar file; returns the answer. It leaves the folder that was asked for, or nothing."""
    path = directory / "train.tar.gz"
    path.write_bytes(gzip.compress(data, 1))
    answer = taken("archive", path, measured=len(data) > 10**6)
    left = sorted(
        os.path.relpath(os.path.join(above, name), directory)
        for above, _, names in os.walk(directory)
        for name in names
    )
    inside = [name for name in left if name.startswith(f"train.tar.gz.out{os.sep}train{os.sep}")]
    assert left == sorted(["train.tar.gz", *inside]) and bool(inside) == (
        answer["outcome"] == "read"
    )
    return answer


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_no_damage_makes_it_crash_or_leave_its_folder(tmp_path_factory, taken, form):
    seen = Counter()

    @quick(100)
    @given(damaged(plain(form)), st.booleans())
    def property(data, mend):
        seen[
            unpacked(taken, tmp_path_factory.mktemp("archive"), mended(data) if mend else data)[
                "outcome"
            ]
        ] += 1

    property()
    assert min(seen["read"], seen["refused"]) > 10


def pax(**records):
    """Return the member that says something about the next one."""
    body = b""
    for name, value in records.items():
        line = f" {name.replace('_', '.')}={value}\n"
        body += f"{next(n for n in range(999) if len(str(n)) + len(line) == n)}{line}".encode()
    return header("x", tarfile.XHDTYPE, len(body)) + body.ljust(512, b"\0")


MAP = {
    "GNU.sparse.name": "train/1.png",
    "GNU.sparse.realsize": 10 << 30,
    "GNU.sparse.size": 10 << 30,
}
SPARSE = {"GNU.sparse.major": 1, "GNU.sparse.minor": 0, **MAP}
ENDLESS = {
    "long names": 3000 * (header("x", tarfile.GNUTYPE_LONGNAME, 5) + b"name\0".ljust(512, b"\0")),
    "records about the next member": 3000 * pax(path="ab"),
    "a sparse member": header("train/1.png", tarfile.GNUTYPE_SPARSE, 5),
    "a map of holes": header("train/1.png", tarfile.GNUTYPE_SPARSE, 5, True)
    + 50_000 * ((b"00000000001\0" * 42)[:504] + b"\1" + bytes(7)),
    "a map of holes in the member": pax(**SPARSE)
    + header("train/1.png", tarfile.REGTYPE, 512)
    + b"99999999\n"
    + b"1\n" * 10**7,
    "a map of holes in the records": pax(**MAP, **{"GNU.sparse.map": "0,5"})
    + header("train/1.png", tarfile.REGTYPE, 5)
    + b"x" * 512,
}


@pytest.mark.parametrize("name", ENDLESS)
def test_what_has_no_end_is_refused_at_once(tmp_path, taken, name):
    answer = unpacked(taken, tmp_path, ENDLESS[name])
    assert answer["outcome"] == "refused" and answer["mb"] < 50 and answer["seconds"] < 3
