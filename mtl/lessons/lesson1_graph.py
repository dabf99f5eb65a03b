"""Lesson 1: a graph is not a computation.

In graph mode `tf.add(a, b)` adds nothing. It puts a node into a graph and returns a Tensor. The
Tensor has a name, a type and a shape, but no value. Values exist only inside `session.run(...)`.
A run computes the tensors you ask for and the nodes they depend on. It computes each node once, and
no other node: a division by zero does no harm until a run needs its result. In PyTorch the same
line would compute at once.

It prints:

    Tensor("total:0", shape=(), dtype=float32)
    nodes: a, b, total
    run: 7.0
    run beside a node that would fail: 7.0
    run of that node: InvalidArgumentError
    one draw, fetched twice in one run: equal
    one draw, fetched in two runs: different
"""

import tensorflow.compat.v1 as tf


def main():
    """Build a graph, inspect it, and run parts of it."""
    with tf.Graph().as_default() as graph, tf.Session() as session:
        a = tf.constant(3.0, name="a")
        b = tf.constant(4.0, name="b")
        total = tf.add(a, b, name="total")
        print(total)
        print("nodes:", ", ".join(operation.name for operation in graph.get_operations()))
        print("run:", session.run(total))

        broken = tf.floordiv(tf.constant(1), tf.constant(0))
        print("run beside a node that would fail:", session.run(total))
        try:
            session.run(broken)
        except tf.errors.InvalidArgumentError as error:
            print("run of that node:", type(error).__name__)

        draw = tf.random_uniform([])
        first, second = session.run([draw, draw])
        third = session.run(draw)
        print("one draw, fetched twice in one run:", compare(first, second))
        print("one draw, fetched in two runs:", compare(first, third))


def compare(first, second):
    """Return "equal" or "different"."""
    return "equal" if first == second else "different"


QUESTION = (
    "A Python function counts its calls and returns a node. The node runs three times. "
    "What is the count?"
)


def solution():
    """1: the function runs while the graph is built, and not again.

    A `print` or an `if` in such a function also acts only while the graph is built. To call Python
    in each run, make the function a node with tf.py_func.

    It prints:

        calls of the function that builds: 1
        calls through py_func: 3
        Answer: the count is 1. The function runs while the graph is built; the node ran 3 times.
    """
    calls = {"build": 0, "run": 0}

    def double(x):
        calls["build"] += 1
        return 2.0 * x

    def identity(x):
        calls["run"] += 1
        return x

    with tf.Graph().as_default(), tf.Session() as session:
        node = tf.py_func(identity, [double(tf.constant(3.0))], tf.float32)
        for _ in range(3):
            session.run(node)
    print("calls of the function that builds:", calls["build"])
    print("calls through py_func:", calls["run"])
    reason = "The function runs while the graph is built"
    print(f"Answer: the count is {calls['build']}. {reason}; the node ran {calls['run']} times.")


if __name__ == "__main__":
    main()
