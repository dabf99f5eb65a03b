"""Lesson 6: saving and resuming.

The graph is code: it is built again. What a run has learnt is the values of its variables, and a Saver writes them to a checkpoint under
their names. Not the weights alone: to go on as if nothing had happened, a run needs Adam's slots and the powers of its decay rates too,
and these are variables, so a Saver of all global variables has them. The test of a resume is hard and simple: ten steps at once, and
five steps, a save, a new graph in a new session, a restore and five more steps give the same bits.

It prints:

    ten steps at once: 1.98
    saved: model.ckpt-5
    it holds: beta1_power, beta2_power, w, w/Adam, w/Adam_1
    the same bits after ten steps: True
"""

import os
import tempfile

import tensorflow.compat.v1 as tf


def build():
    """Build w, and a step of Adam towards w = 3."""
    w = tf.get_variable("w", [], tf.float32, tf.ones_initializer(), use_resource=True)
    return w, tf.train.AdamOptimizer(learning_rate=0.1).minimize(tf.square(w - 3.0))


def train(steps, save_to=None, restore_from=None, weights_alone=False):
    """Train in a graph and a session of its own, from the initializer or a checkpoint, and save at the end; return w."""
    with tf.Graph().as_default(), tf.Session() as session:
        w, step = build()
        if weights_alone or not restore_from:
            session.run(tf.global_variables_initializer())
        if restore_from:
            tf.train.Saver([w] if weights_alone else None).restore(
                session, restore_from
            )  # it sets the values: no initializer
        for _ in range(steps):
            session.run(step)
        if save_to:
            tf.train.Saver().save(session, save_to, global_step=steps)
        return session.run(w)


def main():
    """Train ten steps in one go, and in two halves with a checkpoint between."""
    at_once = train(10)
    print(f"ten steps at once: {at_once:.2f}")
    with tempfile.TemporaryDirectory() as folder:
        train(5, save_to=os.path.join(folder, "model.ckpt"))
        saved = tf.train.latest_checkpoint(folder)
        print("saved:", os.path.basename(saved))
        print("it holds:", ", ".join(name for name, _ in tf.train.list_variables(saved)))
        resumed = train(5, restore_from=saved)
    print("the same bits after ten steps:", resumed == at_once)


QUESTION = "What if only the weights are restored, and Adam starts afresh: the same weight after ten steps?"


def solution():
    """No: the first step after the restore is a first step of Adam again, the learning rate whole.

    For a fine-tuning on other data that is right. For a resume it is a jolt that no error tells of.

    It prints:

        the same after ten steps: False
    """
    with tempfile.TemporaryDirectory() as folder:
        train(5, save_to=os.path.join(folder, "model.ckpt"))
        resumed = train(5, restore_from=tf.train.latest_checkpoint(folder), weights_alone=True)
    print("the same after ten steps:", resumed == train(10))


if __name__ == "__main__":
    main()
