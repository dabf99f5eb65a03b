"""images.expand: the image files that a command-line argument names."""

import pytest

from mtl.data import images
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
        ("missing.png", ["missing.png"]),  # images.read reports it
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
    assert images.expand(argument) == found


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
        ("photos[1]/missing.jpg", ["photos[1]/missing.jpg"]),  # images.read reports it
    ],
)
def test_existing_folder_is_not_read_as_a_pattern(tmp_path, monkeypatch, argument, found):
    for path in BRACKETS:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert images.expand(argument) == found
    if not argument.startswith("."):
        assert images.expand(str(tmp_path / argument)) == [str(tmp_path / path) for path in found]


def test_leading_tilde_is_the_home_folder_unless_a_file_has_that_name(tmp_path, monkeypatch):
    home, here = tmp_path / "home[7]", tmp_path / "here"
    for path in (home / "a.jpg", home / "b.png", here / "c.png"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    assert images.expand("~/a.jpg") == [str(home / "a.jpg")]
    assert images.expand("~/*.png") == [str(home / "b.png")]
    assert images.expand("~") == [str(home / "a.jpg"), str(home / "b.png")]
    (here / "~").mkdir()
    (here / "~" / "d.png").write_bytes(b"")
    assert images.expand("~/*") == ["~/d.png"]


@pytest.mark.parametrize(
    "argument, fault",
    [
        ("none", "no images in this folder"),
        ("folder.png", "no images in this folder"),
        ("z*.png", "no images match this pattern"),
        ("*.csv", "no images match this pattern"),
    ],
)
def test_argument_without_images_is_an_error(album, argument, fault):
    with pytest.raises(DataError) as caught:
        images.expand(argument)
    assert str(caught.value).startswith(f"{argument}: {fault}; name image files")
