"""The words of the diagram."""

import pytest

from mtl.explain import captions, diagram
from mtl.explain.diagram import Layer, Step, Task

CONV = Layer("shared/conv1", "5x5 convolution", ("max pooling", "relu"), (27, 27, 48), 3648)
TOP = Layer("digit1", "dense", (), (11,), 5643)


def test_a_layer_in_words():
    assert captions.short_name(CONV) == "conv1"
    assert captions.layer_steps(CONV) == "5x5 convolution, max pooling, relu"
    assert captions.sizes(CONV.shape) == "27 x 27 x 48"
    assert captions.parameters(CONV) == "3,648 parameters"


@pytest.mark.parametrize(
    "words, formula, note",
    [
        (["cross entropy", "mean"], "mean CE", ""),
        (["cross entropy", "mean", "clip", "log"], "log(clip(mean CE))", ""),
        (["cross entropy", "mean of labelled", "log"], "log(mean CE)", "of labelled examples"),
    ],
)
def test_a_task_in_words(words, formula, note):
    steps = tuple(Step(word, op="") for word in words)
    task = Task("digit1", TOP, steps, loss=())
    assert captions.top(task) == ("dense, softmax of 11", "5,643 parameters")
    assert captions.formula(task) == formula
    assert captions.note(task) == note


def test_a_diagram_in_words(small):
    found = diagram.of(small)
    assert captions.image(found) == "54 x 54 x 3, scaled to 0..1, mean subtracted"
    assert captions.cost(found) == "cost, minimised by Adam"
    parts = captions.parts(found)
    assert parts["shared"] == "shared bottom: conv1 to dense1, 5 layers"
    assert parts["tops"] == "tops: length, digit1, digit2, digit3, digit4, digit5"
    assert parts["Adam"] == "Adam: shared by all variables"
    text = captions.sentences(found)
    for part in (
        "An image of 54 x 54 x 3 passes the shared layers",
        "conv1 (5x5 convolution, out 27 x 27 x 48)",
        "take the same 512 features",
        "A chain of 5 adds makes the cost.",
        "Adam minimises it over 22 variables, 1,931,774 parameters.",
    ):
        assert part in text
