"""Record the golden runs: the answer's own lines under TensorFlow 0.12.1.

Adapted from the answer by xtt to thetna's question "Multitask deep learning with Tensorflow" on
Stack Overflow (2016), CC BY-SA 3.0 (https://creativecommons.org/licenses/by-sa/3.0/). This file is
under the same licence. Changes:

  1. The lines of the losses, the cost and the optimiser are the answer's, character for character
     except for the indentation. One line is added: `cL = lossLength`. The answer uses cL, the first
     term of its sum, and never defines it; it means the loss of the length.
  2. The code around them supplies what the answer omits: inputs, a shared bottom, six tops, the
     session loop, and the files.

The file runs under Python 2.7 and imports nothing of the project, which does not. From the root of
the repository:

    python2.7 -m virtualenv py27
    py27/bin/pip install tensorflow==0.12.1 "protobuf<3.18" "numpy<1.17"
    py27/bin/python tests/golden/generate.py                 # the cases of tests/test_golden.py
    py27/bin/python tests/golden/generate.py --parting DIR   # cases that differ, never committed

A case is one .npz without pickles:

    bottom              "mlp" or "conv"
    learning_rate       float64
    images              uint8 [batches, batch, height, width, channels]; the network sees
                        images / 255 - 0.5; step s takes batch s % batches
    labels/<task>       float32 [batches, batch, classes], rows of probabilities
    initial/<variable>  float32, before the first step
    final/<variable>    float32, after the last step
    cost                float32 [steps], before the update of each step
    margin              float32 [steps], the smallest distance of a ReLU's input from 0

Versions of TensorFlow differ in rounding by about 1e-7. Two effects make that visible, whatever the
loss:

  - A ReLU whose input is that close to 0 is open in one version and closed in the other.
  - A weight whose first gradient is nearly 0 (5e-7, where the median is 1e-2) still moves by a full
    step, because Adam divides by the size of the gradient.

The seeds avoid both. The margin of a committed case is above MARGIN. Of 16 seeds tried for "conv",
2 had such a weight and were skipped.

graph.npz maps the type of an operation to an int64: its count in the graph of the cost. ApplyAdam
is counted after the optimiser's line.
"""

import collections
import os
import sys

import numpy as np
import tensorflow as tf

HERE = os.path.dirname(os.path.abspath(__file__))
TASKS = (
    ("length", 7),
    ("digit1", 11),
    ("digit2", 11),
    ("digit3", 11),
    ("digit4", 11),
    ("digit5", 11),
)
BATCHES, BATCH = 7, 13
IMAGE = {"mlp": (9, 7, 1), "conv": (8, 6, 3)}  # height, width, channels
FILTERS = (5, 6)  # of the two convolutions
# Counted in graph.npz.
OPERATIONS = (
    "SoftmaxCrossEntropyWithLogits",
    "Mean",
    "Minimum",
    "Maximum",
    "Log",
    "Add",
    "ApplyAdam",
)
MARGIN = 1e-6  # smallest distance of a ReLU's input from 0 in a committed case
FLOOR_BIAS = 40.0  # above a logit margin of about 17, the cross entropy is exactly 0 in float32


def case(
    bottom, seed, steps, smoothing=0.0, learning_rate=1e-3, hidden=23, floor=False, learnable=False
):
    """Return the settings of a case.

    Args:
      floor: whether digit5 is always X, and solved from the start.
      learnable: whether all batches are the same, so that the losses approach 0.
    """
    return {
        "bottom": bottom,
        "seed": seed,
        "steps": steps,
        "smoothing": smoothing,
        "learning_rate": learning_rate,
        "hidden": hidden,
        "floor": floor,
        "learnable": learnable,
    }


CASES = {
    "mlp_seed0": case("mlp", 0, 300),
    "mlp_seed1": case("mlp", 1, 300),
    "mlp_seed2": case("mlp", 2, 300),
    "mlp_soft": case("mlp", 1, 300, smoothing=0.1),
    "mlp_floor": case("mlp", 6, 300, floor=True),
    "conv": case("conv", 23, 100),
}
PARTING = {
    # At step 293 the input of a ReLU is within 3e-8 of 0.
    "mlp_rectifier": case("mlp", 3, 300, smoothing=0.1, hidden=37),
    "mlp_learnable": case("mlp", 0, 3000, learnable=True),
    "mlp_learnable_soft": case("mlp", 0, 3000, learnable=True, smoothing=0.1),
    "mlp_long": case("mlp", 0, 3000),
    "conv_long": case("conv", 23, 300),
    "conv_3e-3": case("conv", 23, 300, learning_rate=3e-3, hidden=150),
}


