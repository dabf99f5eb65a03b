"""The page at / of `mtl serve`: give an image, or features, and see what the network predicts."""

import json
import os

from mtl import tasks as tasks_lib
from mtl.data import images
from mtl.inference import decoding
from mtl.inputs import Inputs
from mtl.reports import page
from mtl.reports.page import Html, escape
from mtl.tasks import Task

# Scripts in this order. The first ones belong to every page.
_COMMON = ("page.js", "ask.js", "answer.js")
_OF_IMAGES = ("image.js", "box.js", "drawing.js", "camera.js", "sources.js")
_OF_FEATURES = ("features.js",)
MOST_FIELDS = 50  # more features have one field for all
_PRIVACY = (
    "{what} only to the server of this page. It stores nothing, and the page loads nothing else."
)
_EXAMPLE = (
    '<button type="button" id="example" class="example"><canvas id="sign" width="480" '
    'height="200" aria-hidden="true"></canvas>Try this example</button>'
)
_GUIDE = '<div id="guide" class="guide" aria-hidden="true"></div>'
_INK = '<label class="check"><input type="checkbox" id="negative">Light on dark</label>'


def render(name: str, version: int, tasks: tuple[Task, ...], inputs: Inputs) -> str:
    """Return the page of a network, a whole HTML document.

    Args:
      name: of the model.
      version: of the model.
      tasks: of the network.
      inputs: what the network takes.
    """
    numbers = tasks_lib.is_numbers(tasks)
    words = _image_words(numbers) if inputs.is_images else _feature_words(inputs)
    named = {"name": escape(name), "version": version, "command": _command(inputs)}
    lead = words["lead"].format(tasks=escape(_listed([task.name for task in tasks])))
    body = _own("page.html") % {**words, **named, "lead": lead}
    scripts = _COMMON + (_OF_IMAGES if inputs.is_images else _OF_FEATURES)
    return page.document(
        f"{words['heading']}: {name}",
        body,
        style=_own("page.css"),
        script="".join(map(_own, scripts)),
        data=_data(tasks, inputs, numbers),
        connects=True,
    )


def _own(name):
    """Return the text of a file in the folder of this module."""
    folder = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return file.read()


def _image_words(numbers):
    """Return the parts of page.html for a network of images."""
    parts = {
        "example": _EXAMPLE if numbers else "",
        "write": "Write a number here" if numbers else "Draw here",
        "ink": "" if numbers else _INK,
        "guide": _GUIDE if numbers else "",
    }
    found = {
        "input": _own("images.html") % parts,
        "input_head": "Image",
        "waiting": "Reading \u2026" if numbers else "Predicting \u2026",
        "privacy": _PRIVACY.format(what="An image goes"),
        "details_head": "Probabilities",
    }
    if numbers:
        words = {
            "heading": "Read a number",
            "lead": "The network reads house numbers of up to five digits, photographed or drawn.",
            "answer_head": "Number",
            "nothing": "The number appears here, with its confidence.",
        }
    else:
        words = {
            "heading": "Predict from an image",
            "lead": "The network predicts {tasks} from one image.",
            "answer_head": "Prediction",
            "nothing": "The prediction appears here.",
        }
    return {**found, **words}


def _feature_words(inputs):
    """Return the parts of page.html for a network of features."""
    count = inputs.shape[0]
    if count > MOST_FIELDS:
        hint = f"Enter {count} numbers, separated by commas, spaces or new lines."
    else:
        hint = "Enter a number for each feature."
    if inputs.mean:
        hint += " The fields start with the means of the training data."
    fields = _all_fields(inputs) if count > MOST_FIELDS else _fields(inputs)
    return {
        "heading": "Predict from features",
        "lead": f"The network predicts {{tasks}} from {_plural(count, 'number')}.",
        "input_head": "Features",
        "input": _own("features.html") % {"hint": hint, "fields": fields},
        "answer_head": "Prediction",
        "nothing": "The prediction appears here.",
        "waiting": "Predicting \u2026",
        "details_head": "Probabilities",
        "privacy": _PRIVACY.format(what="The numbers go"),
    }


def _fields(inputs):
    """Return a labelled field for each feature."""
    lines = []
    for index, name in enumerate(_names(inputs)):
        first = f' value="{inputs.mean[index]:.4g}"' if inputs.mean else ""
        lines.append(
            f'<label>{escape(name)}<input type="number" step="any" id="feature-{index}"{first} '
            'aria-describedby="error"></label>'
        )
    return f'<div class="fields">{"".join(lines)}</div>'


def _all_fields(inputs):
    """Return one field for many features."""
    first = ", ".join(f"{value:.4g}" for value in inputs.mean)
    label = "Features, in this order: " + ", ".join(inputs.names) if inputs.names else "Features"
    return (
        f'<label class="all">{escape(label)}<textarea id="features" rows="8" spellcheck="false" '
        f'aria-describedby="error">{first}</textarea></label>'
    )


def _names(inputs):
    """Return the name of each feature."""
    return list(inputs.names) or [f"feature {index + 1}" for index in range(inputs.shape[0])]


def _command(inputs):
    """Return the command that sends an example; the script replaces the address."""
    sent = "--data-binary @image.jpg"
    if not inputs.is_images:
        shown = [0.0] * min(inputs.shape[0], 2)
        more = ", ..." if inputs.shape[0] > 2 else ""
        text = json.dumps({"features": shown})[:-2] + more + "]}"
        sent = f"-H 'Content-Type: application/json' -d '{text}'"
    address = Html('<span id="address">http://127.0.0.1:8501/</span>')
    return Html(f"curl {escape(sent)} {address}predict")


def _data(tasks, inputs, numbers):
    """Return the data for the script."""
    return {
        "numbers": numbers,
        "tasks": [task.name for task in tasks],
        "noNumber": decoding.NO_NUMBER,
        "tooMany": decoding.TOO_MANY,
        "growth": images.GROWTH if numbers else 1.0,
        # Of a drawing: height and width.
        "shape": list(inputs.shape[:2]) if inputs.is_images else None,
        "features": None if inputs.is_images else _names(inputs),
    }


def _listed(names):
    """Return names as text: "a", "a and b", "a, b and c"; of many, the first."""
    if len(names) > 8:
        names = [*names[:7], f"{len(names) - 7} other tasks"]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _plural(count, what):
    return f"{count} {what}{'s' if count != 1 else ''}"
