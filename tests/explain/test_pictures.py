"""The pictures are well-formed, say what the diagram says, and run over no edge."""

import re
import xml.etree.ElementTree as ElementTree

from mtl.explain import diagram, pictures

SVG = "{http://www.w3.org/2000/svg}"


def test_the_svg_says_what_the_diagram_says(any_graph):
    found = diagram.of(any_graph)
    picture = ElementTree.fromstring(pictures.svg(found))
    words = [each.text for each in picture.iter(f"{SVG}text")]
    for layer in found.shared:
        assert layer.scope.removeprefix("shared/") in words and f"{layer.parameters:,}" in words
        assert " x ".join(map(str, layer.shape)) in words
    for task in found.tasks:
        assert task.name in words and f"{task.top.parameters:,} parameters" in words
    assert words.count("+") == 5 and "cost, minimised by Adam" in words and "image" in words
    formulas = {"log_sum": "log(clip(mean CE))", "linear": "mean CE"}
    assert words.count(formulas[any_graph.config.objective]) == 6
    assert words.count("of the labelled") == 6 * (any_graph.config.absent == "mask")


def test_nothing_leaves_the_svg_and_it_is_light_and_dark(any_graph):
    text = pictures.svg(diagram.of(any_graph))
    picture = ElementTree.fromstring(text)
    _, _, width, height = map(float, picture.get("viewBox").split())
    for box in picture.iter(f"{SVG}rect"):
        x, y, w, h = (float(box.get(name)) for name in ("x", "y", "width", "height"))
        assert 0 <= x and 0 <= y and x + w <= width and y + h <= height
    for each in picture.iter(f"{SVG}text"):
        assert 0 < float(each.get("x")) < width and 0 < float(each.get("y")) < height
    assert "prefers-color-scheme:dark" in text and not re.search(
        r"https?://(?!www\.w3\.org/2000/svg)", text
    )


def test_the_svg_is_described_for_who_cannot_see_it(small):
    picture = ElementTree.fromstring(pictures.svg(diagram.of(small)))
    assert picture.get("role") == "img" and picture.get("aria-labelledby") == "t d"
    said = picture.find(f"{SVG}desc").text
    layer = "conv1 (5x5 convolution, out 27 x 27 x 48)"
    for part in (
        "54 x 54 x 3",
        layer,
        "512 features",
        "chain of 5 adds",
        "Adam",
        "22 variables, 1,931,774",
    ):
        assert part in said, part


def test_the_dot_has_an_edge_for_each_step_of_the_way(any_graph):
    found = diagram.of(any_graph)
    text = pictures.dot(found)
    assert (
        text.startswith("digraph mtl {\n")
        and text.endswith("\n}")
        and text.count("{") == text.count("}")
    )
    nodes = set(re.findall(r'(?m)^ +"?([^"\n]+?)"? \[label=', text))
    edges = re.findall(r'(?m)^  "([^"]+)" -> "?([^";]+)"?;$', text)
    assert {name for edge in edges for name in edge} == nodes
    assert len(edges) == len(set(edges)) == len(found.shared) + 2 * 6 + 2 * 5 + 1
    assert re.search(r'"shared/dense1" \[label="dense1\\n', text)
    # From the image one comes to the cost along every task.
    after = {}
    for start, end in edges:
        after.setdefault(start, []).append(end)

    def ways(name):
        return 1 if name == "cost" else sum(map(ways, after[name]))

    assert ways("image") == 6
