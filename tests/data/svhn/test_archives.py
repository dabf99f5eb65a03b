"""Archives: what is accepted, what is unpacked, and what attacks end in."""

import gzip
import hashlib
import io
import os
import random
import re
import tarfile

import pytest

from mtl.data.svhn import archives
from mtl.errors import DataError
from tests.served import serve

GOOD = {
    "train/1.png": b"one",
    "train/2345678.png": b"two" * 1000,
    "train/digitStruct.mat": b"struct",
    "train/see_bboxes.m": b"%",
}


def tar(members, *, compress=True):
    """Return the bytes of a .tar.gz; members: dict name -> bytes, or list of (TarInfo, bytes)."""
    if isinstance(members, dict):
        members = [(info(name, size=len(content)), content) for name, content in members.items()]
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz" if compress else "w") as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def info(name, **fields):
    member = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(member, field, value)
    return member


def unpack(tmp_path, content):
    """Unpack bytes; return the lines said and the files that are there, path -> bytes, the archive left out."""
    (tmp_path / "in").mkdir(exist_ok=True)
    (tmp_path / "in" / "train.tar.gz").write_bytes(content)
    said = []
    archives.unpack(
        str(tmp_path / "in" / "train.tar.gz"),
        "train",
        str(tmp_path / "out"),
        said.append,
        lambda *done: None,
    )
    return said, files(tmp_path)


