"""Flagfiles of any text that include each other in any way."""

import os
from collections import Counter

import pytest
from hypothesis import given, strategies as st

from tests.mutations import damaged, quick

pytestmark = pytest.mark.slow

NAMES = ("a.flags", "b.flags", "c.flags")


@pytest.fixture
def folder(tmp_path):
    """A folder with a pipe, a device and a folder named like flagfiles."""
    os.mkfifo(tmp_path / "pipe.flags")
    os.symlink("/dev/zero", tmp_path / "zero.flags")
    (tmp_path / "folder.flags").mkdir()
    (tmp_path / "empty.flags").write_bytes(b"")
    return tmp_path


GOOD = [
    "--steps=3",
    "--bottom=mlp",
    "--learning_rate=0.5",
    "# --steps=x",
    "// a comment",
    "",
    "  --seed=7  ",
    "--log_every=7",
]
ODD = [
    "--stesp=3",
    "--steps",
    "--steps=x",
    "--steps=" + "9" * 5000,
    "--nosteps",
    "--noaugment",
    "--bottom=" + "x" * 3000,
    "--data_dir=\0",
    "--seed=1e9",
    "--seed=-1",
    "--flagfile",
    "--flagfile=",
    "--flagfile a.flags",
    "--undefok=x",
    "--help",
    "-",
    "--",
    "---",
    "=",
    "--=",
    "a.png",
]
PATHS = [
    *NAMES,
    *(f"{name}.flags" for name in ("pipe", "zero", "folder", "empty", "none")),
    "./a.flags",
    "\0",
    "~nobody/a",
    "x" * 999,
]
LINES = st.one_of(
    *[st.sampled_from(GOOD)] * 3,  # more often than the others
    st.sampled_from(ODD),
    st.text(max_size=12),
    st.sampled_from(PATHS).map("--flagfile={}".format),
    st.sampled_from(PATHS).map("-flagfile={}".format),
    st.text(max_size=6).map("--data_dir={}".format),
    st.text(max_size=4).map("--seed={}".format),
)


def test_any_text_is_parsed_or_rejected(folder, read):
    seen = Counter()

    @quick(400)
    @given(st.tuples(*[st.lists(LINES, max_size=4)] * len(NAMES)))
    def check(files):
        for name, lines in zip(NAMES, files, strict=True):
            (folder / name).write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
        # The error names the flagfile that is wrong, or the one that cannot be read.
        answer = read("flagfile", folder / "a.flags", *NAMES, *map(os.path.expanduser, PATHS))
        seen[answer["outcome"]] += 1

    check()
    assert min(seen["read"], seen["rejected"]) > 5


def test_damaged_flagfile_is_parsed_or_rejected(folder, read):
    seen = Counter()

    @quick(200)
    @given(damaged("\n".join([*GOOD[:4], "--flagfile=empty.flags", *GOOD[4:]]).encode()))
    def check(data):
        (folder / "a.flags").write_bytes(data)
        seen[read("flagfile", folder / "a.flags", "")["outcome"]] += 1

    check()
    assert min(seen["read"], seen["rejected"]) > 5


@pytest.mark.parametrize(
    "lines",
    [
        ["--flagfile=a.flags"],
        ["--flagfile=./a.flags", "--flagfile=a.flags"],
        ["--flagfile=../{0}/a.flags"],
        ["--flagfile=b.flags"] * 9,
    ],
    ids=["itself", "itself twice", "itself by ever longer paths", "two that include each other"],
)
def test_circular_flagfile_is_named(folder, read, lines):
    (folder / "a.flags").write_text("\n".join(lines).format(folder.name))
    (folder / "b.flags").write_text("--flagfile=a.flags\n")
    answer = read("flagfile", folder / "a.flags", "a.flags: ", "b.flags: ")
    assert answer["outcome"] == "rejected"
    assert "include itself" in answer["result"]


def test_number_of_included_flagfiles_is_limited(folder, read):
    for i in range(40):
        (folder / f"{i}.flags").write_text(f"--flagfile={i + 1}.flags\n" * 2)
    (folder / "40.flags").write_text("")
    answer = read("flagfile", folder / "0.flags", ".flags: ")
    assert answer["outcome"] == "rejected"
    assert answer["seconds"] < 5


@pytest.mark.parametrize(
    "name, why",
    [
        ("pipe", "not a file"),
        ("zero", "not a file"),
        ("folder", "not a file"),
        ("none", "No such file"),
    ],
)
def test_only_regular_files_are_read(folder, read, name, why):
    answer = read("flagfile", folder / f"{name}.flags")
    assert answer["outcome"] == "rejected"
    assert why in answer["result"]
