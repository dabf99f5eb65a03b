"""`mtl predict` and the formats of `mtl export`, each as a function of images before the crop.

An output is a list of numbers, and the probabilities of the length and the digits, [n, 62].
"""

import contextlib
import json
import os
import time

import numpy as np

from mtl import tasks

BATCH = 64
FORMATS = ("saved_model", "frozen", "tflite", "onnx")
# What writes and runs a format, beside TensorFlow.
PACKAGES = {"tflite": ("ai_edge_litert",), "onnx": ("tf2onnx", "onnx", "onnxruntime")}


class Side:
    """A model in this process."""

    def __init__(self, call):
        """Take a function: images -> list of numbers, probabilities [n, 62]."""
        self._call = call

    def outputs(self, images):
        """Return the numbers and the probabilities of images, in batches."""
        parts = [self._call(images[i : i + BATCH]) for i in range(0, len(images), BATCH)]
        numbers = [number for part, _ in parts for number in part]
        return numbers, np.concatenate([rows for _, rows in parts])

    def seconds(self, images, times):
        """Return the seconds that some calls take."""
        start = time.perf_counter()
        for _ in range(times):
            self._call(images)
        return time.perf_counter() - start


@contextlib.contextmanager
def predict(model_dir):
    """Open a run as `mtl predict` does."""
    from mtl.inference import predictions
    from mtl.inference.network import Network

    with Network.open(model_dir) as network:
        settings = {"views": network.config.views, "temperature": network.temperature}

        def call(images):
            found = predictions.predictions(network, range(len(images)), images, **settings)
            rows = [np.concatenate([row["length"], *row["digits"]]) for row in found]
            return [row["number"] for row in found], np.array(rows)

        yield Side(call)


@contextlib.contextmanager
def exported(path):
    """Open the model of an export by its file name."""
    with opened(path) as call:
        yield Side(lambda images: _decoded(call(images)))


@contextlib.contextmanager
def opened(path):
    """Open the model of an export as a function: examples -> dict output -> array."""
    with open(os.path.join(os.path.dirname(path), "mtl.json"), encoding="utf-8") as file:
        name, signature = list(json.load(file)["signatures"].items())[-1]
    taken = signature["input"]["name"]
    outputs = [each["name"] for each in signature["outputs"]]
    with contextlib.ExitStack() as stack:
        if path.endswith(".tflite"):
            run = _tflite(path, name)
            yield lambda values: run(**{taken: values})
        elif path.endswith(".onnx"):
            run = _onnx(path).run
            yield lambda values: dict(zip(outputs, run(outputs, {taken: values})))
        else:
            session = stack.enter_context(_graph(path))
            tensors = {each: f"{each}:0" for each in outputs}
            yield session.make_callable(tensors, [f"{taken}:0"])


def _tflite(path, signature):
    """Open a TensorFlow Lite model."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=os.cpu_count())
    return interpreter.get_signature_runner(signature)


def _onnx(path):
    """Open an ONNX model."""
    import onnxruntime

    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def _graph(path):
    """Open a SavedModel or a frozen graph in a v1 session, with TensorFlow's own threads."""
    import tensorflow.compat.v1 as tf

    graph = tf.Graph()
    session = tf.Session(graph=graph)
    with graph.as_default():
        if os.path.basename(path) == "saved_model.pb":
            tf.saved_model.load(session, ["serve"], os.path.dirname(path))
        else:
            graph_def = tf.GraphDef()
            with open(path, "rb") as file:
                graph_def.ParseFromString(file.read())
            tf.graph_util.import_graph_def(graph_def, name="")
    return session


def _decoded(outputs):
    """Return the numbers and the probabilities of the outputs of a model."""
    if "number" in outputs:
        texts = [text.decode() for text in outputs["number"]]
        numbers = [None if text == "X" else text for text in texts]
    else:
        names = [task.name for task in tasks.NUMBER_TASKS]
        numbers = [tasks.decode(dict(zip(names, row))) for row in outputs["classes"].tolist()]
    digits = outputs["digits"].reshape(len(numbers), -1)
    return numbers, np.concatenate([outputs["length"], digits], axis=1)
