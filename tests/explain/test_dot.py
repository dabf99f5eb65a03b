"""The text for Graphviz holds each part of the diagram and each edge between two parts."""

import itertools
import re

import pytest

from mtl.explain import diagram, dot
from mtl.explain.diagram import layers_of

pytestmark = pytest.mark.slow


def test_dot_has_each_edge_once(any_graph):
    found = diagram.of(any_graph)
    text = dot.render(found)
    assert text.startswith("digraph mtl {\n")
    assert text.endswith("\n}")
    assert text.count("{") == text.count("}")
    nodes = set(re.findall(r'(?m)^ +"?([^"\n]+?)"? \[label=', text))
    edges = _edges(text)
    assert {name for edge in edges for name in edge} == nodes
    tasks, layers = len(found.tasks), len(list(itertools.chain(*map(layers_of, found.tasks))))
    expected = len(found.shared) + layers + tasks + 2 * (tasks - 1) + 1
    assert len(edges) == len(set(edges)) == expected
    assert re.search(r'"shared/dense1" \[label="dense1\\n', text)


def test_dot_has_a_path_from_image_to_cost_through_each_task(any_graph):
    after, found = {}, diagram.of(any_graph)
    for start, end in _edges(dot.render(found)):
        after.setdefault(start, []).append(end)

    def paths(name):
        return 1 if name == "cost" else sum(map(paths, after[name]))

    assert paths("image") == len(found.tasks)


def _edges(text):
    """Return all (start, end) of a text for Graphviz."""
    return re.findall(r'(?m)^  "([^"]+)" -> "?([^";]+)"?;$', text)
