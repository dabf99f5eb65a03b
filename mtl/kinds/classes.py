"""A softmax over classes. Its loss is the cross entropy."""

import numbers

import numpy as np

from mtl.kinds import finite

DTYPE = np.int32
MISSING = -1
METRICS = {"loss": ".4f", "accuracy": ".2%", "balanced_accuracy": ".2%", "macro_f1": ".2%"}
SCORE = "accuracy"
EXACT = True
COLUMNS = ("class", "probability")
LOSS, OUTPUT = "cross entropy", "softmax"
# Classes of a confusion matrix; one of more classes would be too large to read.
_MATRIX = 30


def check(task):
    """Raise ValueError if a task has fewer than two classes."""
    if not isinstance(task.outputs, numbers.Integral) or task.outputs < 2:
        why = "a softmax needs at least 2 classes, because a single one always has loss 0"
        cure = f"write {task.name}:N with the number of classes, or {task.name}:real for a value"
        raise ValueError(f"has outputs={task.outputs!r}, but {why}; {cure}")


# -- labels ----------------------------------------------------------------------------------------


def label_shape(task):
    """Return the shape of a label: a single class."""
    return ()


def parse(text, task):
    """Return the class in a cell of a CSV file; raise ValueError if it is not one."""
    cure = f"number the classes 0 to {task.outputs - 1}; an empty cell means not labelled"
    digits = text.removesuffix(".0")  # pandas writes 2.0 in a column with empty cells
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(f"{text[:80]!r} is not a class; {cure}")
    if len(digits) > 9 or int(digits) >= task.outputs:
        raise ValueError(f"class {text[:80]} is out of range; {cure}")
    return int(digits)


def check_labels(labels, task):
    """Raise ValueError if labels are not classes, or -1 for examples without a label."""
    if labels.dtype.kind not in "iu":
        cure = "use integers, and -1 where there is no label"
        raise ValueError(f"must be integers, got {labels.dtype}; {cure}")
    outside = labels[(labels < MISSING) | (labels >= task.outputs)]
    if outside.size:
        cure = f"number the {task.outputs} classes from 0; -1 means not labelled"
        raise ValueError(f"must be 0 to {task.outputs - 1}, got {outside[0]}; {cure}")


def missing(labels):
    """Return which examples have no label, bool [n]."""
    return labels == MISSING


def fitted(task, labels):
    """Return the task unchanged: classes have no scale."""
    return task


# -- graph -----------------------------------------------------------------------------------------


def targets(labels, task, *, smoothing=0.0, complete=False, masked=False):
    """Return the soft labels of classes.

    Args:
      labels: int32 [batch].
      task: tasks.Task.
      smoothing, complete, masked: see losses.smooth.

    Returns:
      float32 [batch, classes]; all zeros without a label.
    """
    from mtl import losses

    return losses.smooth(labels, task.outputs, smoothing, masked=masked, complete=complete)


def labelled(targets):
    """Return which examples have a label, bool [batch]."""
    import tensorflow.compat.v1 as tf

    return tf.reduce_any(targets > 0.0, axis=1)


def losses(logits, targets):
    """Return the cross entropy of each example, float32 [batch], in nats."""
    import tensorflow.compat.v1 as tf

    # tf.nn.softmax_cross_entropy_with_logits computes the same values, but adds 30 operations that
    # reshape other ranks; with 200 tasks they take two seconds to build.
    return tf.raw_ops.SoftmaxCrossEntropyWithLogits(features=logits, labels=targets).loss


def output(logits, task):
    """Return the log probability of each class, float32 [batch, classes]."""
    import tensorflow.compat.v1 as tf

    return tf.nn.log_softmax(logits)


def serving(outputs, task):
    """Return the outputs of `served` in the graph of an exported model, dict key -> tensor."""
    import tensorflow.compat.v1 as tf

    return {"class": tf.argmax(outputs, axis=1), "probabilities": tf.exp(outputs)}


# -- evaluation ------------------------------------------------------------------------------------


