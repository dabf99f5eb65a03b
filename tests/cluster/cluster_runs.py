"""Runs of a chief and its workers, in threads of this process."""

import tensorflow.compat.v1 as tf

from mtl import loop, run_files, tasks, train
from mtl.cluster import worker
from tests.cluster import local

STEPS = 6
MOMENTUM = {"optimizer": "momentum", "learning_rate": 3e-3}


def config(**fields):
    return local.config(**{"steps": STEPS, "save_every": 3, "log_every": 1, **fields})


def source_of(number, count, **broken):
    """Return a source of the parts of a worker; broken: step="4" -> its inputs are a string."""

    def source(first):
        step = first
        while True:
            part = local.part(local.batch(step, absent=0.3), number, count)
            inputs = part.pop("inputs")
            yield (broken.get(f"step{step}", inputs), part)
            step += 1

    return source


def evaluator(session):
    """Return the sum of a bias as the score."""
    with tf.variable_scope("shared/dense1"):
        total = tf.reduce_sum(tf.get_variable("b", [256], use_resource=True))
    return lambda: {"score": float(session.run(total)), "message": None}


class Run:
    """A run of some workers of a cluster: what each returned or raised, and said."""

    def __init__(self, cluster, directory, count=2, configs=None, sources=None, **callbacks):
        """Train; configs, sources: dict number -> another one; callbacks: of the chief."""
        self.said = [[] for _ in range(count)]
        cluster.clear_board(count)
        self.outcomes = local.together(
            lambda number: self._work(
                cluster, number, count, directory, configs, sources, callbacks
            ),
            count,
            None,
        )

    def _work(self, cluster, number, count, directory, configs, sources, callbacks):
        """Train as one member; return its result or its error."""
        member = cluster.member(number, count, self.said[number].append)
        given = (configs or {}).get(number, config())
        source = (sources or {}).get(number, source_of(number, count))
        say = self.said[number].append
        try:
            member.join(lambda: 0)
            if number:
                run = run_files.Run(given, tuple(tasks.parse(given.tasks)), local.INPUTS)
                given = callbacks if number == callbacks.get("at") else {}
                own = {name: each for name, each in given.items() if name == "stop"}
                return worker.run(run, member, source, loop.Callbacks(say=say, **own))
            own = {name: each for name, each in callbacks.items() if name != "at"}
            own = {} if callbacks.get("at") else own
            return train.run(
                given,
                str(directory),
                source,
                evaluator,
                inputs=local.INPUTS,
                callbacks=loop.Callbacks(say=say, **own),
                member=member,
            )
        except Exception as error:
            return error
        finally:
            member.leave()


def alone(directory, **fields):
    """Train on one machine."""
    say = loop.Callbacks(say=lambda text: None)
    run = config(**fields)
    return train.run(
        run, str(directory), source_of(0, 1), evaluator, inputs=local.INPUTS, callbacks=say
    )