def files(tmp_path):
    found = {
        str(path.relative_to(tmp_path)): path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    found.pop("in/train.tar.gz", None)
    return found


def refused(tmp_path, content):
    with pytest.raises(DataError) as caught:
        unpack(tmp_path, content)
    assert "\n" not in str(caught.value) and "train.tar.gz: " in str(caught.value)
    assert files(tmp_path) == {} and os.listdir(tmp_path) == ["in"]
    return str(caught.value)


# -- unpacking ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "./"])
def test_pictures_and_labels_are_unpacked(tmp_path, prefix):
    members = [(info(f"{prefix}train", type=tarfile.DIRTYPE, mode=0o700), b"")]
    members += [
        (info(prefix + name, size=len(content), mode=0o000), content)
        for name, content in GOOD.items()
    ]
    said, found = unpack(tmp_path, tar(members))
    assert said == [] and found == {f"out/{name}": content for name, content in GOOD.items()}


def test_what_an_earlier_run_left_half_done_is_replaced(tmp_path):
    (tmp_path / "out.unfinished" / "train").mkdir(parents=True)
    (tmp_path / "out.unfinished" / "train" / "9.png").write_bytes(b"old")
    assert unpack(tmp_path, tar(GOOD))[1] == {
        f"out/{name}": content for name, content in GOOD.items()
    }


def test_strange_files_are_left_out_and_counted(tmp_path):
    strange = {
        ".DS_Store": b"x",
        "train/._1.png": b"x",
        "train/12345678.png": b"x",
        "train/deep/1.png": b"x",
        "test/1.png": b"x",
    }
    said, found = unpack(tmp_path, tar({**GOOD, **strange}))
    assert found == {f"out/{name}": content for name, content in GOOD.items()}
    assert len(said) == 1 and "5 files" in said[0] and ".DS_Store" in said[0]


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
def test_links_devices_and_ways_out_are_errors(tmp_path, member):
    message = refused(tmp_path, tar([(info("train/digitStruct.mat", size=1), b"x"), (member, b"")]))
    assert repr(member.name) in message


@pytest.mark.parametrize("again", ["train/1.png", "./train/1.png", "train/digitStruct.mat"])
def test_member_that_is_there_twice_is_refused(tmp_path, again):
    members = [(info(name, size=len(content)), content) for name, content in GOOD.items()]
    message = refused(tmp_path, tar([*members, (info(again, size=5), b"other")]))
    assert f"the member {again!r} is there twice" in message


def test_folders_and_strange_files_may_be_there_twice(tmp_path):
    strange = [(info("train", type=tarfile.DIRTYPE), b""), (info("train/.DS_Store", size=1), b"x")]
    good = [(info(name, size=len(content)), content) for name, content in GOOD.items()]
    said, found = unpack(tmp_path, tar([*strange, *good, *strange]))
    assert found == {f"out/{name}": content for name, content in GOOD.items()}
    assert "2 files" in said[0]


@pytest.mark.parametrize(
    "limit, value, named",
    [("MAX_MEMBERS", 3, "more than 3 members"), ("MAX_PICTURE", 2999, "2345678.png' of 3000 bytes"), ("MAX_STRUCT", 5, "of 6 bytes"),
     ("MAX_BYTES", 3003, "of 6 bytes")],
)  # fmt: skip
def test_limits_hold_before_a_member_is_written(tmp_path, monkeypatch, limit, value, named):
    monkeypatch.setattr(archives, limit, value)
    assert named in refused(tmp_path, tar(GOOD))
    monkeypatch.setattr(
        archives, limit, value + (limit != "MAX_BYTES") + 10 * (limit == "MAX_BYTES")
    )
    assert len(unpack(tmp_path, tar(GOOD))[1]) == 4


def test_a_member_that_claims_more_than_there_is(tmp_path):
    plain = bytearray(tar({"train/1.png": b"x"}, compress=False))
    plain[124:136] = b"%011o\0" % ((1 << 33) - 1)
    plain[148:156] = b"%06o\0 " % (sum(plain[:148]) + 8 * 32 + sum(plain[156:512]))
    assert "of 8589934591 bytes" in refused(tmp_path, gzip.compress(bytes(plain)))


@pytest.mark.parametrize(
    "kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK]
)
def test_a_header_that_claims_gigabytes_is_not_read(tmp_path, kind):
    header = info("x", type=kind, size=6 << 30).tobuf(tarfile.GNU_FORMAT)
    assert "a header of 6442450944 bytes" in refused(
        tmp_path, gzip.compress(header + bytes(1 << 20))
    )
    whole = tar(
        {**GOOD, f"{'long/' * 90}train.txt": b"?"}
    )  # a header that is longer than a block, and harmless
    assert len(unpack(tmp_path, whole)[1]) == len(GOOD)


def test_damaged_archives(tmp_path):
    content = {**GOOD, "train/1.png": random.Random(5).randbytes(50_000)}
    whole = tar(content)
    for damaged in (
        b"",
        b"no archive",
        whole[:1000],
        whole[:-5],
        whole[: len(whole) // 2],
        gzip.compress(b"no tar" * 500),
    ):
        message = refused(tmp_path, damaged)
        assert "damaged" in message or "holds no" in message
    flipped = bytearray(whole)
    flipped[25_000] ^= 255
    assert "damaged" in refused(tmp_path, bytes(flipped))


def test_an_archive_without_labels(tmp_path):
    assert "holds no train/digitStruct.mat" in refused(tmp_path, tar({"train/1.png": b"x"}))
    other = {name.replace("train", "test"): content for name, content in GOOD.items()}
    assert "holds no train/digitStruct.mat" in refused(tmp_path, tar(other))


# -- where the pictures come from -----------------------------------------------------------------------------------------------------


def checksum(content):
    return archives.Checksum(hashlib.md5(content).hexdigest(), len(content))


def prepare(tmp_path, table, url=None):
    said = []
    got = archives.prepare(
        str(tmp_path / "in"),
        "train",
        str(tmp_path / "work"),
        table=table,
        url=url,
        say=said.append,
        progress=lambda *done: None,
    )
    return got, said


def prepare_error(tmp_path, table, url=None):
    with pytest.raises(DataError) as caught:
        prepare(tmp_path, table, url)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def archive(tmp_path):
    content = tar(GOOD)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "train.tar.gz").write_bytes(content)
    return content


def test_an_archive_is_verified_and_unpacked_once(tmp_path, archive):
    table = {"train.tar.gz": checksum(archive)}
    (directory, name, source), said = prepare(tmp_path, table)
    assert sorted(os.listdir(directory)) == [
        "1.png",
        "2345678.png",
        "digitStruct.mat",
        "see_bboxes.m",
    ]
    assert (name, source, said) == (
        "train.tar.gz",
        {"md5": table[name].md5, "bytes": len(archive), "url": ""},
        [],
    )
    os.remove(tmp_path / "in" / "train.tar.gz")
    os.remove(os.path.join(directory, "1.png"))
    assert prepare(tmp_path, table)[0] == (directory, name, source) and not os.path.exists(
        os.path.join(directory, "1.png")
    )


def test_another_archive_is_refused(tmp_path, archive):
    message = prepare_error(tmp_path, archives.OFFICIAL)
    assert (
        f"cut short: {len(archive)} bytes, and 404141560 are expected" in message
        and "--checksums" in message
    )
    expected = checksum(archive)
    assert "another file" in prepare_error(
        tmp_path, {"train.tar.gz": expected._replace(bytes=len(archive) - 1)}
    )
    message = prepare_error(tmp_path, {"train.tar.gz": expected._replace(md5="0" * 32)})
    assert "0" * 32 in message and expected.md5 in message and "--download" in message
    assert "has no line for train.tar.gz" in prepare_error(tmp_path, {})
    assert os.listdir(tmp_path) == ["in"]


def test_an_archive_that_cannot_be_unpacked_leaves_no_folder(tmp_path, archive):
    table = {"train.tar.gz": checksum(archive)}
    damaged = tar({"train/1.png": b"x"})  # verified, but without labels
    (tmp_path / "in" / "train.tar.gz").write_bytes(damaged)
    assert "holds no train/digitStruct.mat" in prepare_error(
        tmp_path, {"train.tar.gz": checksum(damaged)}
    )
    assert os.listdir(tmp_path) == ["in"]
    (tmp_path / "in" / "train.tar.gz").write_bytes(archive)
    assert os.path.isdir(prepare(tmp_path, table)[0][0])


def test_a_missing_archive_says_what_to_do(tmp_path):
    assert "add --download" in prepare_error(tmp_path, archives.OFFICIAL)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "train.tar.gz.part").write_bytes(b"half")
    assert "only 4 of its bytes" in prepare_error(tmp_path, archives.OFFICIAL)


