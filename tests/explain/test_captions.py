"""The words of the diagram."""

import pytest

from mtl.explain import captions, diagram
from mtl.explain.diagram import Layer, Step, Task

pytestmark = pytest.mark.slow

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
        (["squared error", "mean"], "mean SE", ""),
        (["cross entropy", "mean of labelled", "log"], "log(mean CE)", "of labelled examples"),
    ],
)
def test_a_task_in_words(words, formula, note):
    steps = tuple(Step(word, op="") for word in words)
    task = Task("digit1", (), TOP, "softmax", steps, loss=())
    assert captions.top(task) == ("dense, softmax of 11", "5,643 parameters")
    assert captions.formula(task) == formula
    assert captions.note(task) == note


def test_a_top_with_hidden_layers_in_words():
    hidden = tuple(
        Layer(f"height/dense{k}", "dense", ("relu",), (units,), 10 * k)
        for k, units in ((1, 128), (2, 64))
    )
    top = Layer("height", "dense", (), (1,), 7)
    lines = captions.top(Task("height", hidden, top, "scaled value", (), ()))
    assert lines == (
        "dense, scaled value",
        "37 parameters",
        "dense2: dense of 64, relu",
        "dense1: dense of 128, relu",
    )


def test_own_tasks_in_words(graph_of):
    found = diagram.of(graph_of("features"))
    parts = captions.parts(found)
    assert parts["image"] == "features: 4, standardised"
    assert parts["losses"] == "labels, and their targets"
    text = captions.sentences(found)
    for part in (
        "A vector of 4 passes the shared layers",
        "Each is a dense layer with a softmax or a scaled value.",
        "Each has a loss, mean CE of labelled examples or mean SE of labelled examples.",
        "GradientDescent minimises it over",
    ):
        assert part in text
    assert "Each is 2 hidden layers and a dense" in captions.sentences(diagram.of(graph_of("own")))


def test_a_diagram_in_words(small):
    found = diagram.of(small)
    assert captions.inputs(found) == "54 x 54 x 3, scaled to 0..1, mean subtracted"
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
