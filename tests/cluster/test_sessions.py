"""Sessions of a cluster: how they are closed, and used without the other workers."""

import threading

import pytest
import tensorflow.compat.v1 as tf

from mtl.cluster import sessions
from tests.cluster import cluster_runs, local

pytestmark = pytest.mark.slow


OPTIONS = tf.ConfigProto(**local.THREADS)


class Hanging:
    """A session that takes long to close, as one whose servers do not answer."""

    def __init__(self):
        self.may_end, self.is_closed = threading.Event(), threading.Event()

    def close(self):
        self.may_end.wait(60.0)
        self.is_closed.set()


def test_a_session_is_closed_at_the_end_of_its_block(cluster):
    with tf.Graph().as_default():
        three = tf.constant(3)
        with sessions.opened(cluster.target(0), OPTIONS) as session:
            assert session.run(three) == 3
        with pytest.raises(RuntimeError, match="closed"):
            session.run(three)
        with pytest.raises(KeyError), sessions.opened(cluster.target(0), OPTIONS) as session:
            raise KeyError("step")
        with pytest.raises(RuntimeError, match="closed"):
            session.run(three)


def test_a_server_that_does_not_answer_does_not_delay_the_end(monkeypatch):
    monkeypatch.setattr(sessions, "CLOSE_SECONDS", 0.05)
    session = Hanging()
    sessions.close(session)
    assert not session.is_closed.is_set()
    session.may_end.set()
    assert session.is_closed.wait(60.0)


def test_a_call_that_takes_too_long_is_given_up_and_not_repeated_before_it_ends():
    bounded, may_end, calls = sessions.Bounded(0.05), threading.Event(), []

    def hang():
        calls.append("hang")
        may_end.wait(60.0)

    assert bounded(lambda: 3) == 3
    with pytest.raises(KeyError):
        bounded({}.popitem)
    for function in (hang, hang, calls.clear):
        with pytest.raises(tf.errors.DeadlineExceededError, match="does not answer"):
            bounded(function)
    assert calls == ["hang"]
    may_end.set()
    with bounded._free:
        pass
    assert bounded(lambda: 4) == 4


def test_a_member_that_waits_fails_once_another_closes_the_queues(cluster):
    name = cluster.name()

    def work(number):
        with tf.Graph().as_default(), tf.device(local.HOST):
            queue = tf.FIFOQueue(1, tf.float32, [[]], shared_name=name)
            value, close = queue.dequeue(), queue.close()
            with sessions.opened(cluster.target(number), OPTIONS) as session:
                if number == 1:
                    sessions.close_queues(session, [close])
                    return
                with pytest.raises(tf.errors.OutOfRangeError):
                    session.run(value)

    local.together(work, 2, None)


def test_queues_of_a_server_that_does_not_answer_are_given_up(cluster, monkeypatch):
    monkeypatch.setattr(sessions, "CLOSE_SECONDS", 0.2)
    with tf.Graph().as_default(), tf.device(local.HOST):
        empty = tf.FIFOQueue(1, tf.float32, [[]], shared_name=cluster.name())
        with tf.control_dependencies([empty.dequeue()]):  # never ends
            close = empty.close()
        with sessions.opened(cluster.target(0), OPTIONS) as session:
            sessions.close_queues(session, [close])
            assert session.run(empty.size()) == 0  # the session can be used after it


def test_one_worker_has_no_queue_to_close():
    sessions.close_queues(None, [])


def test_what_watches_the_chief_computes_alone(tmp_path, cluster):
    found = []

    def watch(session, graph):
        found.append(
            session.make_callable(
                [graph.losses["height"], *tf.gradients(graph.cost, graph.network.features)],
                [graph.inputs, *graph.labels.values()],
            )
        )
        found.append(lambda feed: session.run(graph.losses["height"], feed))
        found.append(graph)

    def progress(step, cost, losses, inputs, labels):
        graph = found[2]
        fed = [labels[name] for name in graph.labels]
        value, gradient = found[0](inputs, *fed)
        feed = {graph.inputs: inputs, **{graph.labels[name]: labels[name] for name in labels}}
        assert gradient.shape[0] == 6 and found[1](feed) == value
        found.append((losses["height"], value))

    cluster_runs.Run(cluster, tmp_path, watch=watch, progress=progress)
    assert len(found) == 3 + cluster_runs.STEPS
    assert all(whole != part for whole, part in found[3:])
