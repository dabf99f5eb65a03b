"""labels.csv with any damage, and with any text."""

from collections import Counter

import pytest
from hypothesis import given, strategies as st
from PIL import Image

from tests.mutations import damaged, quick

pytestmark = pytest.mark.slow

WHOLE = 'file,label\na.png,210\n"b c.png",\nsub/a.png,0012345\n\nü.png,7\n'.encode()


@pytest.fixture
def table(tmp_path):
    """The path of a labels.csv to write, beside images that it may name."""
    directory = tmp_path / "train"
    (directory / "sub").mkdir(parents=True)
    for name in ("a.png", "b c.png", "sub/a.png", "ü.png"):
        Image.new("L", (9, 7), 99).save(directory / name)
    (directory / "bad.png").write_bytes(b"not an image")
    return directory / "labels.csv"


def test_damaged_table_is_read_or_rejected(table, read):
    seen = Counter()

    @quick(250)
    @given(damaged(WHOLE))
    def check(data):
        table.write_bytes(data)
        seen[read("labelled", table.parent.parent, table)["outcome"]] += 1

    check()
    assert min(seen["read"], seen["rejected"]) >= 5


ODD = [
    "a.png",
    "sub/../a.png",
    "../train/a.png",
    "/dev/zero",
    "sub",
    "bad.png",
    "a.png/",
    "210",
    "",
    "x" * 5000,
    "９",
]
FIELDS = st.one_of(
    st.text(max_size=12),
    st.text('",\r\n\0 .0123456789/\\~a\u2028\x0b\x85', max_size=8),
    st.sampled_from(ODD),
)
ROWS = st.tuples(st.just("a.png") | FIELDS, st.just("21") | FIELDS)


def test_any_text_is_read_or_rejected(table, read):
    seen = Counter()

    @quick(250)
    @given(st.lists(ROWS, min_size=1, max_size=4), st.sampled_from(["\n", "\r\n", "\r"]))
    def check(rows, end):
        text = end.join(["file,label", *(f"{name},{label}" for name, label in rows)])
        table.write_bytes(text.encode("utf-8", "surrogatepass"))
        seen[read("labelled", table.parent.parent, table)["outcome"]] += 1

    check()
    assert min(seen["read"], seen["rejected"]) >= 5


def test_error_about_a_name_with_a_line_break_is_one_line(table, read):
    (table.parent / "a\nb.png").write_bytes(b"not an image")
    table.write_text('file,label\n"a\nb.png",1\n')
    assert read("labelled", table.parent.parent, table)["outcome"] == "rejected"
