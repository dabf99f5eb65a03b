"""Checkpoints of a few numbers: write one, and restore it."""

import os

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import checkpoint

W = np.arange(12, dtype=np.float32).reshape(3, 4) + 0.25
B = np.array([7, -2, 5], np.int64)
SHAPES = {"top/w": ([3, 4], tf.float32), "top/b": ([3], tf.int64)}
SUFFIXES = (".index", ".data-00000-of-00001")


def write(directory, values, *steps):
    """Save variables, dict name -> value, at each step; return the path of the last checkpoint."""
    with tf.Graph().as_default(), tf.Session() as session:
        variables = {}
        for name, value in values.items():
            constant = tf.constant(value)
            variables[name] = tf.get_variable(name, initializer=constant, use_resource=True)
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver(variables)
        for step in steps:
            checkpoint.save(saver, session, str(directory), step)
    return os.path.join(str(directory), f"model.ckpt-{steps[-1]}")


def zeros(shapes):
    """Create variables that start at zero; shapes: dict name -> (shape, dtype)."""
    variables = {}
    for name, (shape, dtype) in shapes.items():
        zero = tf.zeros_initializer()
        variables[name] = tf.get_variable(name, shape, dtype, zero, use_resource=True)
    return variables


def restore(path, shapes):
    """Restore variables that start at zero; return their values."""
    with tf.Graph().as_default(), tf.Session() as session:
        variables = zeros(shapes)
        session.run(tf.global_variables_initializer())
        checkpoint.restore(session, variables, path)
        return session.run(variables)
