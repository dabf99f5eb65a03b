"""Labels that are yes or no, one or several at once: sigmoids. The loss is the mean cross entropy.

`--tasks=adult:binary` is one label, 0 or 1; `--tasks=tags:binary:3` is three labels at once, such
as "1 0 1" in a CSV file, and an array [n, 3] in an npz file.
"""

import numbers

import numpy as np

from mtl.kinds import finite

DTYPE = np.int32
MISSING = -1
METRICS = {"loss": ".4f", "accuracy": ".2%", "f1": ".2%"}
SCORE = "accuracy"
EXACT = True
COLUMNS = ("labels", "probability")
LOSS, OUTPUT = "cross entropy", "sigmoid"


def check(task):
    """Raise ValueError if a task has no label."""
    if not isinstance(task.outputs, numbers.Integral) or task.outputs < 1:
        cure = f"write {task.name}:binary for one label, or {task.name}:binary:3 for three"
        raise ValueError(f"has outputs={task.outputs!r}, but needs at least 1 label; {cure}")


# -- labels ----------------------------------------------------------------------------------------


def label_shape(task):
    """Return the shape of the labels of one example: () for one label, else (labels,)."""
    return () if task.outputs == 1 else (task.outputs,)


def parse(text, task):
    """Return the labels in a cell of a CSV file; raise ValueError if they are not 0 or 1."""
    # pandas writes 1.0 in a column with empty cells.
    labels = [label.removesuffix(".0") for label in text.split()]
    if len(labels) != task.outputs or not set(labels) <= {"0", "1"}:
        what, form = "a label of 0 or 1", "0 or 1"
        if task.outputs > 1:
            what = f"{task.outputs} labels of 0 or 1"
            form = " ".join("10"[index % 2] for index in range(min(task.outputs, 8)))
            form = f"them with spaces, such as {form}" + (" ..." if task.outputs > 8 else "")
        cure = f"write {form}; an empty cell means not labelled"
        raise ValueError(f"{text[:80]!r} is not {what}; {cure}")
    found = [int(label) for label in labels]
    return found[0] if task.outputs == 1 else found


def check_labels(labels, task):
    """Raise ValueError if labels are not 0, 1, or -1 for a missing label."""
    if labels.dtype.kind not in "iu":
        cure = "use integers, and -1 where there is no label"
        raise ValueError(f"must be integers, got {labels.dtype}; {cure}")
    outside = labels[(labels < MISSING) | (labels > 1)]
    if outside.size:
        raise ValueError(f"must be 0 or 1, got {outside[0]}; use -1 where there is no label")


def missing(labels):
    """Return which examples have no label at all, bool [n]."""
    return (_rows(labels) == MISSING).all(axis=1)


def fitted(task, labels):
    """Return the task unchanged: yes and no have no scale."""
    return task


def _rows(labels):
    """Return labels as an array [n, labels]."""
    return labels[:, None] if labels.ndim == 1 else labels


# -- graph -----------------------------------------------------------------------------------------


def targets(labels, task, *, smoothing=0.0, complete=False, masked=False):
    """Return the soft labels, float32 [batch, labels]; NaN where there is none.

    Args:
      labels: int32 [batch] or [batch, labels].
      task: tasks.Task.
      smoothing: float in [0, 1), the share spread evenly over yes and no.
      complete, masked: ignored.
    """
    import tensorflow.compat.v1 as tf

    labels = tf.reshape(labels, [-1, task.outputs])
    soft = tf.cast(labels, tf.float32) * (1.0 - smoothing) + smoothing / 2
    return tf.where(labels < 0, tf.fill(tf.shape(soft), np.float32(np.nan)), soft)


def labelled(targets):
    """Return which examples have a label, bool [batch]."""
    import tensorflow.compat.v1 as tf

    return tf.reduce_any(tf.logical_not(tf.is_nan(targets)), axis=1)


def losses(logits, targets):
    """Return the mean cross entropy of the labels of each example, float32 [batch], in nats."""
    import tensorflow.compat.v1 as tf

    unknown, zeros = tf.is_nan(targets), tf.zeros_like(logits)
    each = tf.nn.sigmoid_cross_entropy_with_logits(
        labels=tf.where(unknown, zeros, targets), logits=logits
    )
    total = tf.reduce_sum(tf.where(unknown, zeros, each), axis=1)
    count = tf.reduce_sum(1.0 - tf.cast(unknown, tf.float32), axis=1)
    return total / tf.maximum(count, 1.0)


