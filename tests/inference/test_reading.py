"""mtl.inference.reading: batches, views and progress, with a network in NumPy."""

import numpy as np
import pytest

from mtl import tasks
from mtl.config import WINDOW
from mtl.inference import reading, views


def images_of(count):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, WINDOW, WINDOW, 3), dtype=np.uint8)


class Recorder:
    """A network whose outputs depend on one pixel; it records the shapes it is given."""

    def __init__(self):
        self.shapes = []

    def __call__(self, images):
        self.shapes.append(images.shape)
        pixels = np.float32(images[:, 27, 27, :1]) / -255.0
        return {task.name: pixels - np.arange(task.classes) for task in tasks.NUMBER_TASKS}


def never(images):
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
    expected = Recorder()(images[:, 5:59, 5:59])
    for name, rows in log_probs.items():
        assert rows.dtype == np.float32
        np.testing.assert_allclose(rows, expected[name], rtol=1e-6)


@pytest.mark.parametrize("count", [2, 4])
def test_averages_views_and_bounds_the_batch(count):
    images, network = images_of(5), Recorder()
    log_probs = reading.read(network, images, count=count, batch=8)
    assert max(shape[0] for shape in network.shapes) <= 8
    outputs = [Recorder()(view) for view in views.views(images, count, 54)]
    for name, rows in views.average(outputs).items():
        np.testing.assert_allclose(log_probs[name], rows, rtol=1e-6)


def test_a_batch_smaller_than_the_views_holds_one_image():
    network = Recorder()
    reading.read(network, images_of(2), count=4, batch=1)
    assert [shape[0] for shape in network.shapes] == [4, 4]


def test_no_images_give_empty_outputs():
    log_probs = reading.read(never, images_of(0))
    assert [rows.shape for rows in log_probs.values()] == [(0, 7)] + [(0, 11)] * 5


@pytest.mark.parametrize(
    "images",
    [images_of(11) / 255.0, images_of(0) / 255.0, images_of(11)[0], list(images_of(11)), None],
)
def test_rejects_images_of_another_type_before_the_network_runs(images):
    with pytest.raises(ValueError, match=r"^images must be uint8 \[n, height, width, 3\] .*, got "):
        reading.read(never, images)
