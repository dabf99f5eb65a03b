"""Flagfiles on the command line and in each other, and the message for a bad one."""

import os

import pytest
from absl import flags as absl_flags

from mtl.cli import flagfiles, flags
from mtl.errors import UsageError


@pytest.fixture
def parse(tmp_path, monkeypatch):
    """Return a function (*arguments, **texts of flagfiles) -> (FlagValues, other arguments)."""
    monkeypatch.chdir(tmp_path)

    def parse_in_folder(*arguments, **texts):
        for name, text in texts.items():
            (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        values = absl_flags.FlagValues()
        for name in ("steps", "seed"):
            flags.define_field(values, name)
        return values, flags.parse(values, ["train", *arguments])

    return parse_in_folder


def test_later_value_wins(parse):
    text = "# a comment\n\n--steps=3\n// another\n  --seed=5  \n"
    values, rest = parse("--steps=1", "--flagfile=a", "--steps=4", "x", a=text)
    assert (values.steps, values.seed, rest) == (4, 5, ["x"])


def test_flagfile_in_a_flagfile_counts_at_its_line(parse):
    nested = "--steps=3\n--seed=6\n"
    values, _ = parse("--steps=1", "--flagfile", "a", a="--flagfile=b\n--seed=7\n", b=nested)
    assert (values.steps, values.seed) == (3, 7)


def test_flagfile_after_two_dashes_is_no_flag(parse):
    arguments = ["--seed", "9", "-flagfile=a", "--", "--flagfile=a"]
    values, rest = parse(*arguments, a="--steps=3")
    assert (values.steps, values.seed, rest) == (3, 9, ["--flagfile=a"])


BAD = [
    b"--steps=3\xff\n",
    "--stesp=3\n",
    "--steps\n",
    "--steps=x\n",
    "--steps=0\n",
    "--nosteps=3\n",
    "steps=3\n",
    "--\n",
    "-7\n",
]


@pytest.mark.parametrize("text", BAD)
def test_bad_line_names_its_flagfile(parse, text):
    for flagfile in ("a", "b"):  # alone, and included by another
        with pytest.raises(UsageError) as caught:
            parse(f"--flagfile={flagfile}", a=text, b="--seed=2\n--flagfile=a\n")
        assert "a: " in str(caught.value) and "\n" not in str(caught.value)


def test_unreadable_flagfile_is_named_at_once(parse, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    os.symlink("/dev/zero", tmp_path / "zero")
    reasons = {"pipe": "not a file", "zero": "not a file", ".": "not a file"}
    reasons["nowhere"] = "No such file or directory"
    for path, reason in reasons.items():
        with pytest.raises(UsageError, match=f"^a: {path}: cannot be read .{reason}.; --flagfile"):
            parse("--flagfile=a", a=f"--flagfile={path}\n")
    with pytest.raises(UsageError, match="names no file"):
        parse("--flagfile=")


def test_flagfiles_that_include_each_other_end(parse):
    message = f"more than {flagfiles.MAX_FLAGFILES} flagfiles; remove the line"
    with pytest.raises(UsageError, match=message):
        parse("--flagfile=a", a="--flagfile=b\n", b="--flagfile=a\n")


def test_byte_order_mark_is_skipped(tmp_path):
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbf--steps=7\n--seed=3\n")
    found = [flag for flag, _ in flagfiles.expanded([f"--flagfile={tmp_path / 'a'}"])]
    assert found == ["--steps=7", "--seed=3"]


def test_unicode_line_separators_do_not_split_a_value(tmp_path):
    (tmp_path / "a").write_bytes("--data_dir=a\u2028b\x0bc\r\n--seed=3\r--steps=2".encode())
    found = [flag for flag, _ in flagfiles.expanded([f"--flagfile={tmp_path / 'a'}"])]
    assert found == ["--data_dir=a\u2028b\x0bc", "--seed=3", "--steps=2"]
