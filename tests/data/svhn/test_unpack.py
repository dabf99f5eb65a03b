"""What is unpacked of an archive, and how attacks end."""

import gzip
import io
import os
import random
import tarfile

import pytest

from mtl.data.svhn import unpack
from mtl.errors import DataError

GOOD = {
    "train/1.png": b"one",
    "train/2345678.png": b"two" * 1000,
    "train/digitStruct.mat": b"struct",
    "train/see_bboxes.m": b"%",
}
UNPACKED = {f"out/{name}": content for name, content in GOOD.items()}


def info(name, **fields):
    member = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(member, field, value)
    return member


def members(contents):
    """Return (TarInfo, bytes) for each item of a dict name -> bytes."""
    return [(info(name, size=len(content)), content) for name, content in contents.items()]


def tar(listed, compress=True):
    """Return the bytes of an archive; listed: list of (TarInfo, bytes)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz" if compress else "w") as archive:
        for member, content in listed:
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def run(tmp_path, content):
    """Unpack an archive of these bytes; return the lines it reported, and the files of `files`."""
    (tmp_path / "in").mkdir(exist_ok=True)
    path = tmp_path / "in" / "train.tar.gz"
    path.write_bytes(content)
    said = []
    unpack.unpack(str(path), "train", str(tmp_path / "out"), said.append, lambda *done: None)
    return said, files(tmp_path)


def files(tmp_path):
    """Return dict path -> bytes of all files but the archive."""
    found = [path for path in tmp_path.rglob("*") if path.is_file()]
    contents = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in found}
    contents.pop("in/train.tar.gz", None)
    return contents


def refused(tmp_path, content):
    """Return the error of an archive that must leave nothing behind."""
    with pytest.raises(DataError) as caught:
        run(tmp_path, content)
    assert "\n" not in str(caught.value)
    assert "train.tar.gz: " in str(caught.value)
    assert files(tmp_path) == {}
    assert os.listdir(tmp_path) == ["in"]
    return str(caught.value)


@pytest.mark.parametrize("prefix", ["", "./"])
def test_unpacks_images_and_labels(tmp_path, prefix):
    listed = [(info(f"{prefix}train", type=tarfile.DIRTYPE, mode=0o700), b"")]
    for name, content in GOOD.items():
        listed.append((info(prefix + name, size=len(content), mode=0o000), content))
    assert run(tmp_path, tar(listed)) == ([], UNPACKED)


def test_replaces_what_an_interrupted_run_left(tmp_path):
    (tmp_path / "out.unfinished" / "train").mkdir(parents=True)
    (tmp_path / "out.unfinished" / "train" / "9.png").write_bytes(b"old")
    assert run(tmp_path, tar(members(GOOD)))[1] == UNPACKED


def test_skips_and_counts_other_files(tmp_path):
    names = [".DS_Store", "train/._1.png", "train/12345678.png", "train/deep/1.png", "test/1.png"]
    said, found = run(tmp_path, tar(members({**GOOD, **dict.fromkeys(names, b"x")})))
    assert found == UNPACKED
    assert len(said) == 1
    assert "5 files skipped" in said[0] and ".DS_Store" in said[0]


@pytest.mark.parametrize(
    "member",
    [
        info("train/1.png", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        info("train", type=tarfile.SYMTYPE, linkname="/tmp"),
        info("train/1.png", type=tarfile.LNKTYPE, linkname="train/digitStruct.mat"),
        info("train/1.png", type=tarfile.FIFOTYPE),
        info("train/1.png", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        info("train/../../x.png"),
        info("../train/1.png"),
        info(".."),
        info("/train/1.png"),
        info("/tmp/1.png"),
        info("..\\1.png"),
        info("C:/1.png"),
    ],
    ids=lambda member: f"{member.type.decode()}:{member.name}",
)
def test_rejects_links_devices_and_paths_outside(tmp_path, member):
    message = refused(tmp_path, tar([(info("train/digitStruct.mat", size=1), b"x"), (member, b"")]))
    assert repr(member.name) in message


@pytest.mark.parametrize("again", ["train/1.png", "./train/1.png", "train/digitStruct.mat"])
def test_rejects_a_repeated_member(tmp_path, again):
    message = refused(tmp_path, tar([*members(GOOD), (info(again, size=5), b"other")]))
    assert f"the member {again!r} occurs twice" in message


def test_accepts_repeated_folders_and_other_files(tmp_path):
    other = [(info("train", type=tarfile.DIRTYPE), b""), (info("train/.DS_Store", size=1), b"x")]
    said, found = run(tmp_path, tar([*other, *members(GOOD), *other]))
    assert found == UNPACKED
    assert "2 files" in said[0]


@pytest.mark.parametrize(
    "limit, value, accepted, named",
    [
        ("MAX_MEMBERS", 3, 4, "more than 3 members"),
        ("MAX_IMAGE", 2999, 3000, "2345678.png' of 3000 bytes"),
        ("MAX_STRUCT", 5, 6, "of 6 bytes"),
        ("MAX_BYTES", 3003, 3013, "of 6 bytes"),
    ],
)
def test_checks_limits_before_writing(tmp_path, monkeypatch, limit, value, accepted, named):
    monkeypatch.setattr(unpack, limit, value)
    assert named in refused(tmp_path, tar(members(GOOD)))
    monkeypatch.setattr(unpack, limit, accepted)
    assert run(tmp_path, tar(members(GOOD)))[1] == UNPACKED


def test_rejects_a_member_that_claims_gigabytes(tmp_path):
    plain = bytearray(tar(members({"train/1.png": b"x"}), compress=False))
    plain[124:136] = b"%011o\0" % ((1 << 33) - 1)
    plain[148:156] = b"%06o\0 " % (sum(plain[:148]) + 8 * 32 + sum(plain[156:512]))
    assert "of 8589934591 bytes" in refused(tmp_path, gzip.compress(bytes(plain)))


@pytest.mark.parametrize(
    "kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK]
)
def test_rejects_a_header_that_claims_gigabytes(tmp_path, kind):
    header = info("x", type=kind, size=6 << 30).tobuf(tarfile.GNU_FORMAT)
    message = refused(tmp_path, gzip.compress(header + bytes(1 << 20)))
    assert "a header of 6442450944 bytes" in message


def test_accepts_a_header_longer_than_a_block(tmp_path):
    long_name = f"{'long/' * 90}train.txt"
    assert run(tmp_path, tar(members({**GOOD, long_name: b"?"})))[1] == UNPACKED


def test_rejects_damaged_archives(tmp_path):
    whole = tar(members({**GOOD, "train/1.png": random.Random(5).randbytes(50_000)}))
    cut = [whole[:1000], whole[:-5], whole[: len(whole) // 2]]
    for damaged in (b"", b"no archive", gzip.compress(b"no tar" * 500), *cut):
        message = refused(tmp_path, damaged)
        assert "damaged" in message or "is missing" in message
    flipped = bytearray(whole)
    flipped[25_000] ^= 255
    assert "damaged" in refused(tmp_path, bytes(flipped))


def test_rejects_an_archive_without_labels(tmp_path):
    of_test = {name.replace("train", "test"): content for name, content in GOOD.items()}
    for contents in ({"train/1.png": b"x"}, of_test):
        message = refused(tmp_path, tar(members(contents)))
        assert "train/digitStruct.mat is missing" in message
