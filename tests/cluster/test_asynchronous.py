"""Asynchronous workers, which count the steps together; see also test_replica.py."""

import time

import pytest
import tensorflow.compat.v1 as tf

from mtl import graph as graph_lib
from mtl.cluster import asynchronous
from tests.cluster import cluster_runs, local
from tests.run_directories import evaluated_steps, saved_steps

pytestmark = pytest.mark.slow

STEPS = 20
ALONE = 6  # steps of all workers, before the second one of the chief


class Asynchronous:
    """A local.Cluster whose members do not wait for each other."""

    def __init__(self, cluster):
        self._cluster = cluster
        self.clear_board = cluster.clear_board

    def member(self, number, count, say):
        return self._cluster.member(number, count, say, sync=False)


def test_the_count_is_that_after_the_own_step():
    config, whole = local.config(), local.batch(0)
    with tf.Graph().as_default(), tf.Session(config=tf.ConfigProto(**local.THREADS)) as session:
        graph = graph_lib.build(config, inputs=local.INPUTS)
        after = asynchronous.steps_after(graph)
        session.run(tf.global_variables_initializer())
        feed = {graph.inputs: whole["inputs"]}
        feed.update({graph.labels[name]: whole[name] for name in graph.labels})
        assert [session.run(after, feed) for _ in range(3)] == [1, 2, 3]


def test_one_asynchronous_worker_has_the_bits_of_one_machine(alone, cluster):
    config, batches, expected = alone(steps=5)
    assert local.same(cluster.train(config, batches, workers=1, sync=False), expected)


def test_workers_make_the_steps_of_a_run_together(tmp_path, cluster):
    steps, watched = [], []

    def each_step(step, cost, losses):
        steps.append(step)
        session, graph = watched
        until = time.monotonic() + 60.0
        while len(steps) == 1 and session.run(graph.step) < ALONE and time.monotonic() < until:
            time.sleep(0.01)

    config = cluster_runs.config(sync="none", steps=STEPS, save_every=10)
    found = cluster_runs.Run(
        Asynchronous(cluster),
        tmp_path,
        configs=dict.fromkeys(range(2), config),
        watch=lambda *given: watched.extend(given),
        each_step=each_step,
    )
    chief, other = found.outcomes
    # The other worker may be within a step when one reaches the last.
    assert chief["step"] in (STEPS, STEPS + 1) and other in (STEPS, STEPS + 1)
    assert steps[0] == 1 and steps[1] > ALONE and steps == sorted(set(steps))
    assert len(steps) <= STEPS - ALONE + 1
    # Steps of the other worker may pass the one at which a checkpoint is due.
    due = sorted({min(step for step in steps if step >= each) for each in (10, STEPS)})
    assert saved_steps(tmp_path) == evaluated_steps(tmp_path) == due
    assert due[-1] == chief["step"] == steps[-1]
