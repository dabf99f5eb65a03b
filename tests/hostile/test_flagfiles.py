"""Flagfiles of any text, that include each other in any way."""

import os
from collections import Counter

import pytest
from hypothesis import given, strategies as st

from tests.mutations import damaged, quick

NAMES = ("a.flags", "b.flags", "c.flags")


@pytest.fixture
def folder(tmp_path):
    """A folder with a pipe, a device and a folder among the flagfiles to come."""
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
    "--noaugment",
]
ODD = ["--stesp=3", "--steps", "--steps=x", "--nosteps", "-", "--", "---", "=", "--=", "--flagfile", "--flagfile=", "--flagfile a.flags",
       "--steps=" + "9" * 5000, "--bottom=" + "x" * 3000, "a.png", "--undefok=x", "--data_dir=\0", "--help",
       "--seed=1e9", "--seed=-1"]  # fmt: skip
PLACES = [
    *NAMES,
    *(f"{name}.flags" for name in ("pipe", "zero", "folder", "empty", "none")),
    "./a.flags",
    "\0",
    "~nobody/a",
    "x" * 999,
]
LINES = st.one_of(
    st.sampled_from(GOOD), st.sampled_from(GOOD), st.sampled_from(GOOD), st.sampled_from(ODD), st.text(max_size=12),
    st.sampled_from(PLACES).map("--flagfile={}".format), st.sampled_from(PLACES).map("-flagfile={}".format),
    st.text(max_size=6).map("--data_dir={}".format), st.text(max_size=4).map("--seed={}".format),
)  # fmt: skip


def test_no_text_makes_it_crash(folder, taken):
    seen = Counter()

    @quick(400)
    @given(st.tuples(*[st.lists(LINES, max_size=4)] * len(NAMES)))
    def property(files):
        for name, lines in zip(NAMES, files, strict=True):
            (folder / name).write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
        # Whatever is wrong, the line names a flagfile: the one at fault, or the one that cannot be read.
        answer = taken("flagfile", folder / "a.flags", *NAMES, *map(os.path.expanduser, PLACES))
        seen[answer["outcome"]] += 1

    property()
    assert min(seen["read"], seen["refused"]) > 5


def test_no_damage_makes_it_crash(folder, taken):
    seen = Counter()

    @quick(200)
    @given(damaged("\n".join([*GOOD[:4], "--flagfile=empty.flags", *GOOD[4:]]).encode()))
    def property(data):
        (folder / "a.flags").write_bytes(data)
        seen[taken("flagfile", folder / "a.flags", "")["outcome"]] += 1

    property()
    assert min(seen["read"], seen["refused"]) > 5


@pytest.mark.parametrize(
    "lines",
    [
        ["--flagfile=a.flags"],
        ["--flagfile=./a.flags", "--flagfile=a.flags"],
        ["--flagfile=../{0}/a.flags"],
        ["--flagfile=b.flags"] * 9,
    ],
    ids=["itself", "itself twice", "itself under ever longer names", "two that name each other"],
)
def test_flagfiles_that_include_themselves_are_named(folder, taken, lines):
    (folder / "a.flags").write_text("\n".join(lines).format(folder.name))
    (folder / "b.flags").write_text("--flagfile=a.flags\n")
    answer = taken("flagfile", folder / "a.flags", "a.flags: ", "b.flags: ")
    assert answer["outcome"] == "refused" and "include itself" in answer["told"]


def test_flagfiles_that_double_at_each_step_end_soon(folder, taken):
    for i in range(40):
        (folder / f"{i}.flags").write_text(f"--flagfile={i + 1}.flags\n" * 2)
    (folder / "40.flags").write_text("")
    answer = taken("flagfile", folder / "0.flags", ".flags: ")
    assert answer["outcome"] == "refused" and answer["seconds"] < 5


@pytest.mark.parametrize(
    "name, why",
    [
        ("pipe", "not a file"),
        ("zero", "not a file"),
        ("folder", "not a file"),
        ("none", "No such file"),
    ],
)
def test_what_is_no_file_is_not_read(folder, taken, name, why):
    answer = taken("flagfile", folder / f"{name}.flags")
    assert answer["outcome"] == "refused" and why in answer["told"]
