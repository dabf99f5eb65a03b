"""The inputs of `mtl predict`: which images a command line names, and what is wrong with them."""

import io
import os
import sys

import numpy as np
import pytest
from absl import flags as absl_flags
from PIL import Image

from mtl.cli import inputs
from mtl.data import image_files, images
from mtl.errors import DataError, UsageError
from mtl.inputs import NUMBERS, Inputs

HEADER = "file,left,top,width,height\n"


def values_of(*flags):
    """Return the FlagValues of a command line."""
    values = absl_flags.FlagValues()
    inputs.define(values)
    absl_flags.DEFINE_boolean("only_check_args", False, "help", flag_values=values)
    values(["predict", *flags])
    return values


def listed(*arguments, flags=()):
    return inputs.listed(values_of(*flags), list(arguments))


def error_of(*arguments, flags=()):
    """Return the error of the only input."""
    (given,) = listed(*arguments, flags=flags)
    message = str(given.error)
    assert len(message.splitlines()) == 1 and message.isprintable()
    with pytest.raises(DataError) as caught:
        inputs.window(given)
    assert str(caught.value) == message
    return message


def save(path, width=40, height=30, seed=0):
    """Write an image of random pixels; return it."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return Image.fromarray(pixels)


class Stdin:
    """Standard input with some bytes."""

    def __init__(self, content=b"", terminal=False):
        self.buffer = io.BytesIO(content)
        self._terminal = terminal

    def isatty(self):
        return self._terminal


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Change to an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


# -- flags -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flags, arguments, message",
    [
        ([], [], "no IMAGE given; name an image file or a folder, - for standard input, or a --"),
        (["--box=1,2,3,4"], [], "no IMAGE given"),
        (["--boxes=b.csv", "--box=1,2,3,4"], [], "--box and --boxes cannot be combined"),
        (["--boxes="], ["a.png"], "--boxes names no file; "),
        (["--box=1,2,3"], ["a.png"], "--box=1,2,3 must be four numbers"),
        (["--box=1,2,0,4"], ["a.png"], "--box=1,2,0,4 must be finite, with width"),
    ],
)
def test_wrong_flags_are_named(flags, arguments, message):
    with pytest.raises(UsageError) as caught:
        inputs.check(values_of(*flags), arguments)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "flags, arguments",
    [([], ["a.png"]), (["--boxes=none.csv"], []), (["--only_check_args"], []), ([], ["-"])],
)
def test_flags_are_checked_without_reading_a_file(flags, arguments):
    inputs.check(values_of(*flags), arguments)


# -- files -----------------------------------------------------------------------------------------


def test_files_folders_and_patterns_keep_their_order():
    os.mkdir("in")
    for path in ("c.png", "in/b.png", "in/a.png", "d1.png"):
        save(path)
    found = listed("c.png", "in", "d?.png", "c.png", flags=["--box=1,2,3,4"])
    expected = ["c.png", "in/a.png", "in/b.png", "d1.png", "c.png"]
    assert [each.path for each in found] == [each.name for each in found] == expected
    assert {each.box for each in found} == {(1, 2, 4, 6)}
    assert {each.error for each in found} == {None}


def test_bad_arguments_are_inputs_with_an_error_among_the_others():
    save("a.png")
    os.mkdir("empty")
    found = listed("*.jpg", "a.png", "missing.png", "empty")
    assert [each.error is None for each in found] == [False, True, False, False]
    assert [each.name for each in found] == ["*.jpg", "a.png", "missing.png", "empty"]


def test_nothing_is_decoded_and_tensorflow_is_not_imported(monkeypatch):
    save("a.png")
    monkeypatch.setattr(Image, "open", None)
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # an import would fail
    monkeypatch.setitem(sys.modules, "tensorflow.compat.v1", None)
    with open("boxes.csv", "w") as file:
        file.write(HEADER + "a.png,1,2,3,4\n")
    assert [each.error for each in listed("a.png", ".")] == [None, None]
    assert listed(flags=["--boxes=boxes.csv"])[0].error is None


@pytest.mark.parametrize(
    "name, shown",
    [
        ("a\nb.png", r"a\nb.png"),
        ("\x1b[31mred\r.png", r"\x1b[31mred\r.png"),
        (os.fsdecode(b"gr\xfcn.png"), r"gr\udcfcn.png"),
        ("a b, 'c'.png", "a b, 'c'.png"),
        ("数字.png", "数字.png"),
    ],
)
def test_name_is_one_printable_line_and_path_stays_raw(name, shown):
    save(name)
    for given in listed(name) + listed("."):
        assert given.name.removeprefix("./") == shown
        assert given.path.removeprefix("./") == name
        assert inputs.window(given).shape == NUMBERS.shape
    os.truncate(name, 20)
    with pytest.raises(DataError) as caught:
        inputs.window(listed(name)[0])
    assert str(caught.value).startswith(f"{shown}: ")


def test_missing_file_with_a_line_break_is_named_in_one_line():
    assert error_of("no\nfile.png").startswith(r"no\nfile.png: no such file; ")
    assert error_of("no\n*.png").startswith(r"no\n*.png: no images match this pattern; ")


def test_first_frame_of_an_animation_is_read_with_a_line():
    first = save("still.png")
    first.save("a\nb.png", save_all=True, append_images=[Image.new("RGB", first.size)])
    said = []
    window = inputs.window(listed("a\nb.png")[0], said.append)
    np.testing.assert_array_equal(window, images.window(first))
    assert said == [r"a\nb.png: has several frames or pages; only the first is read"]
    inputs.window(listed("still.png")[0], said.append)
    assert len(said) == 1


def test_window_has_the_size_and_channels_of_the_network():
    image = save("a.png")
    (given,) = listed("a.png", flags=["--box=4,6,20,10"])
    taken = Inputs((9, 13, 1), 0, "float32")
    found = inputs.window(given, taken=taken, margin=False)
    assert found.shape == (9, 13, 1) and found.dtype == np.float32
    np.testing.assert_array_equal(found, images.window(image, (4, 6, 24, 16), taken))
    grown = inputs.window(given, taken=taken)
    np.testing.assert_array_equal(grown, images.window(image, (1.0, 4.5, 27.0, 17.5), taken))
    assert np.abs(grown - found).max() > 0.05


# -- standard input, pipes and URLs ----------------------------------------------------------------


def test_dash_reads_an_image_from_standard_input(monkeypatch):
    image = save("a.png")
    with open("a.png", "rb") as file:
        monkeypatch.setattr(sys, "stdin", Stdin(file.read()))
    first, second = listed("a.png", "-", flags=["--box=3,4,20,10"])
    assert second == ("-", "-", (3, 4, 23, 14), None, "--box")
    np.testing.assert_array_equal(inputs.window(second), inputs.window(first))
    assert image.size == (40, 30)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "-: standard input is empty; send an image to it: mtl predict - < photo.jpg"),
        (b"<html>404</html>", "-: a web page (HTML), not an image; download the image itself"),
        (b"\x89PNG\r\n\x1a\n", "-: not an image of a known format, or truncated; save it again"),
        (bytes(2001), "-: larger than 0 MB, the limit of an image file; scale it down"),
    ],
)
def test_bad_standard_input_is_named(monkeypatch, content, message):
    monkeypatch.setattr(image_files, "MAX_BYTES", 2000)
    monkeypatch.setattr(sys, "stdin", Stdin(content))
    (given,) = listed("-")
    assert given.error is None
    with pytest.raises(DataError) as caught:
        inputs.window(given)
    assert str(caught.value).startswith(message)


def test_terminal_as_standard_input_is_refused_without_waiting(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Stdin(terminal=True))
    assert error_of("-") == (
        "-: standard input is the terminal; send an image to it: mtl predict - < photo.jpg"
    )


def test_standard_input_can_be_given_once(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Stdin())
    first, second = listed("-", "-")
    assert first.error is None
    assert str(second.error) == "-: given twice, but standard input is one image; give - once"


def test_file_named_like_a_dash_is_read_as_a_path():
    save("x.png")
    os.rename("x.png", "-")
    assert inputs.window(listed("./-")[0]).shape == NUMBERS.shape


@pytest.mark.parametrize("path", ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/11"])
def test_path_of_standard_input_names_the_dash(monkeypatch, path):
    monkeypatch.setattr(inputs.os.path, "isfile", lambda path: False)  # pytest may redirect it
    assert error_of(path).startswith(f"{path}: not an image file; write - to read an image from")


def test_pipe_is_refused_without_waiting():
    os.mkfifo("my pipe.png")
    expected = "my pipe.png: a pipe; read it as standard input: mtl predict - < 'my pipe.png'"
    assert error_of("my pipe.png") == expected


@pytest.mark.parametrize(
    "url, cure",
    [
        ("https://x.org/a.jpg", "pipe it: curl -fL https://x.org/a.jpg | mtl predict -"),
        ("HTTP://x.org/a?b=[1]*&c", "pipe it: curl -fL 'HTTP://x.org/a?b=[1]*&c' | mtl predict -"),
        ("s3://bucket/a.jpg", "download the image first, or pipe it into mtl predict -"),
        ("gs://bucket/*.jpg", "download the image first, or pipe it into mtl predict -"),
        ("file:///home/a%20b.png", "give the path itself: /home/a b.png"),
        ("data:image/png;base64,iVBORw0KGgo=", "download the image first, or pipe it into"),
    ],
)
def test_url_says_what_to_do(url, cure):
    message = error_of(url)
    assert message.startswith(f"{url}: a URL; ") and cure in message


def test_long_url_is_shortened():
    message = error_of("data:image/png;base64," + "A" * 9000)
    assert len(message) < 200 and "...: a URL; save the image in a file, or pipe it" in message


def test_existing_path_that_looks_like_a_url_is_read():
    os.makedirs("http:/x.org")
    save("http:/x.org/a.png")
    assert listed("http://x.org/a.png")[0].error is None


# -- boxes -----------------------------------------------------------------------------------------


def write_boxes(text, path="boxes.csv"):
    with open(path, "w", encoding="utf-8") as file:
        file.write(HEADER + text)
    return [f"--boxes={path}"]


def test_boxes_without_images_reads_all_in_the_order_of_the_file():
    flags = write_boxes("b.png,1,2,3,4\na.png,5,6,7,8\nb.png,9,10,11,12\n")
    image = save("b.png")
    save("a.png", seed=1)
    found = listed(flags=flags)
    assert [each.name for each in found] == ["b.png", "a.png", "b.png"]
    assert [each.box for each in found] == [(1, 2, 4, 6), (5, 6, 12, 14), (9, 10, 20, 22)]
    window = images.window(image, images.grown([(9, 10, 20, 22)]))
    np.testing.assert_array_equal(inputs.window(found[2]), window)


def test_boxes_with_images_reads_only_these_in_the_order_of_the_command_line():
    os.mkdir("in")
    for name in ("in/a.png", "in/b.png", "in/c.png", "in/d.png"):
        save(name)
    flags = write_boxes(
        "a.png,1,1,9,9\nb.png,2,2,9,9\n./c.png,3,3,9,9\n../in/a.png,4,4,9,9\n", "in/boxes.csv"
    )
    found = listed("in/c.png", os.path.abspath("in/a.png"), "in/../in/d.png", flags=flags)
    assert [each.box and each.box[0] for each in found] == [3, 1, 4, None]
    assert found[0].path == "in/c.png" and found[1].path == os.path.abspath("in/a.png")
    cure = "add a line for it, or do not name the image"
    assert str(found[3].error) == f"in/../in/d.png: has no box in in/boxes.csv; {cure}"


def test_wrong_boxes_are_named_with_their_line_and_the_others_are_read():
    flags = write_boxes("a.png,x,2,3,4\na.png,1,2,3,4\ngone.png,1,2,3,4\na.png,40,0,5,5\n")
    save("a.png")
    first, second, third, fourth = listed(flags=flags)
    assert str(first.error) == "boxes.csv line 2: left is 'x'; write a number of pixels"
    assert inputs.window(second).shape == NUMBERS.shape
    cure = "write its path, relative to the folder of the CSV file"
    assert str(third.error) == f"boxes.csv line 4: no such file gone.png; {cure}"
    with pytest.raises(DataError) as caught:
        inputs.window(fourth)
    outside = "a.png: the box from 40, 0 to 45, 5 lies outside the image of 40 x 30; "
    assert str(caught.value).startswith(outside + "correct boxes.csv line 5: left,top,width,height")


def test_image_of_boxes_that_is_no_image_file_is_named():
    os.mkdir("in")
    flags = write_boxes(".,1,2,3,4\nhttps://x.org/a.png,1,2,3,4\n", "in/boxes.csv")
    first, second = listed(flags=flags)
    assert str(first.error).startswith("in/boxes.csv line 2: in/.: a folder, not an image file; ")
    assert str(second.error).startswith("in/boxes.csv line 3: no such file in/https://x.org/a.png")


def test_bad_file_of_boxes_ends_the_command():
    with pytest.raises(DataError, match=r"^none\.csv: cannot be read \(No such file"):
        listed("a.png", flags=["--boxes=none.csv"])
    flags = write_boxes("a.png,1,2\n")
    with pytest.raises(DataError, match=r"^boxes\.csv line 2: 3 fields, but the header has 5; "):
        listed("a.png", flags=flags)


def test_errors_of_arguments_come_before_the_search_for_a_box(monkeypatch):
    flags = write_boxes("a.png,1,2,3,4\n")
    monkeypatch.setattr(sys, "stdin", Stdin())
    missing, stdin = listed("gone.png", "-", flags=flags)
    assert str(missing.error).startswith("gone.png: no such file; ")
    assert str(stdin.error).startswith("-: standard input has no path to find in --boxes; use ")
