"""The events of your own tasks."""

import io

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

import helpers
from mtl import run_files, tasks, train
from mtl.config import Config
from mtl.data.examples import Examples
from mtl.evaluation import by_task
from mtl.inputs import Inputs
from mtl.monitor import tensorboard
from tests import event_files

pytestmark = pytest.mark.slow

OWN = tasks.parse("digit:3,height:real")


def own_events(directory, inputs):
    """Write an evaluation of two tasks on seven examples; return its row."""
    examples = Examples(
        np.zeros((7, *inputs.shape), inputs.dtype),
        {
            "digit": np.int32([0, 1, 2, -1, 0, 1, 2]),
            "height": np.float32([1, 2, 3, 4, 5, 6, "nan"]),
        },
        ["a|b", *"bcdefg"],
    )
    outputs = {"digit": np.log(np.eye(3, dtype=np.float32)[[0, 1, 1, 0, 0, 1, 2]] * 0.7 + 0.1)}
    outputs["height"] = np.full((7, 1), 2.5, np.float32)
    row = by_task.measure(outputs, examples.labels, OWN, helpers.value_of("linear"))
    row["score"] = by_task.score(row, OWN)
    config = Config(bottom="mlp", tasks=tasks.text(OWN), dataset="npz", objective="linear")
    run = run_files.Run(config, OWN, inputs)
    events = tensorboard.Events(run, str(directory), 0, print)
    with tf.Graph().as_default(), tf.Session() as session:
        graph = train.build(config, tasks=OWN, inputs=inputs)
        events.watch(session, graph)
        session.run(tf.global_variables_initializer())
        taken = np.zeros((5, *inputs.network_shape), inputs.dtype)
        labels = {name: each[:5] for name, each in examples.labels.items()}
        events.step(1, 0.5, {"digit": 1.5, "height": 0.0}, taken, labels)
        events.evaluated(row, examples, outputs)
    events.close()
    return row


def test_own_tasks_have_their_metrics_and_an_image(tmp_path):
    row = own_events(tmp_path, Inputs((10, 12, 1), 0))
    found = event_files.scalars(tmp_path)
    expected = {"cost", "lr", "validation/score", "validation/cost"}
    for name, metrics in (
        ("digit", ["accuracy", "balanced_accuracy", "macro_f1"]),
        ("height", ["rmse", "mae", "r2"]),
    ):
        expected |= {f"loss/{name}/{what}" for what in ("mean", "log", "at_floor")}
        expected |= {f"grad_norm/shared/{name}", f"validation/{name}/loss"}
        expected |= {f"{metric}/{name}" for metric in metrics}
    assert {tag for _, tag in found} == expected
    assert found[0, "accuracy/digit"] == np.float32(row["tasks"]["digit"]["accuracy"])
    assert found[0, "validation/score"] == np.float32(row["score"])
    (value,) = [value for value in _values(tmp_path) if value.HasField("image")]
    drawn = Image.open(io.BytesIO(value.image.encoded_image_string))
    assert value.tag == "validation/predictions" and drawn.width > 6 * 64


def test_feature_vectors_have_a_table(tmp_path):
    own_events(tmp_path, Inputs((4,), 0, "float32"))
    (value,) = [value for value in _values(tmp_path) if value.HasField("tensor")]
    assert value.tag == "validation/predictions"
    assert value.metadata.plugin_data.plugin_name == "text"
    rows = value.tensor.string_val[0].decode().splitlines()
    assert rows[:3] == [
        "| example | digit | height |",
        "| --- | --- | --- |",
        r"| a\|b | 0 (true 0) | 2.5 (true 1) |",
    ]
    assert rows[5] == "| d | 0 | 2.5 (true 4) |" and len(rows) == 9
    assert not [value for value in _values(tmp_path) if value.HasField("image")]


def test_many_tasks_have_no_gradient_norms_and_no_graph(tmp_path, monkeypatch):
    monkeypatch.setattr(tensorboard, "MANY", 1)
    own_events(tmp_path, Inputs((4,), 0, "float32"))
    tags = {tag for _, tag in event_files.scalars(tmp_path)}
    assert {"loss/digit/mean", "lr"} <= tags
    assert not [tag for tag in tags if tag.startswith("grad_norm")]
    assert not [event for event in event_files.read(tmp_path) if event.HasField("graph_def")]


def _values(directory):
    """Return the values of all summaries."""
    events = event_files.read(directory)
    return [value for event in events for value in event.summary.value]
