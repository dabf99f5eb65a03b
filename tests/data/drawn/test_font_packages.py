"""The packages of the fonts, and the file of their licences."""

import os
import re

import pytest

from mtl.data.drawn import font_packages, glyphs
from mtl.data.drawn.font_packages import Font


@pytest.fixture(scope="module")
def shipped():
    path = os.path.join(os.path.dirname(glyphs.PATH), "GLYPHS_LICENSES.txt")
    with open(path, encoding="utf-8") as file:
        return file.read()


def test_lists_each_family_once_with_its_licence():
    fonts = [
        Font("B Bold", b"", "fonts-b", "B", "Apache-2.0", "Copyright\n B", False),
        Font("A Book", b"", "fonts-a", "A", "OFL-1.1", "Copyright A", False),
        Font("A Bold", b"", "fonts-a", "A", "OFL-1.1", "Copyright A", False),
    ]
    text = font_packages.licences(fonts, "THE LICENCE")
    assert text == (
        f"{font_packages.HEADER}\n"
        "A\n    Licence: OFL-1.1; Debian package: fonts-a\n    Copyright A\n\n"
        "B\n    Licence: Apache-2.0; Debian package: fonts-b\n    Copyright B\n\n"
        f"{'-' * 80}\n\nTHE LICENCE"
    )


def test_shipped_file_has_header_and_licence_text(shipped):
    assert shipped.startswith(font_packages.HEADER)
    assert "SIL OPEN FONT LICENSE" in shipped


def test_shipped_file_names_packages_with_their_licence(shipped):
    listed = re.findall(r"^    Licence: (\S+); Debian package: (\S+)$", shipped, re.MULTILINE)
    assert len(listed) > 100
    assert all(package in font_packages.PACKAGES[licence] for licence, package in listed)


def test_shipped_file_lists_every_family(shipped):
    lines = set(shipped.splitlines())
    for name in glyphs.load().names:
        words = str(name).split()
        families = {" ".join(words[:i]) for i in range(1, len(words) + 1)}
        assert families & lines, name
