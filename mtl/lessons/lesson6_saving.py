"""Lesson 6: save and resume.

The graph is code: the program builds it again. What a run has learned is in the values of its
variables. A Saver writes them to a checkpoint under their names. The weights alone are not enough.
To resume exactly, a run also needs Adam's slots and the powers of its decay rates. They are
variables, so a Saver of all global variables includes them.

A strict test of a resume: train ten steps at once. Then train five, save, restore into a new graph
in a new session, and train five more. Both weights must be equal to the last bit.

It prints:

    ten steps at once: 1.98
    saved: model.ckpt-5
    variables: beta1_power, beta2_power, w, w/Adam, w/Adam_1
    equal to the last bit: True
"""

import os
import tempfile

import tensorflow.compat.v1 as tf


def build():
    """Build w and a step of Adam towards w = 3; return both."""
    w = tf.get_variable("w", [], tf.float32, tf.ones_initializer(), use_resource=True)
    return w, tf.train.AdamOptimizer(learning_rate=0.1).minimize(tf.square(w - 3.0))


def train(steps, save_to=None, restore_from=None, weights_only=False):
    """Train in a new graph and a new session; return w.

    Args:
      steps: int.
      save_to: str, the prefix of a checkpoint to save at the end; None saves nothing.
      restore_from: str, a checkpoint to start from; None starts from the initializers.
      weights_only: bool, whether to restore w without Adam's variables.
    """
    with tf.Graph().as_default(), tf.Session() as session:
        w, step = build()
        session.run(tf.global_variables_initializer())
        if restore_from:
            saver = tf.train.Saver([w] if weights_only else None)  # None: all variables
            saver.restore(session, restore_from)
        for _ in range(steps):
            session.run(step)
        if save_to:
            tf.train.Saver().save(session, save_to, global_step=steps)
        return session.run(w)


def main():
    """Train ten steps at once, then in two halves with a checkpoint between them."""
    at_once = train(10)
    print(f"ten steps at once: {at_once:.2f}")
    with tempfile.TemporaryDirectory() as folder:
        train(5, save_to=os.path.join(folder, "model.ckpt"))
        saved = tf.train.latest_checkpoint(folder)
        print("saved:", os.path.basename(saved))
        print("variables:", ", ".join(name for name, _ in tf.train.list_variables(saved)))
        resumed = train(5, restore_from=saved)
    print("equal to the last bit:", resumed == at_once)


QUESTION = "Only the weights are restored, and Adam starts again. Is w the same after ten steps?"


def solution():
    """No: without its slots, Adam makes a first step again, as large as the learning rate.

    That is right for fine-tuning on other data. When a run resumes, it is a silent error.

    It prints:

        the same after ten steps: False
        Answer: no, w is 1.99 instead of 1.98. Without its slots, Adam makes a first step again.
    """
    with tempfile.TemporaryDirectory() as folder:
        train(5, save_to=os.path.join(folder, "model.ckpt"))
        resumed = train(5, restore_from=tf.train.latest_checkpoint(folder), weights_only=True)
    at_once = train(10)
    print("the same after ten steps:", resumed == at_once)
    reason = "Without its slots, Adam makes a first step again."
    print(f"Answer: no, w is {resumed:.2f} instead of {at_once:.2f}. {reason}")


if __name__ == "__main__":
    main()
