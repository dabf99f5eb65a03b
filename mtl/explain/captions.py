"""The captions of the diagram, for all its formats."""

from collections.abc import Sequence

from mtl.explain import blocks
from mtl.explain.diagram import Diagram, Layer, Task, layers_of


def sizes(shape: Sequence[int]) -> str:
    """Return a shape as text: "27 x 27 x 48"."""
    return " x ".join(map(str, shape))


def short_name(layer: Layer) -> str:
    """Return the name of a layer within its scope: "conv1"."""
    return layer.scope.rpartition("/")[2]


def layer_steps(layer: Layer) -> str:
    """Return what a layer computes: "3x3 convolution, relu"."""
    return ", ".join([layer.kind, *layer.then])


def parameters(layer: Layer) -> str:
    """Return the number of parameters of a layer as text."""
    return f"{layer.parameters:,} parameters"


def top(task: Task) -> tuple[str, ...]:
    """Return what the top of a task computes, in lines. Below two come its hidden layers."""
    outputs = task.top.shape[-1]
    of = f" of {outputs}" if outputs > 1 else ""
    total = sum(layer.parameters for layer in layers_of(task))
    hidden = [hidden_layer(layer) for layer in reversed(task.hidden)]
    return f"{task.top.kind}, {task.output}{of}", f"{total:,} parameters", *hidden


def hidden_layer(layer: Layer) -> str:
    """Return a hidden layer of a top: "dense1: dense of 64, relu"."""
    steps = ", ".join([f"{layer.kind} of {layer.shape[-1]}", *layer.then])
    return f"{short_name(layer)}: {steps}"


def formula(task: Task) -> str:
    """Return the loss of a task as a formula: "log(clip(mean CE))"."""
    text = ""
    for step in task.steps:
        if not text:
            text = "".join(word[0] for word in step.word.split()).upper()
        elif step.word.startswith("mean"):
            text = f"mean {text}"
        else:
            text = f"{step.word}({text})"
    return text


def note(task: Task) -> str:
    """Return an addition to the formula of a task: "of labelled examples", or ""."""
    words = [step.word for step in task.steps]
    return "of labelled examples" if "mean of labelled" in words else ""


def example(diagram: Diagram) -> str:
    """Return the noun for what the network takes."""
    return "image" if len(diagram.inputs) == 3 else "features"


def inputs(diagram: Diagram) -> str:
    """Return the shape of an example and its preprocessing."""
    return ", ".join([sizes(diagram.inputs), *diagram.before])


def cost(diagram: Diagram) -> str:
    """Return the caption of the cost."""
    return f"cost, minimised by {diagram.optimizer}"


def parts(diagram: Diagram) -> dict[str, str]:
    """Return a caption for each part except the cost, dict part -> text; see blocks.part_of."""
    layers = [short_name(layer) for layer in diagram.shared]
    if len(layers) > 2:
        layers = [f"{layers[0]} to {layers[-1]}, {len(layers)} layers"]
    return {
        blocks.IMAGE: f"{example(diagram)}: {inputs(diagram)}",
        blocks.SHARED: f"shared bottom: {', '.join(layers)}",
        blocks.TOPS: f"tops: {', '.join(task.name for task in diagram.tasks)}",
        blocks.LOSSES: _labels(diagram),
        blocks.STEP: "global_step: counts the training steps",
        blocks.RATE: "learning_rate: its schedule",
        diagram.optimizer: f"{diagram.optimizer}: shared by all variables",
        blocks.WATCHED: "watched: losses and sums of gradients that must be finite",
    }


def _labels(diagram):
    """Return the caption of the operations that prepare the labels."""
    softmax = all(task.output == "softmax" for task in diagram.tasks)
    return "labels: classes, and their probabilities" if softmax else "labels, and their targets"


def sentences(diagram: Diagram) -> str:
    """Describe a diagram for readers who cannot see it."""
    shared = ", ".join(
        f"{short_name(layer)} ({layer.kind}, out {sizes(layer.shape)})" for layer in diagram.shared
    )
    tasks = ", ".join(task.name for task in diagram.tasks)
    what = "An image" if example(diagram) == "image" else "A vector"
    return (
        f"{what} of {sizes(diagram.inputs)} passes the shared layers {shared}. "
        f"{len(diagram.tasks)} tops, {tasks}, take the same {sizes(diagram.shared[-1].shape)} "
        f"features. {_tops(diagram.tasks)} {_losses(diagram)} "
        f"{diagram.optimizer} minimises it over {diagram.updated} variables, "
        f"{diagram.parameters:,} parameters."
    )


def _tops(tasks):
    """Describe the tops in a sentence."""
    outputs = list(dict.fromkeys(f"a {task.output}" for task in tasks))
    hidden = len(tasks[0].hidden)
    layers = f"{hidden} hidden layers and a dense layer" if hidden else "a dense layer"
    return f"Each is {layers} with {' or '.join(outputs)}."


def _losses(diagram):
    """Describe the losses and the cost in sentences."""
    losses = [" ".join(filter(None, [formula(task), note(task)])) for task in diagram.tasks]
    adds = f"A chain of {len(diagram.adds)} adds makes the cost."
    if not diagram.adds:
        adds = "The objective makes the cost of them."
    return f"Each has a loss, {' or '.join(dict.fromkeys(losses))}. {adds}"
