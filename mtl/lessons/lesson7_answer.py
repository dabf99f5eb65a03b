"""Lesson 7: the whole answer in one file.

A shared bottom, six tops, six losses, five tf.add, Adam, a session loop: all by hand. It trains for some ten seconds on 4,096 drawn
numbers, labels smoothed by 0.1 (lesson 5), then reads 500 of the test split, drawn from other keys: none was trained on. A number is read
if its length and every digit are right. With all tops at 0 the cost begins at ln(ln 7) + 5 ln(ln 11). `cost` is adapted from the answer
by xtt to thetna's question on Stack Overflow, CC BY-SA 3.0; its changes are those that mtl/answer.py lists, and short names.

It prints (.. for digits that differ from machine to machine):

    cost 5.04 before the first step, -.. over the last hundred
    read ..% of 500 numbers; at least half: True
"""

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm import tqdm

from mtl import tasks
from mtl.data.drawn import synthetic


def draw(split, count):
    """Draw images, made grey and 32 x 32: float32 [count, 32, 32, 1]; and their classes: int32 [count, 6]."""
    drawn = [synthetic.example(0, split, index, difficulty=0.0) for index in tqdm(range(count), split, disable=None, leave=False)]
    grey = np.stack([image for image, _ in drawn]).reshape(count, 32, 2, 32, 2, 3).mean((2, 4, 5)) / 255.0
    return np.float32(grey[..., np.newaxis]), np.int32([list(tasks.encode(number).values()) for _, number in drawn])


def weights(layer, shape, stddev, seed=0):
    """Make a layer's w and b."""
    w = tf.get_variable(f"{layer}/w", shape, tf.float32, tf.truncated_normal_initializer(stddev=stddev, seed=seed), use_resource=True)
    return w, tf.get_variable(f"{layer}/b", shape[-1:], tf.float32, tf.zeros_initializer(), use_resource=True)


def cost(y, z):
    """Build the answer's cost of labels y (length, digit1 .. digit5) and logits z."""
    c0 = tf.log(tf.clip_by_value(tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=y[0], logits=z[0])), 1e-37, 1e37))
    c1 = tf.log(tf.clip_by_value(tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=y[1], logits=z[1])), 1e-37, 1e37))
    c2 = tf.log(tf.clip_by_value(tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=y[2], logits=z[2])), 1e-37, 1e37))
    c3 = tf.log(tf.clip_by_value(tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=y[3], logits=z[3])), 1e-37, 1e37))
    c4 = tf.log(tf.clip_by_value(tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=y[4], logits=z[4])), 1e-37, 1e37))
    c5 = tf.log(tf.clip_by_value(tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=y[5], logits=z[5])), 1e-37, 1e37))
    return tf.add(tf.add(tf.add(tf.add(tf.add(c0, c1), c2), c3), c4), c5)


def main(seed=0):
    """Draw, build, train, measure."""
    with tf.Graph().as_default(), tf.Session() as session:
        x, numbers = tf.placeholder(tf.float32, [None, 32, 32, 1]), tf.placeholder(tf.int32, [None, 6])
        h = x - tf.reduce_mean(x, axis=[1, 2, 3], keepdims=True)
        for layer, (size, before, after) in enumerate([(5, 1, 24), (3, 24, 48), (3, 48, 64)], start=1):  # 32 x 32 becomes 16, 8, 4
            w, b = weights(f"shared/conv{layer}", [size, size, before, after], (2.0 / (size * size * before)) ** 0.5, seed)
            h = tf.nn.max_pool2d(tf.nn.relu(tf.nn.conv2d(h, w, strides=1, padding="SAME") + b), 2, 2, "SAME")
        h = tf.nn.relu(tf.nn.xw_plus_b(tf.reshape(h, [-1, 1024]), *weights("shared/dense1", [1024, 256], (2.0 / 1024) ** 0.5, seed)))
        logits = [tf.nn.xw_plus_b(h, *weights(task.name, [256, task.classes], 0.0)) for task in tasks.NUMBER_TASKS]
        labels = [tf.one_hot(numbers[:, k], task.classes) * 0.9 + 0.1 / task.classes for k, task in enumerate(tasks.NUMBER_TASKS)]
        total = cost(labels, logits)
        minimize = tf.train.AdamOptimizer(1e-3).minimize(total)
        right = tf.reduce_all(tf.equal(tf.stack([tf.argmax(z, 1, output_type=tf.int32) for z in logits], 1), numbers), axis=1)
        session.run(tf.global_variables_initializer())
        (images, classes), costs = draw("train", 4096), []
        for batch in tqdm(np.random.default_rng(seed).integers(4096, size=[1000, 32]), "step", disable=None, leave=False):
            costs.append(session.run([total, minimize], {x: images[batch], numbers: classes[batch]})[0])
        print(f"cost {costs[0]:.2f} before the first step, {np.mean(costs[-100:]):.2f} over the last hundred")
        read = session.run(right, dict(zip([x, numbers], draw("test", 500)))).mean()
        print(f"read {read:.0%} of 500 numbers; at least half: {read >= 0.5}")


QUESTION = "How low can this cost fall, at the best, with labels smoothed by 0.1?"


def solution():
    """To the entropy of the labels: least is the cross entropy where the softmax gives the label itself. It prints: -4.135."""
    with tf.Graph().as_default(), tf.Session() as session:
        labels = [tf.one_hot([0], task.classes) * 0.9 + 0.1 / task.classes for task in tasks.NUMBER_TASKS]
        print(f"{session.run(cost(labels, [tf.log(label) for label in labels])):.3f}")


if __name__ == "__main__":
    main()
