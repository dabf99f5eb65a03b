"""mtl.inference.reading: batches, views and progress, with a network in NumPy."""

import numpy as np
import pytest

from mtl import tasks
from mtl.inference import reading, views
from mtl.inputs import NUMBERS, Inputs


def images_of(count):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, *NUMBERS.shape), dtype=np.uint8)


class Recorder:
    """A network whose outputs depend on one pixel; it records the shapes it is given."""

    tasks, inputs = tasks.NUMBER_TASKS, NUMBERS

    def __init__(self):
        self.shapes = []

    def outputs(self, images):
        self.shapes.append(images.shape)
        pixels = np.float32(images[:, 27, 27, :1]) / -255.0
        return {task.name: pixels - np.arange(task.outputs) for task in tasks.NUMBER_TASKS}


class Never(Recorder):
    def outputs(self, images):
        raise AssertionError("the network must not run")


def test_keeps_the_order_and_reports_progress():
    images, progress = images_of(7), []
    network = Recorder()
    log_probs = reading.read(
        network, images, batch=3, progress=lambda *numbers: progress.append(numbers)
    )
    assert progress == [(3, 7), (6, 7), (7, 7)]
    assert network.shapes == [(3, 54, 54, 3), (3, 54, 54, 3), (1, 54, 54, 3)]
    assert list(log_probs) == [task.name for task in tasks.NUMBER_TASKS]
    expected = Recorder().outputs(images[:, 5:59, 5:59])
    for name, rows in log_probs.items():
        assert rows.dtype == np.float32
        np.testing.assert_allclose(rows, expected[name], rtol=1e-6)


@pytest.mark.parametrize("count", [2, 4])
def test_averages_views_and_bounds_the_batch(count):
    images, network = images_of(5), Recorder()
    log_probs = reading.read(network, images, count=count, batch=8)
    assert max(shape[0] for shape in network.shapes) <= 8
    outputs = [Recorder().outputs(view) for view in views.views(images, count, 54)]
    for name, rows in views.average(outputs).items():
        np.testing.assert_allclose(log_probs[name], rows, rtol=1e-6)


def test_a_batch_smaller_than_the_views_holds_one_image():
    network = Recorder()
    reading.read(network, images_of(2), count=4, batch=1)
    assert [shape[0] for shape in network.shapes] == [4, 4]


def test_no_images_give_empty_outputs():
    log_probs = reading.read(Never(), images_of(0))
    assert [rows.shape for rows in log_probs.values()] == [(0, 7)] + [(0, 11)] * 5


@pytest.mark.parametrize(
    "images",
    [images_of(11) / 255.0, images_of(0) / 255.0, images_of(11)[0], list(images_of(11)), None],
)
def test_rejects_images_of_another_type_before_the_network_runs(images):
    with pytest.raises(ValueError, match=r"^inputs must be uint8 \[n, 64, 64, 3\] .*, got "):
        reading.read(Never(), images)


# -- other tasks -----------------------------------------------------------------------------------


class Mixed:
    """A network of two tasks that gives the sum and the first value of each input."""

    tasks = (tasks.Task("odd", 2), tasks.Task("height", 1, "real"))

    def __init__(self, inputs):
        self.inputs = inputs

    def outputs(self, inputs):
        assert inputs.shape[1:] == self.inputs.network_shape
        flat = np.float32(inputs.reshape(len(inputs), -1))
        return {"odd": flat[:, [0, 0]], "height": flat.sum(axis=1, keepdims=True)}


@pytest.mark.parametrize(
    "inputs",
    [Inputs((5, 7, 1), 0, "uint8"), Inputs((5, 7, 3), 3, "float32"), Inputs((7,), 0, "float32")],
)
def test_reads_any_tasks_and_inputs(inputs):
    rng = np.random.default_rng(2)
    values = (9 * rng.random((11, *inputs.shape))).astype(inputs.dtype)
    found = reading.read(Mixed(inputs), values, batch=4)
    assert [rows.shape for rows in found.values()] == [(11, 2), (11, 1)]
    seen = values[:, 1:4, 2:5] if inputs.crop else values
    np.testing.assert_allclose(found["height"][:, 0], seen.reshape(11, -1).sum(axis=1), rtol=1e-5)


def test_several_views_are_refused_for_other_tasks():
    images = np.zeros((2, 5, 7, 1), np.uint8)
    with pytest.raises(ValueError, match="4 views apply only to the tasks of numbers; use 1"):
        reading.read(Mixed(Inputs((5, 7, 1), 0)), images, count=4)


def test_numbers_without_a_crop_are_seen_whole():
    network = Recorder()
    network.inputs = NUMBERS._replace(crop=0)
    reading.read(network, images_of(3), count=4)
    assert network.shapes == [(12, 64, 64, 3)]