def each(outputs, labels, task):
    """Return the cross entropy of each example in nats, float64 [n]; NaN without a label."""
    known = ~missing(labels)
    found = np.full(len(labels), np.nan)
    # 0.0 - x, because -x would give -0.0.
    found[known] = 0.0 - outputs[known, labels[known]].astype(np.float64)
    return found


def correct(outputs, labels, task):
    """Return whether the most likely class is the label, bool [n]; False without a label."""
    known = ~missing(labels) & ~np.isnan(outputs).any(axis=1)
    return known & (outputs.argmax(axis=1) == labels)


def measure(outputs, labels, task):
    """Return the metrics of the labelled examples; None where they are undefined.

    balanced_accuracy is the mean, over the classes that occur, of the share of their examples that
    is predicted correctly (the recall). macro_f1 is the mean, over the classes that occur or are
    predicted, of the harmonic mean of precision and recall.

    Source: Sokolova and Lapalme 2009, Information Processing and Management 45 (4), table 3.
    """
    known = ~missing(labels)
    count = int(known.sum())
    if not count:
        return {"examples": 0, **dict.fromkeys(METRICS)}
    outputs, labels = outputs[known], labels[known]
    hit = correct(outputs, labels, task)
    true, guessed = _counts(labels, task), _counts(outputs.argmax(axis=1), task)
    hits = _counts(labels[hit], task)
    seen, either = true > 0, true + guessed > 0
    # 0.0 - x, because -x would give -0.0. Averaged in float64.
    picked = 0.0 - outputs[np.arange(count), labels]
    return {
        "examples": count,
        "loss": finite(np.mean(picked, dtype=np.float64)),
        "accuracy": float(np.mean(hit)),
        "balanced_accuracy": float(np.mean(hits[seen] / true[seen])),
        "macro_f1": float(np.mean(2 * hits[either] / (true + guessed)[either])),
    }


def _counts(classes, task):
    """Count each class, int64 [classes]."""
    return np.bincount(classes, minlength=task.outputs)


def table(outputs, labels, task):
    """Return the confusion matrix, a row for each true class; of many classes, the frequent errors.

    Returns:
      list of {"true", then each predicted class: examples}; of more than 30 classes, list of
      {"true", "predicted", "examples"} of each error that occurs, the most frequent first.
    """
    known = ~missing(labels)
    labels, guessed = labels[known], outputs[known].argmax(axis=1)
    if task.outputs <= _MATRIX:
        return matrix(labels, guessed, [str(index) for index in range(task.outputs)])
    wrong = np.stack([labels, guessed], axis=1)[labels != guessed]
    pairs, counts = np.unique(wrong, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    columns = ("true", "predicted", "examples")
    return [dict(zip(columns, (*pairs[i].tolist(), int(counts[i])))) for i in order]


def matrix(true, predicted, names):
    """Return the rows of a confusion matrix.

    Args:
      true, predicted: int [n], classes.
      names: list of str, of the classes.
    """
    counts = np.zeros((len(names), len(names)), np.int64)
    np.add.at(counts, (true, predicted), 1)
    return [{"true": name, **dict(zip(names, row))} for name, row in zip(names, counts.tolist())]


def prediction(row, task):
    """Return {"class", "probabilities"} of one example; row: float32 [classes]."""
    probabilities = np.exp(np.asarray(row, np.float64))
    best = None if np.isnan(row).any() else int(np.argmax(row))
    return {"class": best, "probabilities": [finite(each) for each in probabilities]}


def served(task):
    """Return the outputs of an exported or served model: key -> (dtype, shape of one example)."""
    return {"class": ("int64", ()), "probabilities": ("float32", (task.outputs,))}


def cells(prediction):
    """Return the class and its probability; None if the network gives NaN."""
    best = prediction["class"]
    return [best, None if best is None else prediction["probabilities"][best]]


def written(label, task):
    """Return a label as text, "" without one."""
    return "" if label == MISSING else str(int(label))


def predicted(row, task):
    """Return the most likely class as text."""
    return "nan" if np.isnan(row).any() else str(int(np.argmax(row)))
