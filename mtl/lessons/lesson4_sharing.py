"""Lesson 4: sharing a bottom under two tops.

Multi-task learning in one picture: the bottom is built once, and two tops are built on its output. Each loss has a gradient by its
own top and by the shared weight, and none (None, not 0) by the other's top: no way leads there. Of a sum of losses, the shared weight
gets the sum of both gradients: here the tasks pull against each other, and what is left decides where the bottom goes.

By hand, with x = 1, bottom 2, tops 3 and -1: a gives 6 and wants 5, b gives -2 and wants -4.

It prints:

                  loss a   loss b  their sum
    shared/w         6.0     -4.0        2.0
    a/w              4.0     None        4.0
    b/w             None      8.0        8.0
    one step of 0.1 down: shared/w 1.8, a/w 2.6, b/w -1.8
"""

import tensorflow.compat.v1 as tf


def times(x, scope, start):
    """Multiply by a variable: a layer of one weight, in a variable scope of its own."""
    with tf.variable_scope(scope):
        return x * tf.get_variable(
            "w", [], tf.float32, tf.constant_initializer(start), use_resource=True
        )


def main():
    """Build one bottom and two tops, and look at who pulls on what."""
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.constant(1.0)
        features = times(x, "shared", 2.0)
        loss_a = tf.square(times(features, "a", 3.0) - 5.0)
        loss_b = tf.square(times(features, "b", -1.0) + 4.0)
        loss = tf.add(loss_a, loss_b)
        weights = tf.trainable_variables()
        gradients = [tf.gradients(each, weights) for each in (loss_a, loss_b, loss)]
        step = tf.train.GradientDescentOptimizer(0.1).minimize(loss)

        session.run(tf.global_variables_initializer())
        print("{:12}{:>8}{:>9}{:>11}".format("", "loss a", "loss b", "their sum"))
        for weight, *row in zip(weights, *gradients):
            row = [None if each is None else session.run(each) for each in row]
            print("{:12}{!s:>8}{!s:>9}{!s:>11}".format(weight.op.name, *row))
        session.run(step)
        print(
            "one step of 0.1 down:",
            ", ".join(f"{weight.op.name} {session.run(weight):.1f}" for weight in weights),
        )


QUESTION = "What if the bottom is built once more, for a second input: does it share the weight?"


def solution():
    """Not by itself: a second get_variable of one name is an error, unless the scope is told to reuse.

    Sharing by building once needs no reuse. It is for the same weights on another input: two pictures to compare, or a validation
    set with a graph of its own.

    It prints:

        again: ValueError
        again with AUTO_REUSE: 2.0 and 20.0 by 1 variable
        in another scope: 2 variables
    """
    with tf.Graph().as_default(), tf.Session() as session:
        first = times(tf.constant(1.0), "shared", 2.0)
        try:
            times(tf.constant(10.0), "shared", 2.0)
        except ValueError as error:
            print("again:", type(error).__name__)
        with tf.variable_scope(tf.get_variable_scope(), reuse=tf.AUTO_REUSE):
            second = times(tf.constant(10.0), "shared", 2.0)
        session.run(tf.global_variables_initializer())
        print(
            "again with AUTO_REUSE: {} and {}".format(*session.run([first, second])),
            f"by {len(tf.global_variables())} variable",
        )
        times(tf.constant(10.0), "other", 2.0)
        print(f"in another scope: {len(tf.global_variables())} variables")


if __name__ == "__main__":
    main()
