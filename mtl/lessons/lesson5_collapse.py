"""Lesson 5: the answer's loss, and why it can collapse.

The answer adds up log(clip(cross entropy, 1e-37, 1e37)) of its tasks. The derivative of a log is 1 / loss: with this weight each task's
gradient pulls on the shared bottom. Below, the five digits know nothing and stay so; the length is right by a growing margin, its right
logit above the others, first with a hard label, then with one that is smoothed by 0.1. In a plain sum a task that is solved lets go: at
margin 8 it would pull with 0.002. Here it is weighted by 497 and pulls with 1, harder than when it knew nothing, and so on down to a
loss of exactly 0. There the clip holds the log at ln(1e-37) = -85.2 with gradient 0: the cost shows a triumph, five tasks learnt nothing.

The cure is in the labels. A smoothed one is met at a margin of 4.2, where the pull is 0; its loss stays above 0.4, and its weight small.

It prints (a pull above 0 raises the right logit):

    margin  label       loss   weight     pull     cost
         0  hard        1.946      0.5     0.44     5.04
         4  hard        0.104      9.6     0.95     2.11
         8  hard        0.002    497.3     1.00    -1.84
        40  hard        0.000      0.0     0.00   -80.82
         0  smoothed    1.946      0.5     0.40     5.04
         4  smoothed    0.447      2.2     0.03     3.57
         8  smoothed    0.688      1.5    -0.12     4.00
        40  smoothed    3.429      0.3    -0.02     5.61
"""

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import answer, losses
from mtl.tasks import NUMBER_TASKS


def main():
    """Feed the answer's cost one example whose length is more and more surely right, and look at weight, pull and cost."""
    with tf.Graph().as_default(), tf.Session() as session:
        logits = {task.name: tf.placeholder(tf.float32, [1, task.classes]) for task in NUMBER_TASKS}
        smoothing = tf.placeholder(tf.float32, [])
        labels = {
            task.name: tf.one_hot([2], task.classes) * (1.0 - smoothing) + smoothing / task.classes
            for task in NUMBER_TASKS
        }
        cost = answer.cost(logits, labels)
        loss = losses.mean_cross_entropy(logits["length"], labels["length"])
        of_loss, of_cost = (
            tf.gradients(value, logits["length"])[0][0, 2] for value in (loss, cost)
        )

        print("margin  label       loss   weight     pull     cost")
        for soft in (0.0, 0.1):
            for margin in (0, 4, 8, 40):
                feed = {logits[task.name]: np.zeros([1, task.classes]) for task in NUMBER_TASKS} | {
                    smoothing: soft
                }
                feed[logits["length"]][0, 2] = margin
                raw, slope, slope_of_cost, total = session.run([loss, of_loss, of_cost, cost], feed)
                weight = (
                    slope_of_cost / slope if slope else 0.0
                )  # how many times as hard as in a plain sum
                label = "smoothed" if soft else "hard"
                print(
                    f"{margin:6}  {label:8}{raw:9.3f}{weight:9.1f}{0.0 - slope_of_cost:9.2f}{total:9.2f}"
                )


QUESTION = "A broken image makes the cross entropy of one task infinite, the others are 1. What does the cost show, and who is told?"


def solution():
    """85.2, and nobody: the clip's ceiling holds the log at ln(1e37), and beyond it the gradient is 0.

    So a training must watch the raw cross entropies; mtl/train.py does.

    It prints:

        cost 85.2, gradient 0.0
    """
    with tf.Graph().as_default(), tf.Session() as session:
        means = [tf.constant(float("inf"))] + [tf.constant(1.0)] * 5
        cost = losses.sum_of_logs(means)
        print(
            "cost {:.1f}, gradient {:.1f}".format(
                *session.run([cost, tf.gradients(cost, means[0])[0]])
            )
        )


if __name__ == "__main__":
    main()