def test_a_missing_archive_is_fetched_where_there_is_an_address(tmp_path):
    content = tar(GOOD)
    table = {"train.tar.gz": checksum(content)}
    with serve({"train.tar.gz": content}) as server:
        for url in (server.url, server.url.rstrip("/")):
            (directory, name, source), _ = prepare(tmp_path, table, url)
            assert source["url"] == server.url + "train.tar.gz" and os.path.exists(
                os.path.join(directory, "1.png")
            )
        assert len(server.asked) == 1
    assert (tmp_path / "in" / "train.tar.gz").read_bytes() == content


def test_a_folder_is_taken_as_it_is_where_no_archive_lies_beside_it(tmp_path):
    (tmp_path / "in" / "train").mkdir(parents=True)
    (tmp_path / "in" / "train" / "digitStruct.mat").write_bytes(b"labels")
    (directory, name, source), said = prepare(tmp_path, archives.OFFICIAL, "http://127.0.0.1:9/")
    assert directory == str(tmp_path / "in" / "train") and name == "train/digitStruct.mat"
    assert source == {"md5": hashlib.md5(b"labels").hexdigest(), "bytes": 6, "url": ""}
    assert len(said) == 1 and "taken as it is" in said[0]
    (tmp_path / "in" / "train.tar.gz").write_bytes(b"x")
    assert "train.tar.gz" in prepare_error(tmp_path, archives.OFFICIAL)


def test_the_official_archives():
    assert {name: known.bytes for name, known in archives.OFFICIAL.items()} == {
        "train.tar.gz": 404141560, "test.tar.gz": 276555967, "extra.tar.gz": 1955489752,
    }  # fmt: skip
    assert all(re.fullmatch("[0-9a-f]{32}", known.md5) for known in archives.OFFICIAL.values())


# -- tables of one's own --------------------------------------------------------------------------------------------------------------


def test_checksums_are_read(tmp_path):
    path = tmp_path / "sums"
    path.write_text(f"# mine\n\n{'0A' * 16}  12  train.tar.gz\n{'b' * 32}\t7 test.tar.gz  \n")
    assert archives.read_checksums(str(path)) == {
        "train.tar.gz": ("0a" * 16, 12),
        "test.tar.gz": ("b" * 32, 7),
    }


def test_byte_order_mark_before_checksums_is_skipped(tmp_path):
    path = tmp_path / "sums"
    path.write_text(f"{'b' * 32}  7  test.tar.gz\n", encoding="utf-8-sig")
    assert archives.read_checksums(str(path)) == {"test.tar.gz": ("b" * 32, 7)}


@pytest.mark.parametrize("md5, size", [("b" * 32, 13), ("c" * 32, 12)])
def test_two_checksums_of_one_archive_are_refused(tmp_path, md5, size):
    path = tmp_path / "sums"
    lines = [f"{'b' * 32} 12 a.gz", f"{'d' * 32} 7 b.gz", f"{'B' * 32} 12 a.gz", ""]
    lines.append(f"{md5} {size} a.gz")
    path.write_text("\n".join(lines))
    reason = "sums line 5: another md5 or size of a.gz than on line 1: keep"
    with pytest.raises(DataError, match=reason):
        archives.read_checksums(str(path))
    path.write_text("\n".join(lines[:3]))
    assert archives.read_checksums(str(path)) == {"a.gz": ("b" * 32, 12), "b.gz": ("d" * 32, 7)}


@pytest.mark.parametrize(
    "line",
    [
        "x",
        "0" * 31 + "  1  a",
        *("0" * 32 + rest for rest in ("  0  a", "  a", "  1  a b", "  -1  a")),
    ],
)
def test_a_bad_line_of_checksums_is_named(tmp_path, line):
    path = tmp_path / "sums"
    path.write_text(f"{'0' * 32}  1  a\n{line}\n")
    with pytest.raises(DataError, match="sums line 2"):
        archives.read_checksums(str(path))


def test_unreadable_checksums_are_named(tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        archives.read_checksums(str(tmp_path / "nowhere"))
    (tmp_path / "sums").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="sums: not a text"):
        archives.read_checksums(str(tmp_path / "sums"))
