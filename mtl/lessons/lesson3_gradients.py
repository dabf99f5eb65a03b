"""Lesson 3: a loss, its gradient as part of the graph, Adam's slots.

`tf.gradients(loss, w)` computes nothing either: it walks the graph back from the loss and adds the nodes that will give the derivative.
There is no tape and no `.grad` that piles up: the gradient is one more tensor to fetch. `optimizer.minimize(loss)` is two steps:
compute_gradients adds those nodes, apply_gradients adds one update for each variable. What Adam remembers of each weight, a mean of
its gradients (m) and of their squares (v), are variables too, its slots; two more hold the powers of its decay rates.

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
    """Build loss = scale * (2w - 6)^2 and a step of Adam; return w, the loss, the optimiser and the step."""
    w = tf.get_variable("w", [], tf.float32, tf.ones_initializer(), use_resource=True)
    loss = scale * tf.square(2.0 * w - 6.0)  # least at w = 3
    adam = tf.train.AdamOptimizer(learning_rate=0.1)
    return w, loss, adam, adam.minimize(loss)


def main():
    """Look at a gradient, then at what Adam adds to the graph, then train."""
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
    "The loss is multiplied by 1,000. How far does w go in Adam's first step: 100, 0.1 or 0.0001?"
)


def solution():
    """0.1, the learning rate, as before: Adam divides m by the root of v, and a common factor falls out.

    So the size of a loss does not matter to Adam, but the sizes of several losses, one against the other, do: lesson 5.

    It prints:

        loss times 1: w goes 0.1000
        loss times 1000: w goes 0.1000
    """
    for scale in (1.0, 1000.0):
        with tf.Graph().as_default(), tf.Session() as session:
            w, _, _, step = build(scale)
            session.run(tf.global_variables_initializer())
            session.run(step)
            print(f"loss times {scale:.0f}: w goes {session.run(w) - 1.0:.4f}")


if __name__ == "__main__":
    main()
