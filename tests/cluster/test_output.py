"""The lines of processes: prefixes, the status line of a terminal, and incomplete lines."""

import os

import pytest

from mtl.cluster.output import Output, Show


class Shown:
    """Records what is shown, in order: (kind, text)."""

    def __init__(self, names=("chief", "worker 1"), columns=None):
        self.all = []
        functions = [self._record(kind) for kind in ("line", "result", "status")]
        self.output = Output(Show(*functions), names, columns)

    def _record(self, kind):
        return lambda text: self.all.append((kind, text))

    def write(self, descriptor, text):
        os.write(descriptor, text.encode("utf-8", "surrogateescape"))
        while self.output.copy(0.05):
            pass

    def of(self, kind):
        return [text for each, text in self.all if each == kind]


@pytest.fixture
def shown():
    made = Shown()
    yield made
    made.output.close()


@pytest.fixture
def on_terminal():
    made = Shown(columns=80)
    yield made
    made.output.close()


def test_lines_have_the_name_of_their_process_in_one_width(shown):
    first, second = shown.output.pipe("chief"), shown.output.pipe("worker 1")
    shown.write(first, "a\nb\n")
    shown.write(second, "c\n")
    assert shown.all == [
        ("line", "chief    | a"),
        ("line", "chief    | b"),
        ("line", "worker 1 | c"),
    ]


def test_the_result_has_no_prefix(shown):
    shown.write(shown.output.result(), '{"a": 1}\n')
    assert shown.all == [("result", '{"a": 1}')]


def test_a_line_is_shown_once_it_is_complete(shown):
    writer = shown.output.pipe("chief")
    shown.write(writer, "abc")
    assert shown.all == []
    shown.write(writer, "def\ngh")
    os.close(writer)
    while shown.output.copy(0):
        pass
    assert shown.of("line") == ["chief    | abcdef", "chief    | gh"]


def test_bytes_that_are_not_utf_8_are_escaped(shown):
    shown.write(shown.output.pipe("chief"), "a\udce9b\u00e9\n")
    assert shown.of("line") == ["chief    | a\\xe9b\u00e9"]


def test_last_lines_are_kept(shown):
    shown.write(shown.output.pipe("worker 1"), "".join(f"{number}\n" for number in range(100)))
    assert list(shown.output.last["worker 1"]) == [str(number) for number in range(50, 100)]


def test_without_a_terminal_progress_lines_are_lines(shown):
    writer = shown.output.terminal("chief")
    assert not os.isatty(writer)
    shown.write(writer, "step 1/9  cost 1.0\n")
    assert shown.all == [("line", "chief    | step 1/9  cost 1.0")]


def test_terminal_is_one_of_the_columns_that_are_left(on_terminal):
    writer = on_terminal.output.terminal("chief")
    assert os.isatty(writer)
    assert os.get_terminal_size(writer).columns == 80 - len("chief    | ")
    assert not os.isatty(on_terminal.output.pipe("worker 1"))


def test_progress_is_the_status_line_and_other_lines_appear_above_it(on_terminal):
    writer, other = on_terminal.output.terminal("chief"), on_terminal.output.pipe("worker 1")
    on_terminal.write(writer, "building\nstep 1/9  cost 1.0\n")
    on_terminal.write(other, "here\n")
    on_terminal.write(writer, "step 1: accuracy 5%\nstep 2/9  cost 0.5\n")
    first, second = "chief    | step 1/9  cost 1.0", "chief    | step 2/9  cost 0.5"
    assert on_terminal.all == [
        ("line", "chief    | building"),
        ("status", first),
        ("line", "worker 1 | here"),
        ("status", first),
        ("line", "chief    | step 1: accuracy 5%"),
        ("status", first),
        ("status", second),
    ]


def test_a_bar_is_the_status_line_until_it_is_cleared(on_terminal):
    writer = on_terminal.output.terminal("chief")
    on_terminal.write(writer, "step 1/9  cost 1.0\n")
    for text in ("\r 10%|#   |", "\r\x1b[32m 50%|##  |\x1b[0m", "\r           \r"):
        on_terminal.write(writer, text)
    on_terminal.write(writer, "read 9 images\n")
    progress = "chief    | step 1/9  cost 1.0"
    bars = ["chief    |  10%|#   |", "chief    |  50%|##  |"]
    assert on_terminal.of("status") == [progress, *bars, progress, progress]
    assert on_terminal.of("line") == ["chief    | read 9 images"]


def test_the_two_characters_of_a_line_end_may_arrive_apart(on_terminal):
    writer = on_terminal.output.terminal("chief")
    on_terminal.write(writer, "\rab")
    on_terminal.write(writer, "c\r")
    on_terminal.write(writer, "\n")
    assert on_terminal.of("line") == ["chief    | abc"]


def test_an_incomplete_line_is_no_status(on_terminal):
    on_terminal.write(on_terminal.output.terminal("chief"), "reading")
    assert on_terminal.all == []
