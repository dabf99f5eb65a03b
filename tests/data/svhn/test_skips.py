"""Counting skipped images."""

from mtl.data.svhn.skips import Skips


def test_report_has_one_line_per_kind_with_the_first_example():
    skips = Skips()
    skips.add("test", "missing images", "7.png")
    skips.add("test", "missing images", "9.png")
    skips.add("test", "null references", "entry 2: name is a null reference")
    skips.add("train", "missing images", "1.png")
    lines = []
    skips.report("test", lines.append)
    assert lines == [
        "test: 2 skipped: missing images, the first: 7.png",
        "test: 1 skipped: null references, the first: entry 2: name is a null reference",
    ]


def test_report_has_no_example_of_an_earlier_run():
    skips = Skips()
    skips.counts["test"]["unreadable images"] += 3
    lines = []
    skips.report("test", lines.append)
    assert lines == ["test: 3 skipped: unreadable images"]
