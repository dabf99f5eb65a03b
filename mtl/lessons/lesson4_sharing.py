"""Lesson 4: two tops share one bottom.

This is multi-task learning at its smallest. The bottom is built once, and two tops use its output.
Each loss has a gradient at its own top and at the shared weight. At the other top its gradient is
None, not 0: no path leads there. When the losses are added, the shared weight gets the sum of both
gradients. Here the two have opposite signs, and the sum decides where the shared weight moves.

By hand, with x = 1, bottom 2 and tops 3 and -1: task a outputs 6, its target is 5. Task b outputs
-2, its target is -4.

It prints:

                  loss a   loss b        sum
    shared/w         6.0     -4.0        2.0
    a/w              4.0     None        4.0
    b/w             None      8.0        8.0
    after one step of gradient descent: shared/w 1.8, a/w 2.6, b/w -1.8
"""

import tensorflow.compat.v1 as tf


def scale(x, scope, start):
    """Multiply by a variable: a layer of one weight, in its own variable scope."""
    with tf.variable_scope(scope):
        initializer = tf.constant_initializer(start)
        return x * tf.get_variable("w", [], tf.float32, initializer, use_resource=True)


def main():
    """Build one bottom and two tops, and print the gradient of each loss at each weight."""
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.constant(1.0)
        features = scale(x, "shared", 2.0)
        loss_a = tf.square(scale(features, "a", 3.0) - 5.0)
        loss_b = tf.square(scale(features, "b", -1.0) + 4.0)
        loss = tf.add(loss_a, loss_b)
        weights = tf.trainable_variables()
        gradients = [tf.gradients(each, weights) for each in (loss_a, loss_b, loss)]
        step = tf.train.GradientDescentOptimizer(learning_rate=0.1).minimize(loss)

        session.run(tf.global_variables_initializer())
        print("{:12}{:>8}{:>9}{:>11}".format("", "loss a", "loss b", "sum"))
        for weight, *tensors in zip(weights, *gradients):
            values = [None if each is None else session.run(each) for each in tensors]
            print("{:12}{!s:>8}{!s:>9}{!s:>11}".format(weight.op.name, *values))
        session.run(step)
        moved = [f"{weight.op.name} {session.run(weight):.1f}" for weight in weights]
        print("after one step of gradient descent:", ", ".join(moved))


QUESTION = "The bottom is built a second time, for another input. Does it share the weight?"


def solution():
    """No: a second get_variable of the same name is an error, unless the scope allows reuse.

    To share a bottom between tops, build it once; no reuse is needed. Reuse applies the same
    weights to another input, such as a second image or the validation images.

    It prints:

        second time: ValueError
        second time with AUTO_REUSE: 2.0 and 20.0 from 1 variable
        second time in another scope: 2 variables
        Answer: no, the second get_variable raises ValueError.
        With AUTO_REUSE, both inputs use 1 variable.
    """
    with tf.Graph().as_default(), tf.Session() as session:
        first = scale(tf.constant(1.0), "shared", 2.0)
        try:
            scale(tf.constant(10.0), "shared", 2.0)
        except ValueError as error:
            raised = type(error).__name__
            print("second time:", raised)
        with tf.variable_scope(tf.get_variable_scope(), reuse=tf.AUTO_REUSE):
            second = scale(tf.constant(10.0), "shared", 2.0)
        session.run(tf.global_variables_initializer())
        one, two = session.run([first, second])
        count = len(tf.global_variables())
        print(f"second time with AUTO_REUSE: {one} and {two} from {count} variable")
        scale(tf.constant(10.0), "other", 2.0)
        print(f"second time in another scope: {len(tf.global_variables())} variables")
        print(f"Answer: no, the second get_variable raises {raised}.")
        print(f"With AUTO_REUSE, both inputs use {count} variable.")


if __name__ == "__main__":
    main()
