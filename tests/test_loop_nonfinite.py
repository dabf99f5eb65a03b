"""mtl.loop on the toy: steps that are not finite, wrong labels, and too little memory."""

import math
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import one_line
from mtl import bottoms, layers
from mtl.errors import MtlError, NotFiniteError
from mtl.monitor import progress
from tests.run_directories import (
    assert_same_run,
    assert_same_variables,
    evaluated_steps,
    saved_steps,
    variables_of,
)
from tests.toy_runs import NAMES, at_step, changed, coarse_mlp, copy_with_bias, run, source

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("coarse", "nothing_left")]


# -- losses ----------------------------------------------------------------------------------------


def set_bias_of_digit3_to_nan():
    (bias,) = tf.trainable_variables("digit3/b")
    bias.load(np.full(11, np.nan, np.float32), tf.get_default_session())


def test_nan_weights_end_the_run_unsaved(reference, tmp_path):
    with pytest.raises(NotFiniteError) as error:
        run(tmp_path, progress=at_step(11, set_bias_of_digit3_to_nan))
    one_line(error, "task digit3", "step 12", "nan")
    assert error.value.exit_code == 3
    assert saved_steps(tmp_path) == [4, 8]
    assert evaluated_steps(tmp_path) == [4, 8]
    assert_same_variables(tmp_path / "model.ckpt-8", reference / "model.ckpt-8")


def test_diverging_learning_rate_ends_the_run(tmp_path):
    with pytest.raises(NotFiniteError, match="step 2"):
        run(tmp_path, changed(learning_rate=1e30, save_every=50), evaluate=None)
    assert saved_steps(tmp_path) == []


def test_infinite_loss_ends_the_run_although_the_cost_is_finite(reference, tmp_path):
    # The mean over the batch overflows. The cost clips it.
    copy_with_bias(reference / "model.ckpt-12", tmp_path / "start", "digit4", 2, 3e38)
    record = changed(init_from=str(tmp_path / "start"), label_smoothing=0.0)
    with pytest.raises(NotFiniteError, match="task digit4: loss is inf at step 1;"):
        run(tmp_path / "run", record)
    assert saved_steps(tmp_path / "run") == []


def test_progress_line_marks_a_task_at_the_floor(reference, tmp_path):
    # Numbers of one digit have no fifth digit, so class 10 is correct with certainty.
    copy_with_bias(reference / "model.ckpt-12", tmp_path / "start", "digit5", 10, 1e6)
    record = changed(init_from=str(tmp_path / "start"), label_smoothing=0.0, steps=2)
    lines = []
    run(tmp_path / "run", record, evaluate=None, progress=progress.Progress(record, lines.append))
    assert [line.split()[:2] for line in lines] == [["step", "1/2"], ["step", "2/2"]]
    for line in lines:
        assert "\n" not in line
        assert "digit5 0.000 (AT FLOOR)" in line
        assert line.count("FLOOR") == 1
        assert all(f"  {name} " in line for name in NAMES)


# -- gradients and updates -------------------------------------------------------------------------


def zero_with_gradient(w, gradient):
    """Return 0 * w; its gradient by w is a given tensor, for any cost."""

    @tf.custom_gradient
    def zero(w):
        # Without upstream in the gradient, Adam might change w before w is read.
        return 0.0 * w, lambda upstream: gradient + 0.0 * tf.reduce_sum(upstream)

    return zero(tf.identity(w))


def bottom_with_gradient(value, step):
    """Return a bottom with a weight shared/limit/w [1] that changes no output.

    The gradient of the weight is `value` at one step and 0 at all others.
    """

    def bottom(images, **settings):
        with tf.variable_scope("limit"):
            w = layers.variable("w", [1], 0.0, 0)
        gradient = tf.zeros([1])
        if settings["step"] is not None:
            now = tf.equal(settings["step"].read_value(), step - 1)
            gradient = tf.where(now, tf.constant([value]), gradient)
        return coarse_mlp(images, **settings).features + zero_with_gradient(w, gradient)

    return bottom


@pytest.fixture
def infinite_at_6(monkeypatch):
    """Make one gradient infinite at step 6, while all values and losses are finite."""
    monkeypatch.setattr(bottoms, "mlp", bottom_with_gradient(math.inf, step=6))


def test_infinite_gradient_ends_the_run_and_names_its_variable(tmp_path, infinite_at_6):
    with pytest.raises(NotFiniteError) as error:
        run(tmp_path)
    problem = "variable shared/limit/w: the sum of its gradient is inf at step 6;"
    one_line(error, problem, "--on_nonfinite=skip")
    assert saved_steps(tmp_path) == [4]
    assert variables_of(tmp_path / "model.ckpt-4")["shared/limit/w"] == [0.0]


def test_skipped_step_changes_no_weight_and_is_counted(tmp_path, infinite_at_6):
    record = changed(on_nonfinite="skip", save_every=1, steps=6)
    _, messages = run(tmp_path, record, evaluate=None)
    before = variables_of(tmp_path / "model.ckpt-5")
    after = variables_of(tmp_path / "model.ckpt-6")
    # The step counts, so that the next step gets the next batch.
    assert (before.pop("global_step"), after.pop("global_step")) == (5, 6)
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)
    assert messages == [
        "step 6: variable shared/limit/w: the sum of its gradient is inf; skipped, 1 so far"
    ]


def test_skip_changes_nothing_where_all_steps_are_finite(reference, tmp_path):
    run(tmp_path, changed(on_nonfinite="skip"))
    assert_same_run(tmp_path, reference)


def test_variable_made_infinite_by_its_update_is_not_saved(tmp_path, monkeypatch):
    # The gradient is finite. Its square, in Adam's second slot, is not.
    monkeypatch.setattr(bottoms, "mlp", bottom_with_gradient(1e30, step=8))
    with pytest.raises(NotFiniteError) as error:
        run(tmp_path)
    one_line(error, "variable shared/limit/w/Adam_1: the sum of its values is inf at step 8;")
    assert saved_steps(tmp_path) == [4]


# -- other failures --------------------------------------------------------------------------------


def test_label_out_of_range_ends_the_run(tmp_path):
    def wrong(first):
        for images, labels in source(first):
            labels["digit3"][2] = 11
            yield images, labels

    with pytest.raises(ValueError, match="labels of task digit3 must be 0 to 10, got 11"):
        run(tmp_path, source=wrong, evaluate=None)
    assert os.listdir(tmp_path) == []


class OutOfMemory:
    """A training step that runs out of memory at its sixth call."""

    def __init__(self, step):
        self.step = step
        self.calls = 0

    def __call__(self, *values):
        self.calls += 1
        if self.calls == 6:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return self.step(*values)


def test_step_that_does_not_fit_into_memory_is_one_line_and_unsaved(tmp_path, monkeypatch):
    make_callable = tf.Session.make_callable
    monkeypatch.setattr(
        tf.Session,
        "make_callable",
        lambda session, *arguments: OutOfMemory(make_callable(session, *arguments)),
    )
    with pytest.raises(MtlError) as error:
        run(tmp_path, evaluate=None)
    cure = "lower --batch_size, then repeat the command"
    assert str(error.value) == f"step 6: out of memory (OOM when allocating tensor); {cure}"
    assert saved_steps(tmp_path) == [4]
