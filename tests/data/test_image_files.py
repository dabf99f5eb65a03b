"""Which image files an argument names, and files that are rejected before they are decoded."""

import errno
import os
import socket

import pytest

from mtl.data import image_files
from mtl.errors import DataError


@pytest.fixture
def album(tmp_path, monkeypatch):
    """Change to a folder with images and other files."""
    paths = ["b.png", "a.JPG", "c.webp", "x[1].png", "in/d.tiff", "in/deep/e.gif"]
    for path in paths + ["labels.csv", "._a.jpg", "notes", "none/n.md"]:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "argument, found",
    [
        ("b.png", ["b.png"]),
        ("notes", ["notes"]),  # a file is returned whatever its extension
        ("missing.png", ["missing.png"]),  # check reports it
        (".", ["./a.JPG", "./b.png", "./c.webp", "./x[1].png"]),
        ("in/", ["in/d.tiff"]),
        ("*.png", ["b.png", "x[1].png"]),
        ("[ab].*", ["a.JPG", "b.png"]),
        ("?.png", ["b.png"]),
        ("*", ["a.JPG", "b.png", "c.webp", "x[1].png"]),
        ("**", ["a.JPG", "b.png", "c.webp", "in/d.tiff", "in/deep/e.gif", "x[1].png"]),
        ("in/**/*.gif", ["in/deep/e.gif"]),
        ("x[1].png", ["x[1].png"]),  # the file, although the pattern does not match it
    ],
)
def test_lists_files_of_a_file_folder_or_pattern(album, argument, found):
    assert image_files.expand(argument) == found


BRACKETS = [
    "photos[1]/a.jpg",
    "photos[1]/b.png",
    "photos[1]/in[2]/c.jpg",
    "photos1/d.jpg",
    "p[?]/[e].png",
    "p[?]/e.png",
]


@pytest.mark.parametrize(
    "argument, found",
    [
        ("photos[1]/*.jpg", ["photos[1]/a.jpg"]),
        ("./photos[1]//*.*", ["./photos[1]/a.jpg", "./photos[1]/b.png"]),
        ("photos[1]/**", ["photos[1]/a.jpg", "photos[1]/b.png", "photos[1]/in[2]/c.jpg"]),
        ("photos[1]/in[2]/?.jpg", ["photos[1]/in[2]/c.jpg"]),
        ("photos[1]/in*/c.jpg", ["photos[1]/in[2]/c.jpg"]),
        ("photos[123]/*", ["photos1/d.jpg"]),  # no such folder, so it is a pattern
        ("p[?]/[e].png", ["p[?]/[e].png"]),
        ("p[?]/[ef].png", ["p[?]/e.png"]),
        ("photos[1]", ["photos[1]/a.jpg", "photos[1]/b.png"]),
        ("photos[1]/missing.jpg", ["photos[1]/missing.jpg"]),  # check reports it
    ],
)
def test_existing_folder_is_not_read_as_a_pattern(tmp_path, monkeypatch, argument, found):
    for path in BRACKETS:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert image_files.expand(argument) == found
    if not argument.startswith("."):
        absolute = [str(tmp_path / path) for path in found]
        assert image_files.expand(str(tmp_path / argument)) == absolute


def test_leading_tilde_is_the_home_folder_unless_a_file_has_that_name(tmp_path, monkeypatch):
    home, here = tmp_path / "home[7]", tmp_path / "here"
    for path in (home / "a.jpg", home / "b.png", here / "c.png"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    assert image_files.expand("~/a.jpg") == [str(home / "a.jpg")]
    assert image_files.expand("~/*.png") == [str(home / "b.png")]
    assert image_files.expand("~") == [str(home / "a.jpg"), str(home / "b.png")]
    (here / "~").mkdir()
    (here / "~" / "d.png").write_bytes(b"")
    assert image_files.expand("~/*") == ["~/d.png"]


@pytest.mark.parametrize(
    "argument, fault",
    [
        ("none", "no images in this folder"),
        ("folder.png", "no images in this folder"),
        ("z*.png", "no images match this pattern"),
        ("*.csv", "no images match this pattern"),
        ("https*", "no images match this pattern"),
    ],
)
def test_argument_without_images_is_an_error(album, argument, fault):
    with pytest.raises(DataError) as caught:
        image_files.expand(argument)
    assert str(caught.value).startswith(f"{argument}: {fault}; name image files")


def test_folder_with_images_only_in_its_folders_names_the_pattern(album, tmp_path):
    (tmp_path / "none" / "deep").mkdir()
    (tmp_path / "none" / "deep" / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match="no images in this folder; write 'none/\\*\\*' to read"):
        image_files.expand("none")
    assert image_files.expand("none/**") == ["none/deep/a.png"]


def test_photographs_that_cannot_be_read_are_listed_and_videos_are_not(tmp_path):
    for name in ("a.jpg", "b.HEIC", "c.avif", "b.mov", "d.pdf", "a.nef"):
        (tmp_path / name).write_bytes(b"")
    found = [os.path.basename(path) for path in image_files.expand(str(tmp_path))]
    assert found == ["a.jpg", "b.HEIC", "c.avif"]


# -- check -----------------------------------------------------------------------------------------


@pytest.fixture
def bad(tmp_path, monkeypatch):
    """Change to a folder with every kind of path that is not an image file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "link.png").symlink_to("gone.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    os.mkfifo("pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.png")


@pytest.mark.parametrize(
    "path, fault",
    [
        ("none.png", "none.png: no such file; give the path of a PNG or JPEG image"),
        ("none/a.png", "none/a.png: no such file; "),
        ("", ": no such file; "),
        ("a\0.png", r"a\x00.png: no such file; "),
        ("a\nb.png", r"a\nb.png: no such file; "),
        ("a.png/b.png", "a.png/b.png: no such file, because a part of this path is not a folder; "),
        ("link.png", "link.png: a broken link to gone.png; correct it, or "),
        ("loop.png", "loop.png: a broken link to loop.png; correct it, or "),
        ("folder.png", "folder.png: a folder, not an image file; give "),
        ("pipe.png", "pipe.png: a pipe, not an image file; give "),
        ("socket.png", "socket.png: a socket, not an image file; give "),
        ("/dev/null", "/dev/null: a device, not an image file; give "),
        ("empty.png", "empty.png: an empty file; save it again as PNG or JPEG"),
        ("x" * 300, "x" * 80 + "...: the name is too long for a file; give "),
    ],
)
def test_path_that_is_no_image_file_is_named(bad, path, fault):
    with pytest.raises(DataError) as caught:
        image_files.check(path)
    assert str(caught.value).startswith(fault)
    assert len(str(caught.value).splitlines()) == 1


def test_folder_without_permission_is_named(monkeypatch):
    def closed(path):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(image_files.os, "stat", closed)  # root may read anything
    with pytest.raises(DataError, match="in/a.png: no permission to read it; change"):
        image_files.check("in/a.png")


@pytest.mark.parametrize("name", ["a b.png", "[1]*.png", "a\nb.png", "-42.png", "a.txt"])
def test_any_name_of_a_file_is_accepted(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    image_files.check(str(tmp_path / name))
