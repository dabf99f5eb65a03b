"""Lesson 5: the answer's cost, and why it can collapse.

The answer's cost is the sum of log(clip(cross entropy, 1e-37, 1e37)) over its tasks. The derivative
of log(loss) is 1 / loss, so the gradient of each task is multiplied by a weight of 1 / loss.

This lesson trains nothing: all logits are chosen by hand for one example. The five digits stay at
chance. The length is classified correctly with a growing margin: the correct logit exceeds the
other logits by that margin. The table therefore shows which logits the cost rewards. It does not
show that training reaches them; README.md compares training runs.

With a hard label, the gradient of a plain sum fades once a task is solved: at a margin of 8 it is
0.002. The answer's weight there is 497, so the gradient is 1: more than at chance. It stays near 1
until the loss is exactly 0. Then the clip gives ln(1e-37) = -85.2, and the gradient is 0. The cost
is very low, although five of the six tasks are at chance.

Label smoothing is the cure. With smoothing 0.1 the loss has its minimum at a margin of 4.2, where
the gradient is 0. The loss stays above 0.4, so the weight stays small.

The column label names the labels of the loss and the cost. The column -gradient is for the
correct logit: if it is above 0, a step raises that logit. It prints:

    margin  label       loss   weight  -gradient     cost
         0  hard        1.946      0.5       0.44     5.04
         4  hard        0.104      9.6       0.95     2.11
         8  hard        0.002    497.3       1.00    -1.84
        40  hard        0.000      0.0       0.00   -80.82
         0  smoothed    1.946      0.5       0.40     5.04
         4  smoothed    0.447      2.2       0.03     3.57
         8  smoothed    0.688      1.5      -0.12     4.00
        40  smoothed    3.429      0.3      -0.02     5.61
"""

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import answer, losses
from mtl.tasks import NUMBER_TASKS


def main():
    """Feed logits to the answer's cost, and print loss, weight, gradient and cost."""
    with tf.Graph().as_default(), tf.Session() as session:
        smoothing = tf.placeholder(tf.float32, [])
        logits = {}
        labels = {}
        for task in NUMBER_TASKS:
            logits[task.name] = tf.placeholder(tf.float32, [1, task.outputs])
            hard = tf.one_hot([2], task.outputs)
            labels[task.name] = hard * (1.0 - smoothing) + smoothing / task.outputs
        cost = answer.cost(logits, labels)
        loss = losses.mean_cross_entropy(logits["length"], labels["length"])
        gradient_of_loss = tf.gradients(loss, logits["length"])[0][0, 2]
        gradient_of_cost = tf.gradients(cost, logits["length"])[0][0, 2]
        fetches = [loss, gradient_of_loss, gradient_of_cost, cost]

        print("margin  label       loss   weight  -gradient     cost")
        for share, label in [(0.0, "hard"), (0.1, "smoothed")]:
            for margin in (0, 4, 8, 40):
                feed = {logits[task.name]: np.zeros([1, task.outputs]) for task in NUMBER_TASKS}
                feed[logits["length"]][0, 2] = margin
                feed[smoothing] = share
                value, plain, logged, total = session.run(fetches, feed)
                weight = logged / plain if plain else 0.0
                line = f"{margin:6}  {label:8}{value:9.3f}{weight:9.1f}"
                print(f"{line}{0.0 - logged:11.2f}{total:9.2f}")


QUESTION = (
    "A broken image makes the cross entropy of one task infinite; the other five are 1. "
    "What is the cost, and does anything report the fault?"
)


def solution():
    """85.2, and nothing does: the clip gives ln(1e37), and the gradient there is 0.

    So training must check the cross entropies themselves, as mtl/train.py does.

    It prints:

        cost 85.2, gradient 0.0
        Answer: the cost is 85.2 and its gradient 0.0, so nothing reports the fault.
        Training must check each loss itself.
    """
    with tf.Graph().as_default(), tf.Session() as session:
        means = [tf.constant(float("inf"))] + [tf.constant(1.0)] * 5
        cost = tf.add_n([tf.log(tf.clip_by_value(mean, 1e-37, 1e37)) for mean in means])
        (gradient,) = tf.gradients(cost, [means[0]])
        value, slope = session.run([cost, gradient])
        print(f"cost {value:.1f}, gradient {slope:.1f}")
        fault = f"the cost is {value:.1f} and its gradient {slope:.1f}"
        print(f"Answer: {fault}, so nothing reports the fault.")
        print("Training must check each loss itself.")


if __name__ == "__main__":
    main()
