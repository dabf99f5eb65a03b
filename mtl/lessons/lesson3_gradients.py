"""Lesson 3: gradients are nodes, and Adam's state is variables.

`tf.gradients(loss, w)` computes nothing. It walks the graph back from the loss and adds the nodes
that compute the derivative. There is no tape, and no `.grad` that accumulates: a gradient is one
more tensor to fetch. `optimizer.minimize(loss)` takes two steps. compute_gradients adds these
nodes, and apply_gradients adds an update of each variable. Adam keeps two running means for each
weight: of its gradients (m) and of their squares (v). They are variables too, called slots. Two
more variables hold the powers of Adam's decay rates.

It prints:

    loss 16.0, gradient -16.0
    the gradient is a Tensor, and the graph has grown: True
    trainable: w
    all: beta1_power, beta2_power, w, w/Adam, w/Adam_1
    after one step: w 1.100, m -1.600, v 0.256
    after 300 steps: w 3.0
"""

import tensorflow.compat.v1 as tf


def build(scale=1.0):
    """Build loss = scale * (2w - 6)^2 and Adam; return w, the loss, Adam and its train step."""
    w = tf.get_variable("w", [], tf.float32, tf.ones_initializer(), use_resource=True)
    loss = scale * tf.square(2.0 * w - 6.0)  # smallest at w = 3
    adam = tf.train.AdamOptimizer(learning_rate=0.1)
    return w, loss, adam, adam.minimize(loss)


def main():
    """Fetch a gradient, list the variables that Adam adds, and train."""
    with tf.Graph().as_default() as graph, tf.Session() as session:
        w, loss, adam, step = build()
        before = len(graph.get_operations())
        (gradient,) = tf.gradients(loss, [w])  # by hand: 2 * (2w - 6) * 2
        session.run(tf.global_variables_initializer())
        print("loss {}, gradient {}".format(*session.run([loss, gradient])))
        grown = tf.is_tensor(gradient) and len(graph.get_operations()) > before
        print("the gradient is a Tensor, and the graph has grown:", grown)
        print("trainable:", ", ".join(variable.op.name for variable in tf.trainable_variables()))
        print("all:", ", ".join(sorted(variable.op.name for variable in tf.global_variables())))

        session.run(step)  # m = 0.1 * gradient, v = 0.001 * gradient^2
        values = session.run([w, adam.get_slot(w, "m"), adam.get_slot(w, "v")])
        print("after one step: w {:.3f}, m {:.3f}, v {:.3f}".format(*values))
        for _ in range(299):
            session.run(step)
        print(f"after 300 steps: w {session.run(w):.1f}")


QUESTION = (
    "The loss is multiplied by 1,000. How far does Adam's first step move w: 100, 0.1 or 0.0001?"
)


def solution():
    """0.1, the learning rate, as before: Adam divides m by the root of v, so a factor cancels.

    Adam ignores the scale of a loss. It does not ignore the ratio between two losses that are
    added: see lesson 5.

    It prints:

        loss times 1: w moves by 0.1000
        loss times 1000: w moves by 0.1000
        Answer: by 0.1, the learning rate. The gradient is 1,000 times as large, but Adam divides
        m by the root of v, and the factor cancels.
    """
    for scale in (1.0, 1000.0):
        with tf.Graph().as_default(), tf.Session() as session:
            w, _, _, step = build(scale)
            session.run(tf.global_variables_initializer())
            session.run(step)
            moved = session.run(w) - 1.0
            print(f"loss times {scale:.0f}: w moves by {moved:.4f}")
    gradient = f"The gradient is {scale:,.0f} times as large"
    print(f"Answer: by {moved:.1f}, the learning rate. {gradient}, but Adam divides")
    print("m by the root of v, and the factor cancels.")


if __name__ == "__main__":
    main()
