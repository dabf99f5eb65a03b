"""The queues through which workers add up tensors."""

import time

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl.cluster import exchange
from tests.cluster import local

pytestmark = pytest.mark.slow


def sums(replica):
    """Add up a vector on the chief, and a number for all."""
    made = replica.exchange
    first = tf.placeholder(tf.float32, [2], "first")
    second = tf.placeholder(tf.float32, [], "second")
    (total,) = made.to_chief([first], local.HOST)
    for_all = made.total(second, local.HOST)
    updates = tf.get_variable("updates", [], tf.int64, tf.zeros_initializer(), use_resource=True)
    after = []
    if made.number == 0:
        with tf.control_dependencies([total]):
            after = [updates.assign_add(1).op]
    return {"end": made.signal(after, local.HOST), "total": total, "all": for_all}


def test_each_part_enters_each_step_once_whoever_is_slow(cluster):
    step, close = local.workers(cluster, 3, sums)
    rng = np.random.default_rng(3)
    delays = np.where(rng.random([3, 20]) < 0.2, 0.05, 0.0)

    def work(number):
        found = []
        for index, delay in enumerate(delays[number]):
            time.sleep(delay)
            # A digit for each worker: a part that is missing or counts twice shows.
            value = 10.0**number * (1 + index % 3)
            fetched = step(number, {"first": [value, index], "second": value})
            found.append((*fetched["total"], fetched["all"]))
        return np.array(found)

    chief, one, two = local.together(work, 3, close)
    expected = 111.0 * (1 + np.arange(20) % 3)
    np.testing.assert_array_equal(chief, np.stack([expected, 3.0 * np.arange(20), expected], 1))
    for number, found in ((1, one), (2, two)):
        np.testing.assert_array_equal(found[:, 2], expected)
        np.testing.assert_array_equal(found[:, 0], 10.0**number * (1 + np.arange(20) % 3))


@pytest.mark.parametrize("late", [0, 1, 2])
def test_order_of_addition_is_that_of_the_workers_not_of_arrival(late, cluster):
    step, close = local.workers(cluster, 3, sums)
    parts = [1e8, -1e8, 1.0]  # in another order the sum is 0

    def work(number):
        found = []
        for _ in range(8):
            time.sleep(0.02 * (number == late))
            fetched = step(number, {"first": [parts[number]] * 2, "second": parts[number]})
            found.append((*fetched["total"], fetched["all"]))
        return np.array(found)

    found = local.together(work, 3, close)
    np.testing.assert_array_equal(found[0], np.ones([8, 3]))
    np.testing.assert_array_equal([each[:, 2] for each in found], np.ones([3, 8]))


def test_a_step_ends_for_no_worker_before_the_update_of_the_chief(cluster):
    def build(replica):
        fetches = sums(replica)
        (updates,) = tf.global_variables()
        with tf.control_dependencies([fetches["end"]]):
            return {**fetches, "updates": updates.read_value()}

    step, close = local.workers(cluster, 3, build)

    def work(number):
        feed = {"first": [0.0, 0.0], "second": 0.0}
        return [step(number, feed)["updates"] for _ in range(20)]

    assert local.together(work, 3, close) == [list(range(1, 21))] * 3


@pytest.mark.parametrize("closing", [0, 1])
def test_waiting_workers_fail_at_once_when_one_closes(closing, cluster):
    step, close = local.workers(cluster, 3, sums)
    feed = {"first": [0.0, 0.0], "second": 0.0}

    def work(number):
        if number == closing:
            time.sleep(0.3)
            start = time.monotonic()
            close(number)
            return start
        with pytest.raises((tf.errors.OutOfRangeError, tf.errors.CancelledError)):
            step(number, feed)
        return time.monotonic()

    ended = local.together(work, 3, close)
    delays = [end - ended[closing] for end in ended]
    assert all(0.0 <= delay < 5.0 for delay in delays), delays
    with pytest.raises((tf.errors.OutOfRangeError, tf.errors.CancelledError)):
        step(closing, feed)


def test_a_run_of_another_name_does_not_meet_closed_queues(cluster):
    step, close = local.workers(cluster, 2, sums)
    close(0)
    step, close = local.workers(cluster, 2, sums)
    feed = {"first": [1.0, 2.0], "second": 3.0}
    found = local.together(lambda number: step(number, feed)["all"], 2, close)
    assert found == [6.0, 6.0]


def test_one_worker_adds_no_operation():
    with tf.Graph().as_default() as graph:
        made = exchange.Exchange(0, 1, "run")
        part = tf.placeholder(tf.float32, [3])
        before = len(graph.get_operations())
        assert made.to_chief([part], local.HOST)[0] is part
        assert made.total(part, local.HOST) is part
        assert len(graph.get_operations()) == before
        made.signal([part.op], local.HOST)
        assert [op.type for op in graph.get_operations()[before:]] == ["NoOp"]


def test_a_worker_that_is_fed_not_together_computes_alone(cluster):
    def build(replica):
        made, x = replica.exchange, tf.placeholder(tf.float32, [], "x")
        return [made.total(x, local.HOST), *made.to_chief([x, 2.0 * x], local.HOST)]

    step, _ = local.workers(cluster, 2, build)
    for number in (0, 1):
        assert step(number, {"x": 5.0, "together": False}) == [5.0, 5.0, 10.0]
