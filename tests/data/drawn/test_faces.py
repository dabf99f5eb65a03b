"""The choice of faces for the atlas."""

import numpy as np
import pytest

from mtl.data.drawn import faces
from mtl.data.drawn.font_packages import Font


def face(name, level, stroke=3.0, struck=False, old=False):
    """Return a Face whose fields are `level` everywhere."""
    font = Font(name, b"", "fonts-a", "A", "OFL-1.1", "Copyright A", alternative=False)
    field = np.full((10, 32, 32), level)
    return faces.Face(font, field, np.zeros((10, 4)), 0.4, stroke, struck, old)


def chosen(listed, count=400, least=0.02):
    return [face.font.name for face in faces.choose(listed, count, least)]


def test_chooses_the_most_different_face_each_time():
    listed = [face("a", 0.0), face("b", 0.1), face("c", 1.0), face("d", 0.6)]
    assert chosen(listed, 1) == ["a"]
    assert chosen(listed, 2) == ["a", "c"]
    assert chosen(listed, 3) == ["a", "c", "d"]
    assert chosen(listed) == ["a", "b", "c", "d"]


def test_stops_at_the_least_difference():
    listed = [face("a", 0.0), face("b", 0.1), face("c", 1.0), face("d", 0.6)]
    assert chosen(listed, least=0.35) == ["a", "c", "d"]


def test_skips_hairlines():
    assert chosen([face("a", 0.0), face("b", 1.0, stroke=1.4)]) == ["a"]


def test_limits_the_faces_of_a_kind(monkeypatch):
    monkeypatch.setitem(faces.LIMITS, "slanted", 1)
    listed = [face("a", 0.0), face("b Italic", 1.0), face("c Oblique", -1.0), face("d", 0.5)]
    assert chosen(listed) == ["a", "b Italic", "d"]


@pytest.mark.parametrize(
    "options, kinds",
    [
        ({}, []),
        ({"name": "a Italic"}, ["slanted"]),
        ({"stroke": 2.2}, ["thin"]),
        ({"struck": True, "old": True}, ["struck", "old"]),
    ],
)
def test_kinds(options, kinds):
    assert face(**{"name": "a", "level": 0.0, **options}).kinds == kinds
