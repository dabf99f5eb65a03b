"""mtl.cli.flagfiles: flagfiles among flags and in each other, and what is wrong in which of them."""

import os

import pytest
from absl import flags as absl_flags

from mtl.cli import flagfiles, flags
from mtl.errors import UsageError


@pytest.fixture
def parsed(tmp_path, monkeypatch):
    """Return a function (arguments, **texts of flagfiles) -> (the values, what is no flag), from within the folder of the flagfiles."""
    monkeypatch.chdir(tmp_path)

    def parse(*arguments, **texts):
        for name, text in texts.items():
            (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        values = absl_flags.FlagValues()
        for name in ("steps", "seed"):
            flags.define_field(values, name, "help")
        return values, flags.parse(values, ["train", *arguments])

    return parse


def test_what_comes_later_wins_wherever_it_stands(parsed):
    values, rest = parsed(
        "--steps=1",
        "--flagfile=a",
        "--steps=4",
        "x",
        a="# a comment\n\n--steps=3\n// another\n  --seed=5  \n",
    )
    assert (values.steps, values.seed, rest) == (4, 5, ["x"])
    values, _ = parsed(
        "--steps=1", "--flagfile", "a", a="--flagfile=b\n--seed=7\n", b="--steps=3\n--seed=6\n"
    )
    assert (values.steps, values.seed) == (3, 7)
    values, rest = parsed("--seed", "9", "-flagfile=a", "--", "--flagfile=a", a="--steps=3")
    assert (values.steps, values.seed, rest) == (3, 9, ["--flagfile=a"])


@pytest.mark.parametrize(
    "text",
    [
        b"--steps=3\xff\n",
        "--stesp=3\n",
        "--steps\n",
        "--steps=x\n",
        "--nosteps=3\n",
        "steps=3\n",
        "--\n",
        "-7\n",
    ],
)
def test_a_bad_one_is_one_line_that_names_it(parsed, text):
    for flagfile in ("a", "b"):  # by itself, and where another one names it
        with pytest.raises(UsageError) as caught:
            parsed(f"--flagfile={flagfile}", a=text, b="--seed=2\n--flagfile=a\n")
        assert "a: " in str(caught.value) and "\n" not in str(caught.value)


def test_one_that_is_no_file_is_named_and_not_waited_for(parsed, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    os.symlink("/dev/zero", tmp_path / "zero")
    for path, reason in {
        "pipe": "not a file",
        "zero": "not a file",
        ".": "not a file",
        "nowhere": "No such file or directory",
    }.items():
        with pytest.raises(
            UsageError,
            match=f"^a: {path}: cannot be read .{reason}.: --flagfile takes a file of flags",
        ):
            parsed("--flagfile=a", a=f"--flagfile={path}\n")
    with pytest.raises(UsageError, match="names no file"):
        parsed("--flagfile=")


def test_a_circle_ends(parsed):
    with pytest.raises(
        UsageError, match=f"more than {flagfiles.MAX_FLAGFILES} flagfiles; remove the line"
    ):
        parsed("--flagfile=a", a="--flagfile=b\n", b="--flagfile=a\n")


def test_a_byte_order_mark_is_skipped(tmp_path):
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbf--steps=7\n--seed=3\n")
    assert [flag for flag, _ in flagfiles.expanded([f"--flagfile={tmp_path / 'a'}"])] == [
        "--steps=7",
        "--seed=3",
    ]


def test_separators_of_unicode_within_a_value_end_no_line(tmp_path):
    (tmp_path / "a").write_bytes("--data_dir=a\u2028b\x0bc\r\n--seed=3\r--steps=2".encode())
    found = [flag for flag, _ in flagfiles.expanded([f"--flagfile={tmp_path / 'a'}"])]
    assert found == ["--data_dir=a\u2028b\x0bc", "--seed=3", "--steps=2"]
