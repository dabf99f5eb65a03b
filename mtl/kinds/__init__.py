"""Kinds of task: what a top gives, its loss and its metrics. One file each, found by its name.

The file NAME.py is the kind `--tasks=task:NAME`. It has:

    DTYPE, MISSING                      type of a label, and the label of an unlabelled example
    METRICS                             dict metric -> format, the keys of `measure` in order
    SCORE                               the metric, larger is better, that selects the best weights
    EXACT                               whether a prediction can be exactly correct
    LOSS, OUTPUT                        words for a diagram: the loss, and what the network gives
    check(task)                         raise ValueError for a wrong number of outputs
    label_shape(task)                   shape of the label of one example, () for a single value
    parse(text, task)                   the label in a cell of a CSV file; ValueError names the cure
    check_labels(labels, task)          raise ValueError for a wrong type or value
    missing(labels)                     bool [n], which examples have no label
    fitted(task, labels)                the task with the scale of the labels of train

    targets(labels, task, *, smoothing, complete, masked)
                                        float32 [batch, outputs] that the loss compares with; see
                                        losses.smooth for the settings
    labelled(targets)                   bool [batch], which examples have a label
    losses(logits, targets)             float32 [batch], the loss of each example
    output(logits, task)                float32 [batch, outputs], what the network gives

    each(outputs, labels, task)         float64 [n], the losses in NumPy; NaN without a label
    measure(outputs, labels, task)      dict of "examples" (labelled) and METRICS, for JSON; if
                                        there is an "accuracy", it is a share of these examples
    correct(outputs, labels, task)      bool [n]; only if EXACT
    prediction(row, task)               dict of one example, for JSON; a list "probabilities" in it
                                        is also shown by `mtl explain`
    served(task)                        dict of the keys of `prediction` -> (NumPy type, shape of
                                        one example), for an exported or served model
    serving(outputs, task)              dict of the same keys -> tensors [batch, *shape], in the
                                        graph of an exported model; outputs: of `output`
    COLUMNS, cells(prediction)          a short form of it, for CSV: the names of columns, and the
                                        values; the first is the predicted label, the others are
                                        probabilities
    written(label, task)                a label as short text
    predicted(row, task)                a prediction as short text
    table(outputs, labels, task)        list of rows (dict) for a report: which errors occur. If its
                                        columns are "true" and the names of its rows, it is shown
                                        as a confusion matrix.

labels are arrays [n, *label_shape] of DTYPE, outputs float32 [n, task.outputs], one row an example.
TensorFlow is imported within the functions that need it, because readers of data do not.
"""

import importlib
import math
import pathlib

KINDS = tuple(sorted(path.stem for path in pathlib.Path(__file__).parent.glob("[a-z]*.py")))


def find(kind):
    """Return the module of a kind; raise ValueError if it is not in KINDS."""
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r} must be one of {', '.join(KINDS)}")
    return importlib.import_module(f"{__name__}.{kind}")


def finite(value):
    """Return a value as a float, or None if it is None or not finite: strict JSON has no NaN."""
    return float(value) if value is not None and math.isfinite(value) else None
