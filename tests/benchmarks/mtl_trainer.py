"""The side of mtl: a training session as train.run opens it, told when to work."""

import contextlib
import time

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import inference, model, tasks, train
from mtl.data import pipeline


@contextlib.contextmanager
def training(config):
    """Open a graph and a session of it with fresh variables; gives (session, reading, step).

    Args:
      config: config.Config.

    Yields:
      tf.Session, inference.Inference and a function (images, labels) -> cost that does what the loop of train.run does a step, the check
      for infinite cross entropies included.
    """
    with tf.Graph().as_default(), tf.Session(config=model.session_config(config.threads)) as session:
        graph = train.build(config)
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            reading = inference.build(tasks=tasks.NUMBER_TASKS, bottom=config.bottom, objective=config.objective)
        session.run(tf.global_variables_initializer())
        tf.get_default_graph().finalize()
        names = list(graph.labels)
        step_once = session.make_callable(
            [graph.minimize, graph.cost, [graph.cross_entropies[name] for name in names]],
            feed_list=[graph.images] + [graph.labels[name] for name in names],
        )

        def step(images, labels):
            _, cost, raw = step_once(images, *[labels[name] for name in names])
            if not np.all(np.isfinite(raw)):
                raise FloatingPointError(f"cross entropies are not finite: {dict(zip(names, raw))}")
            return cost

        yield session, reading, step


def take_turns(connection, step, source, *, turns, steps, lead_in=0):
    """Train `steps` steps whenever a message comes, and answer by their seconds.

    Args:
      connection: multiprocessing Connection.
      step: function (images, labels), as `training` gives it.
      source: as mtl/data/pipeline.py makes it.
      turns: int.
      steps: int, timed.
      lead_in: int, steps before them that are not.
    """
    batches = pipeline.prefetch(source(0))
    try:
        for _ in range(turns):
            connection.recv()
            for _ in range(lead_in):
                step(*next(batches))
            since = time.perf_counter()
            for _ in range(steps):
                step(*next(batches))
            connection.send(time.perf_counter() - since)
        connection.poll(None)  # stay until the other end is closed, so that the memory of all processes can be read
    finally:
        batches.close()
