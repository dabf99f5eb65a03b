"""A softmax over classes. Its loss is the cross entropy."""

import numbers

import numpy as np

from mtl.kinds import finite

DTYPE = np.int32
MISSING = -1
SCORE = "accuracy"
EXACT = True


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
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text[:80]!r} is not a class; {cure}")
    if len(text) > 9 or int(text) >= task.outputs:
        raise ValueError(f"class {text[:80]} is out of range; {cure}")
    return int(text)


def check_labels(labels, task):
    """Raise ValueError if labels are not classes, or -1 for examples without a label."""
    if labels.dtype.kind not in "iu":
        raise ValueError(f"must be integers, got {labels.dtype}; pass np.array(labels, np.int32)")
    outside = labels[(labels < MISSING) | (labels >= task.outputs)]
    if outside.size:
        cure = "correct the label, or give the task more classes"
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

    return tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=logits)


def output(logits, task):
    """Return the log probability of each class, float32 [batch, classes]."""
    import tensorflow.compat.v1 as tf

    return tf.nn.log_softmax(logits)


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
    return (outputs.argmax(axis=1) == labels) & ~missing(labels)


def measure(outputs, labels, task):
    """Return the metrics of the labelled examples; None where they are undefined.

    balanced_accuracy is the mean over the classes that occur of the share found (the recall).
    macro_f1 is the mean, over the classes that occur or are predicted, of the harmonic mean of
    precision and recall.

    Source: Sokolova and Lapalme 2009, Information Processing and Management 45 (4), table 3.
    """
    known = ~missing(labels)
    counts = _confusion(outputs, labels, task).astype(np.float64)
    hits, true, guessed = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    seen, either = true > 0, true + guessed > 0
    losses_of = each(outputs, labels, task)[known]
    return {
        "examples": int(known.sum()),
        "loss": finite(losses_of.mean()) if known.any() else None,
        "accuracy": finite(hits.sum() / true.sum()) if known.any() else None,
        "balanced_accuracy": finite(np.mean(hits[seen] / true[seen])) if known.any() else None,
        "macro_f1": finite(np.mean(2 * hits[either] / (true + guessed)[either]))
        if known.any()
        else None,
    }


def _confusion(outputs, labels, task):
    """Count the predicted classes (columns) of each true class (rows), int64."""
    known = ~missing(labels)
    counts = np.zeros((task.outputs, task.outputs), np.int64)
    np.add.at(counts, (labels[known], outputs[known].argmax(axis=1)), 1)
    return counts


def table(outputs, labels, task):
    """Return the confusion table: a row for each true class, then the predicted classes."""
    counts = _confusion(outputs, labels, task).tolist()
    names = [str(index) for index in range(task.outputs)]
    return [{"true": name, **dict(zip(names, row))} for name, row in zip(names, counts)]


def prediction(row, task):
    """Return {"class", "probabilities"} of one example; row: float32 [classes]."""
    probabilities = np.exp(np.asarray(row, np.float64))
    best = int(np.argmax(row)) if np.isfinite(row).any() else None
    return {"class": best, "probabilities": [finite(each) for each in probabilities]}


def written(label, task):
    """Return a label as text, "" without one."""
    return "" if label == MISSING else str(int(label))


def predicted(row, task):
    """Return the most likely class as text."""
    return str(int(np.argmax(row)))
