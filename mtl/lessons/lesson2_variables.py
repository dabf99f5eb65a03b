"""Lesson 2: variables and scopes, feeding.

A placeholder is an input: its value comes with each run, in feed_dict. A variable keeps its value from one run to the next. The graph
knows its name, type and shape; the value lies in the session, and is there once an initializer has been run. Names come from scopes:
`w` within the scope `layer` is `layer/w`, which is also its name in every checkpoint (":0" is the operation's first output). What has a
name cannot be made a second time by accident.

It prints:

    layer/w:0 (2, 1)
    layer/b:0 (1,)
    y has the shape (None, 1)
    before the initializer: FailedPreconditionError
    one row: [[3.0]]
    three rows: [[3.0], [7.0], [11.0]]
    after the update: [[13.0]]
    made again: ValueError
"""

import numpy as np
import tensorflow.compat.v1 as tf


def main():
    """Build y = xw + b, initialise it, feed it, change it."""
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 2], "x")  # None: as many rows as are fed
        with tf.variable_scope("layer"):
            w = tf.get_variable("w", [2, 1], tf.float32, tf.ones_initializer(), use_resource=True)
            b = tf.get_variable("b", [1], tf.float32, tf.zeros_initializer(), use_resource=True)
            y = tf.matmul(x, w) + b
        for variable in tf.trainable_variables():
            print(variable.name, variable.shape)
        print("y has the shape", y.shape)

        try:
            session.run(y, {x: [[1.0, 2.0]]})
        except tf.errors.FailedPreconditionError as error:
            print("before the initializer:", type(error).__name__)
        session.run(tf.global_variables_initializer())
        print("one row:", session.run(y, {x: [[1.0, 2.0]]}).tolist())
        print("three rows:", session.run(y, {x: np.arange(1.0, 7.0).reshape(3, 2)}).tolist())

        session.run(
            b.assign_add([10.0])
        )  # a node as any other: run, it changes the value that the session keeps
        print("after the update:", session.run(y, {x: [[1.0, 2.0]]}).tolist())
        try:
            with tf.variable_scope("layer"):
                tf.get_variable("w", [2, 1])
        except ValueError as error:  # "Variable layer/w already exists ..."
            print("made again:", type(error).__name__)


QUESTION = "Two sessions run one graph with one variable. The first sets it to 5. What does the second one find?"


def solution():
    """Nothing: the graph is shared, the values are each session's own.

    It prints:

        first session: 5.0
        second session: FailedPreconditionError
    """
    with tf.Graph().as_default() as graph:
        v = tf.get_variable("v", [], tf.float32, tf.zeros_initializer(), use_resource=True)
        to_five = v.assign(5.0)
    with tf.Session(graph=graph) as first, tf.Session(graph=graph) as second:
        first.run(to_five)
        print("first session:", first.run(v))
        try:
            second.run(v)
        except tf.errors.FailedPreconditionError as error:
            print("second session:", type(error).__name__)


if __name__ == "__main__":
    main()