def draw_data(spec, random):
    """Draw images and labels. The labels are random, so no task is solved during a case."""
    images = random.randint(0, 256, (BATCHES, BATCH) + IMAGE[spec["bottom"]]).astype(np.uint8)
    classes = collections.OrderedDict(
        (task, random.randint(0, count, (BATCHES, BATCH))) for task, count in TASKS
    )
    if spec["learnable"]:
        images[:] = images[:1]
        for task in classes:
            classes[task][:] = classes[task][:1]
    if spec["floor"]:
        classes["digit5"][:] = 10
    labels = collections.OrderedDict()
    for task, count in TASKS:
        hard = np.eye(count, dtype=np.float32)[classes[task]]
        soft = hard * (1.0 - spec["smoothing"]) + spec["smoothing"] / count
        labels[task] = soft.astype(np.float32)
    return images, labels


def draw_weights(spec, random):
    """Draw initial weights under the project's names. No bias is 0, so that each has an effect."""
    height, width, channels = IMAGE[spec["bottom"]]
    shapes = collections.OrderedDict()
    inputs = height * width * channels
    if spec["bottom"] == "conv":
        shapes["shared/conv1"] = (3, 3, channels, FILTERS[0])
        shapes["shared/conv2"] = (3, 3, FILTERS[0], FILTERS[1])
        inputs = ((height + 1) // 2) * ((width + 1) // 2) * FILTERS[1]
    shapes["shared/dense1"] = (inputs, spec["hidden"])
    for task, count in TASKS:
        shapes[task] = (spec["hidden"], count)
    weights = collections.OrderedDict()
    for layer, shape in shapes.items():
        stddev = np.sqrt(1.0 / np.prod(shape[:-1]))
        weights[layer + "/w"] = random.normal(0.0, stddev, shape).astype(np.float32)
        weights[layer + "/b"] = random.normal(0.0, 0.1, shape[-1:]).astype(np.float32)
    if spec["floor"]:
        weights["digit5/b"][10] += FLOOR_BIAS
    return weights


def build_features(images, variables, bottom):
    """Build the shared bottom; return float32 [batch, hidden] and the inputs of all ReLUs."""
    x, into_rectifiers = images, []

    def rectify(x):
        into_rectifiers.append(x)
        return tf.nn.relu(x)

    def conv(x, layer):
        y = tf.nn.conv2d(x, variables[layer + "/w"], [1, 1, 1, 1], "SAME")
        return tf.nn.bias_add(y, variables[layer + "/b"])

    if bottom == "conv":
        x = tf.nn.max_pool(rectify(conv(x, "shared/conv1")), [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
        x = rectify(conv(x, "shared/conv2"))
    x = tf.reshape(x, [-1, int(np.prod(x.get_shape().as_list()[1:]))])
    y = tf.matmul(x, variables["shared/dense1/w"])
    x = rectify(tf.nn.bias_add(y, variables["shared/dense1/b"]))
    return x, into_rectifiers


def answer(logits, labels, learning_rate):
    """Build the answer's lines. In this version the order by position is (logits, labels)."""
    # fmt: off
    length_logits, digit1_logits, digit2_logits, digit3_logits, digit4_logits, digit5_logits = [logits[task] for task, _ in TASKS]
    true_length, true_digit1, true_digit2, true_digit3, true_digit4, true_digit5 = [labels[task] for task, _ in TASKS]

    # Define loss and optimizer
    lossLength = tf.log(tf.clip_by_value(tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(length_logits, true_length)), 1e-37, 1e+37))
    lossDigit1 = tf.log(tf.clip_by_value(tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(digit1_logits, true_digit1)), 1e-37, 1e+37))
    lossDigit2 = tf.log(tf.clip_by_value(tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(digit2_logits, true_digit2)), 1e-37, 1e+37))
    lossDigit3 = tf.log(tf.clip_by_value(tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(digit3_logits, true_digit3)), 1e-37, 1e+37))
    lossDigit4 = tf.log(tf.clip_by_value(tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(digit4_logits, true_digit4)), 1e-37, 1e+37))
    lossDigit5 = tf.log(tf.clip_by_value(tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(digit5_logits, true_digit5)), 1e-37, 1e+37))

    cL = lossLength  # the added line: the answer uses cL and never defines it

    cost = tf.add(
            tf.add(
            tf.add(
            tf.add(
            tf.add(cL,lossDigit1),
            lossDigit2),
            lossDigit3),
            lossDigit4),
            lossDigit5)
    # fmt: on
    of_the_cost = count_operations()

    optimizer = tf.train.AdamOptimizer(learning_rate=learning_rate).minimize(cost)
    return cost, optimizer, of_the_cost


