"""The SVG is well-formed, holds the words of the diagram, and draws nothing outside its edges."""

import re
import xml.etree.ElementTree as ElementTree

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
        assert f"{task.top.parameters:,} parameters" in words
    assert "image" in words
    assert "cost, minimised by Adam" in words
    assert words.count("+") == 5


def test_svg_holds_the_formula_of_each_loss(any_graph):
    drawing = ElementTree.fromstring(svg.render(diagram.of(any_graph)))
    words = [each.text for each in drawing.iter(f"{SVG}text")]
    formulas = {"log_sum": "log(clip(mean CE))", "linear": "mean CE"}
    assert words.count(formulas[any_graph.config.objective]) == 6
    masked = any_graph.config.absent == "mask"
    assert words.count("of labelled examples") == (6 if masked else 0)


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