def output(logits, task):
    """Return the log odds of each label, float32 [batch, labels]; above 0 means yes."""
    return logits


def serving(outputs, task):
    """Return the outputs of `served` in the graph of an exported model, dict key -> tensor."""
    import tensorflow.compat.v1 as tf

    return {"labels": tf.cast(outputs > 0.0, tf.int64), "probabilities": tf.sigmoid(outputs)}


# -- evaluation ------------------------------------------------------------------------------------


def each(outputs, labels, task):
    """Return the mean cross entropy of each example in nats, float64 [n]; NaN without a label."""
    labels = _rows(labels)
    signs = np.where(labels == 1, -1.0, 1.0)
    # log(1 + exp(x)), with x the log odds of the wrong answer.
    with np.errstate(invalid="ignore"):  # the caller reports NaN
        lost = np.logaddexp(0.0, signs * outputs.astype(np.float64))
    known = labels != MISSING
    count = known.sum(axis=1)
    total = np.where(known, lost, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def correct(outputs, labels, task):
    """Return whether all labels of an example are predicted, bool [n]; False without a label."""
    rows = _rows(labels)
    hit = ((outputs > 0) == (rows == 1)) & ~np.isnan(outputs)
    return (hit | (rows == MISSING)).all(axis=1) & ~missing(labels)


def measure(outputs, labels, task):
    """Return the metrics of the labelled examples; None where they are undefined.

    accuracy is the share of examples whose labels are all predicted. f1 is the harmonic mean of
    precision and recall over all labels together (micro-averaged).
    """
    known = ~missing(labels)
    if not known.any():
        return {"examples": 0, **dict.fromkeys(METRICS)}
    rows = _rows(labels)
    yes = (outputs > 0) & (rows != MISSING)
    hits, either = (yes & (rows == 1)).sum(), yes.sum() + (rows == 1).sum()
    return {
        "examples": int(known.sum()),
        "loss": finite(each(outputs, labels, task)[known].mean()),
        "accuracy": float(correct(outputs, labels, task)[known].mean()),
        "f1": float(2 * hits / either) if either else None,
    }


def table(outputs, labels, task):
    """Return a row for each label: how many examples have it, are predicted to, and both."""
    rows = _rows(labels)
    found = []
    for index in range(task.outputs):
        known = rows[:, index] != MISSING
        true, guessed = rows[known, index] == 1, outputs[known, index] > 0
        counts = (len(true), true.sum(), guessed.sum(), (true & guessed).sum())
        columns = ("examples", "labelled 1", "predicted 1", "both 1")
        found.append({"label": str(index), **dict(zip(columns, map(int, counts)))})
    return found


def prediction(row, task):
    """Return {"labels", "probabilities"} of one example; row: float32 [labels], log odds."""
    with np.errstate(invalid="ignore"):  # NaN becomes None
        probabilities = np.exp(-np.logaddexp(0.0, -np.asarray(row, np.float64)))
    labels = [None if np.isnan(value) else int(value > 0) for value in row]
    return {"labels": labels, "probabilities": [finite(each) for each in probabilities]}


def served(task):
    """Return the outputs of an exported or served model: key -> (dtype, shape of one example)."""
    return {"labels": ("int64", (task.outputs,)), "probabilities": ("float32", (task.outputs,))}


def cells(prediction):
    """Return the labels as text and the product of their probabilities; None for NaN."""
    if None in prediction["labels"]:
        return [None, None]
    pairs = zip(prediction["labels"], prediction["probabilities"])
    product = np.prod([share if label else 1.0 - share for label, share in pairs])
    return [" ".join(map(str, prediction["labels"])), float(product)]


def written(label, task):
    """Return labels as text, "" without any, ? for a missing one of several."""
    values = np.reshape(label, -1).tolist()
    if all(value == MISSING for value in values):
        return ""
    return " ".join("?" if value == MISSING else str(value) for value in values)


def predicted(row, task):
    """Return the predicted labels as text."""
    return " ".join("nan" if np.isnan(value) else str(int(value > 0)) for value in row)