def count_operations():
    """Return the number of operations of each type in the current graph."""
    operations = tf.get_default_graph().get_operations()
    return collections.Counter(operation.type for operation in operations)


def run(spec):
    """Train a case; return the arrays of its file and the operation counts of its graph."""
    random = np.random.RandomState(spec["seed"])
    images, labels = draw_data(spec, random)
    weights = draw_weights(spec, random)
    record = {
        "bottom": np.array(spec["bottom"]).astype("U"),
        "learning_rate": np.float64(spec["learning_rate"]),
        "images": images,
    }
    record.update(("labels/" + task, rows) for task, rows in labels.items())
    record.update(("initial/" + name, value) for name, value in weights.items())

    with tf.Graph().as_default():
        image_input = tf.placeholder(tf.float32, (BATCH,) + IMAGE[spec["bottom"]])
        label_inputs = {task: tf.placeholder(tf.float32, (BATCH, count)) for task, count in TASKS}
        variables = collections.OrderedDict(
            (name, tf.Variable(value, name=name)) for name, value in weights.items()
        )
        features, into_rectifiers = build_features(image_input, variables, spec["bottom"])
        logits = {}
        for task, _ in TASKS:
            y = tf.matmul(features, variables[task + "/w"])
            logits[task] = tf.nn.bias_add(y, variables[task + "/b"])
        cost, optimizer, counts = answer(logits, label_inputs, spec["learning_rate"])
        counts["ApplyAdam"] = count_operations()["ApplyAdam"]
        # One thread fixes the order of every sum on any machine.
        config = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
        with tf.Session(config=config) as session:
            session.run(tf.global_variables_initializer())
            costs, margins = [], []
            for step in range(spec["steps"]):
                batch = step % BATCHES
                pixels = images[batch].astype(np.float32)
                feed = {image_input: pixels / np.float32(255) - np.float32(0.5)}
                feed.update((label_inputs[task], labels[task][batch]) for task, _ in TASKS)
                now, inputs, _ = session.run([cost, into_rectifiers, optimizer], feed)
                costs.append(now)
                margins.append(min(np.abs(values).min() for values in inputs))
            record["cost"] = np.array(costs, np.float32)
            record["margin"] = np.array(margins, np.float32)
            for name, variable in variables.items():
                record["final/" + name] = session.run(variable)
    return record, counts


def main(arguments):
    """Write the committed cases, or the others with --parting DIR."""
    if tf.__version__ != "0.12.1":
        sys.exit("TensorFlow is {}; install 0.12.1, see the docstring".format(tf.__version__))
    parting = arguments[:1] == ["--parting"]
    folder = arguments[1] if parting else HERE
    for name, spec in sorted((PARTING if parting else CASES).items()):
        record, counts = run(spec)
        np.savez_compressed(os.path.join(folder, name + ".npz"), **record)
        cost, margin = record["cost"], record["margin"].min()
        if not parting and margin < MARGIN:
            what = "{}: a ReLU's input is within {:.1g} of 0; choose another seed"
            sys.exit(what.format(name, margin))
        line = "{:20s} cost {:.4f}, lowest {:.4f}, last {:.4f}, margin {:.1g}"
        print(line.format(name, cost[0], cost.min(), cost[-1], margin))
        if name == "mlp_seed0":
            selected = {kind: np.int64(counts[kind]) for kind in OPERATIONS}
            np.savez_compressed(os.path.join(folder, "graph.npz"), **selected)


if __name__ == "__main__":
    main(sys.argv[1:])
