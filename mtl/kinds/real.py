"""One number. Its loss is the squared error, in standard deviations of the labels of train."""

import math

import numpy as np

from mtl.kinds import finite

DTYPE = np.float32
MISSING = math.nan
METRICS = {"loss": ".4f", "rmse": ".5g", "mae": ".5g", "r2": ".4g"}
SCORE = "r2"
EXACT = False
_LARGEST = float(np.finfo(np.float32).max)
COLUMNS = ("value",)
LOSS, OUTPUT = "squared error", "scaled value"
# Upper ends of the absolute error, in standard deviations of the labels of train, in `table`.
_EDGES = (0.1, 0.25, 0.5, 1.0, 2.0, math.inf)


def check(task):
    """Raise ValueError if a task has more than one output, or no valid scale."""
    if task.outputs != 1:
        what = f"has outputs={task.outputs!r}, but a real task has one number"
        raise ValueError(f"{what}; write {task.name}:real, one task for each number")
    if not (math.isfinite(task.mean) and math.isfinite(task.std) and task.std > 0):
        raise ValueError(
            f"has mean={task.mean} and std={task.std}; both must be finite, std above 0"
        )


# -- labels ----------------------------------------------------------------------------------------


def label_shape(task):
    """Return the shape of a label: a single number."""
    return ()


def parse(text, task):
    """Return the number in a cell of a CSV file; raise ValueError if it is not one."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    # float() accepts 1_000 and digits of other scripts; a number beyond float32 becomes inf.
    if "_" in text or not text.isascii() or not abs(value) <= _LARGEST:
        cure = "write a finite number such as 1.75; an empty cell means not labelled"
        raise ValueError(f"{text[:80]!r} is not a number; {cure}")
    return value


def check_labels(labels, task):
    """Raise ValueError if labels are not floats, or infinite. NaN means not labelled."""
    if labels.dtype.kind != "f":
        raise ValueError(f"must be floats, got {labels.dtype}; pass np.array(labels, np.float32)")
    # Compared with the largest float32, because a larger float64 becomes infinite in the graph.
    outside = labels[np.abs(labels) > _LARGEST]
    if outside.size:
        raise ValueError(
            f"must be finite, got {outside[0]}; use NaN for an example without a label"
        )


def missing(labels):
    """Return which examples have no label, bool [n]."""
    return np.isnan(labels)


def fitted(task, labels):
    """Return the task with the mean and the standard deviation of its labels.

    If all labels are equal, the standard deviation is 1.
    """
    known = np.asarray(labels, np.float64)[~missing(labels)]
    if not known.size:
        return task
    # Rounding may give equal numbers a standard deviation of 1e-17 instead of 0.
    std = float(known.std()) if np.ptp(known) else 1.0
    return task._replace(mean=float(known.mean()), std=std)


# -- graph -----------------------------------------------------------------------------------------


def targets(labels, task, *, smoothing=0.0, complete=False, masked=False):
    """Return the standardised labels, float32 [batch, 1]; NaN without a label.

    Args:
      labels: float32 [batch], in their own unit.
      task: tasks.Task with the mean and std of train.
      smoothing, complete, masked: ignored; a number has no classes.
    """
    import tensorflow.compat.v1 as tf

    return tf.expand_dims((labels - task.mean) / task.std, axis=1)


def labelled(targets):
    """Return which examples have a label, bool [batch]."""
    import tensorflow.compat.v1 as tf

    return tf.logical_not(tf.is_nan(targets[:, 0]))


def losses(logits, targets):
    """Return the squared error of each example, float32 [batch]; 0 without a label."""
    import tensorflow.compat.v1 as tf

    # The NaN of a missing label is replaced before the square: afterwards, its gradient would be
    # 0 * NaN, which is NaN.
    errors = tf.where(tf.is_nan(targets), tf.zeros_like(logits), logits - targets)
    return tf.square(errors[:, 0])


def output(logits, task):
    """Return the value in the unit of the labels, float32 [batch, 1]."""
    return logits * task.std + task.mean


def serving(outputs, task):
    """Return the outputs of `served` in the graph of an exported model, dict key -> tensor."""
    return {"value": outputs[:, 0]}


# -- evaluation ------------------------------------------------------------------------------------


def _errors(outputs, labels):
    """Return value minus label, float64 [n]; NaN without a label."""
    return outputs[:, 0].astype(np.float64) - labels.astype(np.float64)


def each(outputs, labels, task):
    """Return the squared error of each example in units of std ** 2, float64 [n]."""
    return (_errors(outputs, labels) / task.std) ** 2


def measure(outputs, labels, task):
    """Return the metrics of the labelled examples; None where they are undefined.

    rmse and mae are in the unit of the labels. r2 is 1 - the mean squared error / the variance of
    these labels; it is undefined if they are all equal.
    """
    known = ~missing(labels)
    errors = _errors(outputs, labels)[known]
    if not errors.size:
        return {"examples": 0, **dict.fromkeys(METRICS)}
    squared = np.mean(errors**2)
    true = labels[known].astype(np.float64)
    variance = np.var(true) if np.ptp(true) else 0.0
    return {
        "examples": len(errors),
        "loss": finite(squared / task.std**2),
        "rmse": finite(np.sqrt(squared)),
        "mae": finite(np.mean(np.abs(errors))),
        "r2": finite(1.0 - squared / variance) if variance else None,
    }


def table(outputs, labels, task):
    """Return how many examples have an error of each size: absolute, in the unit of the labels."""
    errors = np.abs(_errors(outputs, labels)[~missing(labels)])
    rows, low = [], 0.0
    for edge in _EDGES:
        high = edge * task.std
        # Errors that are not finite count in the last row.
        inside = int((~(errors < low) & ((errors < high) | (edge == math.inf))).sum())
        share = inside / len(errors) if len(errors) else None
        row = {"error from": low, "below": finite(high), "examples": inside, "share": share}
        rows.append(row)
        low = high
    return rows


def prediction(row, task):
    """Return {"value"} of one example; row: float32 [1]."""
    return {"value": finite(row[0])}


def served(task):
    """Return the outputs of an exported or served model: key -> (dtype, shape of one example)."""
    return {"value": ("float32", ())}


def cells(prediction):
    """Return the value; None if the network gives NaN."""
    return [prediction["value"]]


def written(label, task):
    """Return a label as text, "" without one."""
    return "" if math.isnan(label) else f"{label:.6g}"


def predicted(row, task):
    """Return a prediction as text."""
    return f"{row[0]:.6g}"
