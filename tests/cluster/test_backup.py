"""Steps without the slowest workers."""

import threading
import time

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import graph as graph_lib
from mtl.cluster import placement, replica as replica_lib
from tests.cluster import closeness, local

pytestmark = pytest.mark.slow
CLOSED = (tf.errors.OutOfRangeError, tf.errors.CancelledError)


class Workers:
    """Workers of a cluster, of which each step may do without some."""

    def __init__(self, cluster, build, count=3, backups=1):
        """Build a graph for each worker.

        Args:
          cluster: local.Cluster.
          build: function Replica -> dict of what the chief fetches, with "end", which the other
            workers fetch too; and function (step) -> what is fed.
          count, backups: int.
        """
        run, self.built = cluster.name(), []
        for number in range(count):
            with tf.Graph().as_default(), placement.placed(local.device(number), 2):
                replica = replica_lib.Replica(number, count, local.HOST, run, backups=backups)
                fetches, feed = build(replica)
                self.variables = {each.op.name: each for each in tf.global_variables()}
                initialize = tf.global_variables_initializer()
                self.built.append((cluster.session(number), replica.exchange, fetches, feed))
                if number == 0:
                    self.built[0][0].run(initialize)
                    self.read = dict(self.variables)

    def run(self, steps, before):
        """Run the steps of the chief.

        Args:
          steps: int.
          before: function (number, step), called before each step of a worker.

        Returns:
          what the chief fetched in each step, and the values of the variables after it; and for
          each other worker, the steps of its parts.
        """

        def work(number):
            return self._others(number, steps, before) if number else self._chief(steps, before)

        history, *others = local.together(work, len(self.built), self.close)
        return history, others

    def close(self, number):
        """Close the queues."""
        session, exchange, _, _ = self.built[number]
        session.run(exchange.closing)

    def _chief(self, steps, before):
        session, exchange, fetches, feed = self.built[0]
        found = []
        for step in range(steps):
            before(0, step)
            fetched = session.run({**fetches, "taking": exchange.taking}, feed(step))
            found.append((fetched, session.run(self.read)))
        self.close(0)
        return found

    def _others(self, number, steps, before):
        session, exchange, fetches, feed = self.built[number]
        fetched, step, found = [fetches["end"], exchange.following], 0, []
        while step < steps:
            before(number, step)
            found.append(step)
            try:
                _, step = session.run(fetched, {**feed(step), exchange.step: step})
            except CLOSED:
                break
        return found


def sums(replica):
    """Add up a number that shows the worker and the step; count how often each worker did it."""
    made, x = replica.exchange, tf.placeholder(tf.float32, [], "x")
    step, *done = (
        tf.get_variable(name, [], tf.int64, tf.zeros_initializer(), use_resource=True)
        for name in ("global_step", "done0", "done1", "done2")
    )
    total = made.total(x, local.HOST)
    (on_chief,) = made.to_chief([tf.stack([x, total])], local.HOST)
    with tf.control_dependencies([on_chief]):
        after = [done[made.number].assign_add(1).op]
    if made.number == 0:
        with tf.control_dependencies(after):
            after = [step.assign_add(1).op]
    end = made.end(after, local.HOST)
    return {"end": end, "total": total, "on_chief": on_chief}, lambda now: {
        x: 10.0**made.number * (1 + now % 7)
    }


