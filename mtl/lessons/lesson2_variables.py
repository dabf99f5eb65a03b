"""Lesson 2: placeholders, variables and scopes.

A placeholder is an input: you feed its value to each run, in feed_dict. A variable keeps its value
between runs. The graph stores the variable's name, type and shape. The session stores its value,
once an initializer has run. Names come from scopes: `w` in the scope `layer` is `layer/w`, and that
is its name in every checkpoint. (":0" marks the first output of an operation.) To create the same
name twice is an error.

It prints:

    layer/w:0 (2, 1)
    layer/b:0 (1,)
    shape of y: (None, 1)
    before the initializer: FailedPreconditionError
    one example: [[3.0]]
    three examples: [[3.0], [7.0], [11.0]]
    after the update: [[13.0]]
    the same name again: ValueError
"""

import numpy as np
import tensorflow.compat.v1 as tf


def main():
    """Build y = xw + b, initialise it, feed it, and change it."""
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 2], "x")  # None: any number of examples
        with tf.variable_scope("layer"):
            w = tf.get_variable("w", [2, 1], tf.float32, tf.ones_initializer(), use_resource=True)
            b = tf.get_variable("b", [1], tf.float32, tf.zeros_initializer(), use_resource=True)
            y = tf.matmul(x, w) + b
        for variable in tf.trainable_variables():
            print(variable.name, variable.shape)
        print("shape of y:", y.shape)

        one = {x: [[1.0, 2.0]]}
        three = {x: np.arange(1.0, 7.0).reshape(3, 2)}
        try:
            session.run(y, one)
        except tf.errors.FailedPreconditionError as error:
            print("before the initializer:", type(error).__name__)
        session.run(tf.global_variables_initializer())
        print("one example:", session.run(y, one).tolist())
        print("three examples:", session.run(y, three).tolist())

        update = b.assign_add([10.0])  # a node: b changes when it runs
        session.run(update)
        print("after the update:", session.run(y, one).tolist())
        try:
            with tf.variable_scope("layer"):
                tf.get_variable("w", [2, 1])
        except ValueError as error:  # "Variable layer/w already exists ..."
            print("the same name again:", type(error).__name__)


QUESTION = (
    "Two sessions run one graph with one variable. The first session sets it to 5. "
    "What value does the second session read?"
)


def solution():
    """None: sessions share the graph, but each has its own values.

    It prints:

        first session: 5.0
        second session: FailedPreconditionError
        Answer: no value. Sessions share the graph, but each has its own values.
        The first session reads 5.0; the second has not initialised the variable.
    """
    with tf.Graph().as_default() as graph:
        v = tf.get_variable("v", [], tf.float32, tf.zeros_initializer(), use_resource=True)
        set_to_five = v.assign(5.0)
    with tf.Session(graph=graph) as first, tf.Session(graph=graph) as second:
        first.run(set_to_five)
        value = first.run(v)
        print("first session:", value)
        try:
            second.run(v)
        except tf.errors.FailedPreconditionError as error:
            print("second session:", type(error).__name__)
            print("Answer: no value. Sessions share the graph, but each has its own values.")
            print(f"The first session reads {value}; the second has not initialised the variable.")


if __name__ == "__main__":
    main()
