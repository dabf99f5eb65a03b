"""Lesson 1: a graph is not a computation.

In graph mode `tf.add(a, b)` adds nothing. It puts a node into a graph and returns a handle of what the node will give: a Tensor that has a
name, a type and a shape, but no value. A value exists only within `session.run(...)`, which computes what it was asked for and what that
needs, each node once a run, and nothing else: a node that divides by zero does no harm until it is asked for. In PyTorch, the same line
would compute at once.

It prints:

    Tensor("total:0", shape=(), dtype=float32)
    nodes: a, b, total
    run: 7.0
    with another node, which nobody asks for: 7.0
    asked for, it fails: InvalidArgumentError
    one draw, fetched twice in one run: the same
    fetched in two runs: not the same
"""

import tensorflow.compat.v1 as tf


def main():
    """Build a graph, look at it, run parts of it."""
    with tf.Graph().as_default() as graph, tf.Session() as session:
        a = tf.constant(3.0, name="a")
        b = tf.constant(4.0, name="b")
        total = tf.add(a, b, name="total")
        print(total)
        print("nodes:", ", ".join(operation.name for operation in graph.get_operations()))
        print("run:", session.run(total))

        broken = tf.floordiv(tf.constant(1), tf.constant(0))
        print("with another node, which nobody asks for:", session.run(total))
        try:
            session.run(broken)
        except tf.errors.InvalidArgumentError as error:
            print("asked for, it fails:", type(error).__name__)

        draw = tf.random_uniform([])
        once, again = session.run([draw, draw])
        print(
            "one draw, fetched twice in one run:", "the same" if once == again else "not the same"
        )
        later = session.run(draw)
        print("fetched in two runs:", "the same" if once == later else "not the same")


QUESTION = "A Python function that counts its calls builds a node, and the node is run three times. What does the counter say?"


def solution():
    """Once: Python runs while the graph is built, and is gone when the graph runs.

    So `print` and `if` in a function that builds nodes speak of the building. To have Python called in each run, make it a
    node: tf.py_func.

    It prints:

        called at building: 1
        called by py_func: 3
    """
    calls = {"building": 0, "running": 0}

    def double(x):
        calls["building"] += 1
        return 2.0 * x

    def count(x):
        calls["running"] += 1
        return x

    with tf.Graph().as_default(), tf.Session() as session:
        node = tf.py_func(count, [double(tf.constant(3.0))], tf.float32)
        for _ in range(3):
            session.run(node)
    print("called at building:", calls["building"])
    print("called by py_func:", calls["running"])


if __name__ == "__main__":
    main()
