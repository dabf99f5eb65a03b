"""The SVG is well-formed, holds the words of the diagram, and draws nothing outside its edges."""

import os
import re
import xml.etree.ElementTree as ElementTree

import matplotlib
import pytest
from PIL import ImageFont

from mtl.explain import captions, diagram, svg

SVG = "{http://www.w3.org/2000/svg}"


def test_svg_holds_the_words_of_the_diagram(any_graph):
    found = diagram.of(any_graph)
    drawing = ElementTree.fromstring(svg.render(found))
    words = [each.text for each in drawing.iter(f"{SVG}text")]
    for layer in found.shared:
        assert layer.scope.removeprefix("shared/") in words
        assert f"{layer.parameters:,}" in words
        assert captions.sizes(layer.shape) in words
    for task in found.tasks:
        assert task.name in words
        assert set(captions.top(task)) <= set(words)
    assert captions.example(found) in words
    assert captions.cost(found) in words
    assert words.count("+") == len(found.tasks) - 1


def test_svg_holds_the_formula_of_each_loss(any_graph):
    drawing = ElementTree.fromstring(svg.render(diagram.of(any_graph)))
    words = [each.text for each in drawing.iter(f"{SVG}text")]
    formulas = {"log_sum": "log(clip(mean {}))", "linear": "mean {}"}
    losses = ["SE" if task.name == "height" else "CE" for task in any_graph.tasks]
    for loss in losses:
        formula = formulas[any_graph.config.objective].format(loss)
        assert words.count(formula) == losses.count(loss)
    labelled = any_graph.config.absent == "mask" or not any_graph.config.is_numbers
    assert words.count("of labelled examples") == (len(losses) if labelled else 0)


def test_svg_stays_inside_its_edges(any_graph):
    drawing = ElementTree.fromstring(svg.render(diagram.of(any_graph)))
    _, _, width, height = map(float, drawing.get("viewBox").split())
    for box in drawing.iter(f"{SVG}rect"):
        x, y, w, h = (float(box.get(name)) for name in ("x", "y", "width", "height"))
        assert 0 <= x and x + w <= width
        assert 0 <= y and y + h <= height
    for text in drawing.iter(f"{SVG}text"):
        assert 0 < float(text.get("x")) < width
        assert 0 < float(text.get("y")) < height


def test_svg_has_a_dark_style_and_loads_nothing(small):
    text = svg.render(diagram.of(small))
    assert "prefers-color-scheme:dark" in text
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)


def test_svg_has_a_description_in_words(small):
    found = diagram.of(small)
    drawing = ElementTree.fromstring(svg.render(found))
    assert drawing.get("role") == "img"
    assert drawing.get("aria-labelledby") == "t d"
    assert drawing.find(f"{SVG}desc").text == captions.sentences(found)


# -- text within its box ---------------------------------------------------------------------------

# DejaVu Sans is wider than other fonts without serifs.
FONT = os.path.join(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
LONG = "position_of_the_first_digit"


def extent(text):
    """Return the left, top, right and bottom of the letters of a text element, in pixels."""
    kinds = text.get("class", "").split()
    font = ImageFont.truetype(FONT, 12 if "n" in kinds else 14)
    width = font.getlength(text.text)
    x, y = float(text.get("x")), float(text.get("y"))
    left = x if "left" in kinds else x - width if "right" in kinds else x - width / 2
    _, top, _, bottom = font.getbbox(text.text, anchor="ls")
    return left, y + top, left + width, y + bottom


def distance(inner, outer):
    """Return how far `inner` is from the nearest edge of `outer`; negative outside of it."""
    left, top, right, bottom = [a - b for a, b in zip(inner, outer)]
    return min(left, top, -right, -bottom)


def overlap(first, second):
    return all(first[i] < second[i + 2] and second[i] < first[i + 2] for i in (0, 1))


def a_diagram(tasks, names="digit", layers=2):
    """Return a diagram of `tasks` tasks with names of a given length."""
    steps = [diagram.Step(word, word) for word in ("cross entropy", "mean of labelled", "clip")]
    then = ("max pooling", "maxout", "mean subtracted", "dropout")
    shared = [
        diagram.Layer(f"shared/{names}{k}", "11x11 convolution", then, (127, 127, 1024), 123456789)
        for k in range(layers)
    ]
    tops = []
    for k in range(tasks):
        top = diagram.Layer(f"{names}{k}", "dense", (), (1000,), 12345678)
        hidden = (diagram.Layer(f"{names}{k}/dense1", "dense", ("relu", "dropout"), (128,), 9),)
        tops.append(diagram.Task(f"{names}{k}", hidden, top, "softmax", tuple(steps), ("loss",)))
    adds = tuple(f"add{k}" for k in range(tasks - 1))
    before = ("scaled to 0..1", "mean subtracted")
    return diagram.Diagram((54, 54, 3), before, tuple(shared), tuple(tops), adds, "Adam", 9, 99)


def check_text(found):
    """Check that each text is at least 4 pixels inside its box, and that no two overlap."""
    drawing = ElementTree.fromstring(svg.render(found))
    texts = {text: extent(text) for text in drawing.iter(f"{SVG}text") if text.text != "+"}
    boxes = []
    for box in drawing.iter(f"{SVG}rect"):
        x, y, width, height = (float(box.get(name)) for name in ("x", "y", "width", "height"))
        boxes.append((x, y, x + width, y + height))
    for text, inner in texts.items():
        own = [distance(inner, box) for box in boxes if overlap(inner, box)]
        assert len(own) == 1 and own[0] >= 4, f"{text.text!r}: {own} pixels inside its box"
        others = [
            other.text for other in texts if other is not text and overlap(inner, texts[other])
        ]
        assert not others, f"{text.text!r} overlaps {others}"


def test_text_stays_inside_its_box(any_graph):
    check_text(diagram.of(any_graph))


@pytest.mark.parametrize("names", ["y", "digit", LONG])
@pytest.mark.parametrize("tasks", [1, 2, 9])
def test_long_names_and_any_number_of_tasks_stay_inside_their_boxes(tasks, names):
    check_text(a_diagram(tasks, names))
