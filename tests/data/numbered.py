"""Images that carry their own number, so that a test can tell which ones a batch was cut from."""

import itertools

import numpy as np

from mtl import tasks
from mtl.data import batches
from mtl.data.examples import of_numbers
from mtl.inputs import NUMBERS

SIZE = NUMBERS.shape[0]


def numbered(first, count):
    """Return images first .. first + count - 1 and their numbers, "0", "1", ...

    The blue channel of an image is its index; red and green are the row and the column.
    """
    images = np.empty((count, SIZE, SIZE, 3), np.uint8)
    images[..., 0], images[..., 1] = np.mgrid[:SIZE, :SIZE]
    images[..., 2] = np.arange(first, first + count)[:, None, None] % 256
    return images, [str(index) for index in range(first, first + count)]


def in_memory(count, batch_size, seed=0):
    """Return the source of `count` numbered images in memory."""
    images, numbers = numbered(0, count)
    return batches.from_arrays(of_numbers(images, numbers, numbers), batch_size, seed)


def which(crops):
    """Return the index of the image that each crop was cut from."""
    assert (crops[..., 2] == crops[:, :1, :1, 2]).all(), "a crop mixes images"
    return crops[:, 0, 0, 2].astype(int)


def check_batch(batch, batch_size):
    """Check the shapes, dtypes and labels of a batch; return the indices of its images."""
    crops, labels = batch
    assert crops.shape == (batch_size, NUMBERS.crop, NUMBERS.crop, 3)
    assert crops.dtype == np.uint8
    found = which(crops)
    assert list(labels) == [task.name for task in tasks.NUMBER_TASKS]
    expected = tasks.encode_all([str(index) for index in found])
    for name, classes in labels.items():
        assert classes.dtype == np.int32
        np.testing.assert_array_equal(classes, expected[name], err_msg=name)
    return found


def take(source, first, count):
    """Return `count` batches of a source from step `first`."""
    iterator = source(first)
    taken = list(itertools.islice(iterator, count))
    iterator.close()
    return taken


def assert_same(taken, others):
    assert len(taken) == len(others)
    for (crops, labels), (other_crops, other_labels) in zip(taken, others):
        np.testing.assert_array_equal(crops, other_crops)
        for name in labels:
            np.testing.assert_array_equal(labels[name], other_labels[name])


def different(taken, others):
    return any((batch[0] != other[0]).any() for batch, other in zip(taken, others))


class Blocks:
    """A stand-in for synthetic.Blocks. Block b has the images b * size .. b * size + size - 1."""

    def __init__(self):
        self.started, self.drawn, self.closed = [], 0, 0

    def __call__(self, first, size):
        self.started.append((first, size))
        try:
            for block in itertools.count(first):
                self.drawn += 1
                yield numbered(block * size, size)
        finally:
            self.closed += 1

    def check(self):
        pass


class Windows:
    """A stand-in for records.reader.windows(...). Batch b has the images 3 b, 3 b + 1, 3 b + 2."""

    def __init__(self):
        self.started, self.closed = [], 0

    def __call__(self, first_step):
        self.started.append(first_step)
        try:
            for step in itertools.count(first_step):
                images, numbers = numbered(3 * step, 3)
                yield images, tasks.encode_all(numbers)
        finally:
            self.closed += 1
