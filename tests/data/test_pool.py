"""Batches of an endless dataset."""

import itertools
import tracemalloc

import numpy as np
import pytest

from mtl.data.pool import from_stream
from mtl.inputs import NUMBERS
from tests.data.numbered import Blocks, assert_same, check_batch, different, numbered, take

SIZE = NUMBERS.shape[0]

# (pool, reuse, batch size). The batch divides the pool, spans two epochs, or is larger than the
# pool; the fourth has no reuse, and the last has blocks of one image.
STREAMS = [(12, 4, 6), (12, 3, 5), (6, 2, 15), (8, 1, 3), (5, 5, 2)]


@pytest.mark.parametrize("pool, reuse, batch_size", STREAMS)
def test_each_drawn_image_is_used_reuse_times(pool, reuse, batch_size):
    epochs, size = 3 * reuse + 2, pool // reuse
    steps = -(-epochs * pool // batch_size)
    source = from_stream(Blocks(), pool, reuse, batch_size, seed=1)
    found = np.concatenate([check_batch(batch, batch_size) for batch in take(source, 0, steps)])
    for epoch in range(epochs):  # has the blocks epoch .. epoch + reuse - 1, each image once
        visited = found[epoch * pool : (epoch + 1) * pool]
        assert sorted(visited) == list(range(epoch * size, epoch * size + pool))
    uses = np.bincount(found[: epochs * pool], minlength=(epochs + reuse) * size)
    uses = uses.reshape(-1, size)
    for block in range(epochs + reuse - 1):
        first_epoch = max(0, block - reuse + 1)  # the first blocks are replaced early
        last_epoch = min(block, epochs - 1)
        assert (uses[block] == last_epoch - first_epoch + 1).all()
    assert (uses[reuse - 1 : epochs] == reuse).all()


@pytest.mark.parametrize("pool, reuse, batch_size", STREAMS)
def test_source_from_step_k_continues_the_source_from_0(pool, reuse, batch_size):
    source = from_stream(Blocks(), pool, reuse, batch_size, seed=2)
    whole = take(source, 0, 11)
    for first in range(11):
        assert_same(take(source, first, 11 - first), whole[first:])
    assert different(take(from_stream(Blocks(), pool, reuse, batch_size, seed=3), 0, 11), whole)


def test_crop_has_the_given_size():
    def shapes(**options):
        source = from_stream(Blocks(), 6, 2, 3, 1, **options)
        return {crops.shape[1:] for crops, _ in take(source, 0, 4)}

    assert shapes(crop=0) == {(SIZE, SIZE, 3)}
    assert shapes(crop=17) == {(17, 17, 3)}
    assert shapes() == {(NUMBERS.crop, NUMBERS.crop, 3)}


def test_late_start_draws_only_the_images_of_the_pool():
    pool, reuse, batch_size, first = 12, 3, 5, 4000
    blocks = Blocks()
    iterator = from_stream(blocks, pool, reuse, batch_size, seed=0)(first)
    next(iterator)
    oldest = first * batch_size // pool
    assert blocks.started == [(oldest, pool // reuse)]
    for step in range(first + 1, first + 40):
        next(iterator)
        newest_epoch = ((step + 1) * batch_size - 1) // pool
        assert blocks.drawn == newest_epoch - oldest + reuse, "a block is drawn in its epoch"
    assert not blocks.closed
    iterator.close()
    assert blocks.closed == 1


def test_only_one_pool_is_in_memory():
    pool, reuse, batch_size = 80, 4, 8

    def blank(first, size):
        for _ in itertools.count(first):
            yield np.zeros((size, SIZE, SIZE, 3), np.uint8), ["7"] * size

    iterator = from_stream(blank, pool, reuse, batch_size, seed=0)(0)
    tracemalloc.start()
    try:
        for _ in range(10 * pool // batch_size):  # ten epochs
            next(iterator)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        iterator.close()
    # The pool, two blocks of a quarter of it while one is drawn, and a batch.
    assert peak < 1.7 * pool * SIZE * SIZE * 3


def test_changing_a_batch_does_not_change_the_pool():
    source = from_stream(Blocks(), 6, 2, 4, seed=0)
    whole = take(source, 0, 6)
    iterator = source(0)
    for crops, labels in whole:
        got, got_labels = next(iterator)
        np.testing.assert_array_equal(got, crops)
        got[...] = 0
        for name in labels:
            np.testing.assert_array_equal(got_labels[name], labels[name])
            got_labels[name][...] = 0
    iterator.close()


def test_error_of_the_stream_is_raised_and_closes_it():
    closed = []

    def failing(first, size):
        try:
            yield numbered(0, size)
            raise OSError("no more images")
        finally:
            closed.append(True)

    with pytest.raises(OSError, match="no more images"):
        take(from_stream(failing, 6, 2, 4, seed=0), 0, 1)
    assert closed == [True]


def test_failing_check_ends_the_source_at_the_next_batch():
    answers = iter([None, None, ValueError("a worker is gone")])

    def check():
        answer = next(answers)
        if answer:
            raise answer

    blocks = Blocks()
    iterator = from_stream(blocks, 12, 4, 6, 0, check)(0)
    assert len(list(itertools.islice(iterator, 2))) == 2
    with pytest.raises(ValueError, match="a worker is gone"):
        next(iterator)
    assert blocks.closed == 1
