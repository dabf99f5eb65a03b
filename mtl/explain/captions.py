"""The captions of the diagram, for all its formats."""

from collections.abc import Sequence

from mtl.explain import blocks
from mtl.explain.diagram import Diagram, Layer, Task


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


def top(task: Task) -> tuple[str, str]:
    """Return what the top of a task computes, in two lines."""
    return f"{task.top.kind}, softmax of {task.top.shape[-1]}", parameters(task.top)


def formula(task: Task) -> str:
    """Return the loss of a task as a formula: "log(clip(mean CE))"."""
    text = ""
    for step in task.steps:
        if step.word == "cross entropy":
            text = "CE"
        elif step.word.startswith("mean"):
            text = f"mean {text}"
        else:
            text = f"{step.word}({text})"
    return text


def note(task: Task) -> str:
    """Return an addition to the formula of a task: "of labelled examples", or ""."""
    words = [step.word for step in task.steps]
    return "of labelled examples" if "mean of labelled" in words else ""


def image(diagram: Diagram) -> str:
    """Return the shape of an image and its preprocessing."""
    return ", ".join([sizes(diagram.image), *diagram.before])


def cost(diagram: Diagram) -> str:
    """Return the caption of the cost."""
    return f"cost, minimised by {diagram.optimizer}"


def parts(diagram: Diagram) -> dict[str, str]:
    """Return a caption for each part except the cost, dict part -> text; see blocks.part_of."""
    layers = [short_name(layer) for layer in diagram.shared]
    tasks = ", ".join(task.name for task in diagram.tasks)
    if len(layers) > 2:
        layers = [f"{layers[0]} to {layers[-1]}, {len(layers)} layers"]
    return {
        blocks.IMAGE: f"image: {image(diagram)}",
        blocks.SHARED: f"shared bottom: {', '.join(layers)}",
        blocks.TOPS: f"tops: {tasks}",
        blocks.LOSSES: "labels: classes, and their probabilities",
        blocks.STEP: "global_step: counts the training steps",
        blocks.RATE: "learning_rate: its schedule",
        diagram.optimizer: f"{diagram.optimizer}: shared by all variables",
        blocks.WATCHED: "watched: losses and sums of gradients that must be finite",
    }


def sentences(diagram: Diagram) -> str:
    """Describe a diagram for readers who cannot see it."""
    shared = ", ".join(
        f"{short_name(layer)} ({layer.kind}, out {sizes(layer.shape)})" for layer in diagram.shared
    )
    tasks = ", ".join(task.name for task in diagram.tasks)
    first = diagram.tasks[0]
    loss = " ".join(filter(None, [formula(first), note(first)]))
    return (
        f"An image of {sizes(diagram.image)} passes the shared layers {shared}. "
        f"{len(diagram.tasks)} tops, {tasks}, take the same {sizes(diagram.shared[-1].shape)} "
        "features. Each is a dense layer with a softmax. "
        f"Each has a loss, {loss}. A chain of {len(diagram.adds)} adds makes the cost. "
        f"{diagram.optimizer} minimises it over {diagram.updated} variables, "
        f"{diagram.parameters:,} parameters."
    )