class Delays:
    """Random waits before steps. The other workers than the chief each miss a step, one by one."""

    def __init__(self, seed, steps):
        """Draw the waits."""
        rng = np.random.default_rng(seed)
        waits, seconds = rng.random([3, steps]) < 0.3, rng.uniform(0.0, 0.03, [3, steps])
        self._seconds = np.where(waits, seconds, 0.0)
        self._last = steps - 1
        self._moved, self._step = threading.Condition(), 0  # of the chief
        self._misses = {1: steps // 5, 2: steps // 2}  # worker -> from this step on
        self._missing = False

    def __call__(self, number, step):
        """Wait; see Workers.run."""
        time.sleep(self._seconds[number, step])
        with self._moved:
            if number == 0:
                self._step = step
                self._moved.notify_all()
            elif self._misses.get(number, self._last) <= step < self._last and not self._missing:
                del self._misses[number]
                self._missing = True
                assert self._moved.wait_for(lambda: self._step > step, 60)
                self._missing = False


def test_sums_are_those_of_the_workers_that_take_part(cluster):
    workers = Workers(cluster, sums)
    history, others = workers.run(40, Delays(1, 40))
    taking = np.array([fetched["taking"] for fetched, _ in history])
    assert taking.shape == (40, 3)
    assert taking[:, 0].all() and (taking.sum(1) >= 2).all() and not taking.all()
    parts = taking * 10.0 ** np.arange(3) * (1 + np.arange(40)[:, np.newaxis] % 7)
    expected = parts.sum(1)
    np.testing.assert_array_equal([fetched["total"] for fetched, _ in history], expected)
    on_chief = np.array([fetched["on_chief"] for fetched, _ in history])
    np.testing.assert_array_equal(on_chief, np.stack([expected, taking.sum(1) * expected], 1))
    for number, steps in enumerate(others, start=1):
        assert steps == sorted(set(steps))
        assert set(np.flatnonzero(taking[:, number])) <= set(steps)
        # A worker that takes no part computes nothing after the first sum.
        assert history[-1][1][f"done{number}"] == taking[:, number].sum()


def test_a_worker_that_is_some_steps_late_goes_on_with_the_step_of_the_chief(cluster):
    calls, called, late = [], threading.Event(), threading.Event()

    def before(number, step):
        if number == 2:
            calls.append(step)
            called.set()
            if len(calls) == 2:
                late.wait(60)
        elif number == 0 and (len(calls) < 2 or late.is_set()):
            called.wait(1.0)  # until the worker has the answer to its last part
            called.clear()
            time.sleep(0.05)
        elif number == 0 and step >= calls[1] + 4:
            late.set()

    history, _ = Workers(cluster, sums).run(25, before)
    taking = np.array([fetched["taking"] for fetched, _ in history])
    assert calls[2] >= calls[1] + 4
    assert not taking[calls[1] : calls[2], 2].any()
    assert taking[calls[2] :, 2].any()


def test_a_late_worker_starts_the_next_step_together_with_the_others(cluster):
    opening, chief, calls = [], [0], []

    def build(replica):
        made, x = replica.exchange, tf.placeholder(tf.float32, [], "x")
        zero = tf.zeros_initializer()
        step = tf.get_variable("global_step", [], tf.int64, zero, use_resource=True)
        gate = tf.FIFOQueue(9, [tf.bool], [[]])
        opening.append(gate.enqueue(True))
        after = [made.total(x, local.HOST).op]
        if made.number == 0:  # the step ends once the gate is open
            with tf.control_dependencies([*after, gate.dequeue()]):
                after = [step.assign_add(1).op]
        return {"end": made.end(after, local.HOST)}, lambda now: {x: 1.0}

    def before(number, step):
        if number == 0:
            time.sleep(0.1)
            chief[0] = step
        if number == 2:
            calls.append((step, step > chief[0]))
            while chief[0] < step:
                time.sleep(0.01)
            time.sleep(0.1)  # meanwhile, the chief decides
            threading.Timer(0.2, workers.built[0][0].run, [opening[0]]).start()

    workers = Workers(cluster, build)
    history, _ = workers.run(6, before)
    taking = [fetched["taking"][2] for fetched, _ in history]
    # It knew the next step before the chief started it, although it took no part in its last one.
    assert any(early and not taking[last] for (last, _), (_, early) in zip(calls, calls[1:]))


def test_the_chief_may_go_on_alone(cluster):
    done = threading.Event()

    def before(number, step):
        if number:
            done.wait(60)
        elif step == 4:
            done.set()

    history, _ = Workers(cluster, sums, backups=2).run(5, before)
    taking = np.array([fetched["taking"] for fetched, _ in history])
    assert not taking[:4, 1:].any()
    totals = [fetched["total"] for fetched, _ in history]
    np.testing.assert_array_equal(totals[:4], np.arange(1.0, 5.0))


def test_a_worker_that_waits_for_its_answer_fails_at_once_when_the_chief_closes(cluster):
    workers = Workers(cluster, sums, count=2)
    session, exchange, fetches, feed = workers.built[1]

    def work(number):
        if number == 0:
            time.sleep(0.5)
            workers.close(0)
            return time.monotonic()
        with pytest.raises(CLOSED):
            session.run(fetches["end"], {**feed(0), exchange.step: 0})
        return time.monotonic()

    closed, failed = local.together(work, 2, None)
    assert failed - closed < 5.0


def test_the_chief_computes_alone_without_waiting(cluster):
    session, exchange, fetches, feed = Workers(cluster, sums, count=2).built[0]
    found = session.run(
        [fetches["total"], fetches["on_chief"]], {**feed(4), exchange.together: False}
    )
    assert found[0] == 5.0 and found[1].tolist() == [5.0, 5.0]


def test_a_step_is_that_of_one_machine_with_the_parts_that_take_part(cluster):
    assert_steps_of_parts("famo", 2, cluster)


def assert_steps_of_parts(name, seed, cluster):
    """Train an objective; compare the steps with those of one machine; seed: of the waits."""
    config = local.config(objective=name, **closeness.MOMENTUM)
    whole = [local.batch(step, absent=0.3) for step in range(8)]

    def build(replica):
        number = replica.exchange.number
        graph = graph_lib.build(config, inputs=local.INPUTS, replica=replica)

        def feed(step):
            part = local.part(whole[step], number, 3)
            labels = {graph.labels[task]: part[task] for task in graph.labels}
            return {graph.inputs: part["inputs"], **labels}

        return {"end": graph.minimize, "cost": graph.cost, "watched": graph.watched}, feed

    history, _ = Workers(cluster, build).run(8, Delays(seed, 8))
    found = [(fetched["cost"], fetched["watched"], values) for fetched, values in history]
    batches = []
    for step, (fetched, _) in enumerate(history):
        parts = [local.part(whole[step], number, 3) for number in np.flatnonzero(fetched["taking"])]
        batches.append({key: np.concatenate([part[key] for part in parts]) for key in parts[0]})
    assert 8 in {len(each["inputs"]) for each in batches}
    closeness.assert_close(found, local.alone(config, batches), name)
