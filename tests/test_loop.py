"""mtl.loop: best weights, interruptions and kills, and values that are not finite, on the toy.

A run that was cut off and continued ends with the same bits as one that was not: weights, Adam's
slots and metrics.
"""

import itertools
import os
import signal
import threading

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import bottoms, checkpoint, layers, run_files, tasks
from mtl.data import batches
from mtl.errors import DataError, Interrupted, MtlError, NotFiniteError
from mtl.inference import graph as inference_graph
from mtl.monitor import progress
from mtl.runs import find
from tests.run_directories import (
    assert_same_run,
    assert_same_variables,
    metrics_of,
    saved_steps,
    variables_of,
)
from tests.toy_runs import (
    NAMES,
    at_step,
    bars,
    changed,
    copy_at_step_8,
    evaluate,
    patched,
    run,
    source,
    stop,
)

pytestmark = pytest.mark.usefixtures("coarse", "nothing_left")
mlp = bottoms.mlp


# -- the best weights ------------------------------------------------------------------------------


def test_best_holds_the_weights_of_the_best_accuracy(tmp_path):
    script = iter([(0.2, -1.0), (0.6, 5.0), (0.6, -9.0), (0.4, -20.0)])  # the cost says otherwise
    outputs = []

    def scripted(bound):
        outputs.append(bound.log_probs(bars([3, 7])))
        accuracy, cost = next(script)
        return {"sequence_accuracy": accuracy, "cost": cost}

    result, _ = run(tmp_path, changed(steps=8, save_every=2), evaluate=scripted)
    assert result == {"step": 8, "best": 0.6, "best_step": 4}, "the first of two equal ones"
    assert saved_steps(tmp_path / "best") == [4]
    assert saved_steps(tmp_path) == [6, 8]
    assert find.checkpoint(str(tmp_path)) == str(tmp_path / "best" / "model.ckpt-4")
    stored = variables_of(tmp_path / "best" / "model.ckpt-4")
    assert len(stored) == 14 + 1 and stored["global_step"] == 4, "weights and step, no Adam slots"
    with tf.Graph().as_default(), tf.Session() as session:
        graph = inference_graph.build(tasks=tasks.NUMBER_TASKS, bottom="mlp")
        checkpoint.restore(
            session,
            {variable.op.name: variable for variable in tf.global_variables()},
            find.checkpoint(str(tmp_path)),
        )
        found = graph.bind(session).log_probs(bars([3, 7]))
    for name in NAMES:
        np.testing.assert_allclose(found[name], outputs[1][name], rtol=1e-6, atol=1e-6)
    assert any(np.abs(outputs[2][name] - found[name]).max() > 1e-3 for name in NAMES)


def test_a_continued_run_keeps_its_best(tmp_path):
    def scripted(*accuracies):
        values = iter(accuracies)
        return lambda bound: {"sequence_accuracy": next(values)}

    with pytest.raises(Interrupted):
        run(tmp_path, changed(save_every=2), evaluate=scripted(0.3, 0.8), progress=at_step(5, stop))
    result, _ = run(tmp_path, changed(save_every=2), evaluate=scripted(0.7, 0.8, 0.5, 0.1))
    assert result == {"step": 12, "best": 0.8, "best_step": 4}
    assert saved_steps(tmp_path / "best") == [4]
    with pytest.raises(Interrupted):
        run(
            tmp_path,
            changed(save_every=2, steps=20),
            evaluate=scripted(0.9),
            progress=at_step(15, stop),
        )
    assert saved_steps(tmp_path / "best") == [14], (
        "the older best is removed, although another process wrote it"
    )
    assert saved_steps(tmp_path) == [14, 15]


# -- cut off and continued -------------------------------------------------------------------------


def test_a_signal_saves_and_the_same_run_continues(reference, tmp_path):
    directory = tmp_path / "run"
    with pytest.raises(Interrupted) as error:
        run(directory, progress=at_step(5, stop))
    assert error.value.exit_code == 143
    assert (
        str(error.value) == f"{directory}: stopped and saved at step 5; the same command continues"
    )
    assert saved_steps(directory) == [4, 5]
    assert [row["step"] for row in metrics_of(directory)] == [4]
    result, said = run(directory)
    assert said[0] == f"{directory}: continuing from step 5"
    assert result["step"] == 12
    assert_same_run(directory, reference)


def test_a_signal_between_batches_stops_the_run(reference, tmp_path):
    with pytest.raises(Interrupted) as error:
        run(tmp_path, source=lambda first: source(first, signal_at=6))
    assert error.value.exit_code == 130
    stopped = saved_steps(tmp_path)[-1]
    assert 3 <= stopped <= 9  # the source runs a few batches ahead
    run(tmp_path)
    assert_same_variables(tmp_path / "model.ckpt-12", reference / "model.ckpt-12")


@pytest.mark.parametrize("step", [8, 12])
def test_a_signal_before_an_evaluation_does_not_lose_it(reference, tmp_path, step):
    with pytest.raises(Interrupted):
        run(tmp_path, progress=at_step(step, stop))
    assert saved_steps(tmp_path)[-1] == step
    result, _ = run(tmp_path)
    assert result["step"] == 12 and result["best"] is not None
    assert_same_run(tmp_path, reference)


def test_can_be_interrupted_repeatedly(reference, tmp_path):
    for step in (1, 7):
        with pytest.raises(Interrupted):
            run(tmp_path, progress=at_step(step, stop))
        assert saved_steps(tmp_path)[-1] == step
    run(tmp_path, changed(log_every=5))
    assert run_files.read_config(str(tmp_path)).log_every == 5, (
        "config.json is that of the last command"
    )
    assert_same_variables(tmp_path / "model.ckpt-12", reference / "model.ckpt-12")
    assert metrics_of(tmp_path) == metrics_of(reference)


def test_continues_after_a_data_error_in_a_moved_directory(reference, tmp_path):
    with pytest.raises(OSError, match="the disk is gone"):
        run(tmp_path / "here", source=lambda first: source(first, fail_at=7))
    assert saved_steps(tmp_path / "here") == [4, 7], "trained steps are saved"
    (tmp_path / "here").rename(tmp_path / "there")
    _, said = run(tmp_path / "there")
    assert "continuing from step 7" in said[0]
    assert_same_run(tmp_path / "there", reference)


def test_a_data_error_saves_the_steps_before_it(reference, tmp_path):
    def failing(first):
        yield from itertools.islice(source(first), 7 - first)
        raise DataError("a shard is damaged")

    with pytest.raises(DataError, match="^a shard is damaged; saved at step 7$"):
        run(tmp_path, source=failing)
    with pytest.raises(DataError, match="^a shard is damaged$"):
        run(tmp_path, source=failing)  # no new step
    assert saved_steps(tmp_path) == [4, 7]
    run(tmp_path)
    assert_same_run(tmp_path, reference)


@pytest.mark.parametrize(
    "steps, told", [(5, "stopped and saved at step 5"), (0, "stopped before its first step")]
)
def test_a_signal_ends_the_wait_for_a_batch(tmp_path, monkeypatch, steps, told):
    """A file server or a worker that does not answer must not keep the run alive."""
    monkeypatch.setattr(batches, "JOIN_SECONDS", 0.1)
    answer = threading.Event()

    def stuck(first):
        yield from itertools.islice(source(first), steps)
        # One second later all steps are done.
        threading.Timer(1.0, os.kill, [os.getpid(), signal.SIGTERM]).start()
        answer.wait(30.0)

    with pytest.raises(Interrupted, match=told) as error:
        run(tmp_path, source=stuck)
    answer.set()
    for thread in threading.enumerate():
        if thread.name == "prefetch":
            thread.join(5.0)
    assert error.value.exit_code == 143 and saved_steps(tmp_path) == ([4, 5] if steps else [])


@pytest.mark.parametrize("step", [8, 12])
@pytest.mark.parametrize(
    "moment", ["before the evaluation", "before the best weights", "before their metrics"]
)
def test_a_kill_during_an_evaluation_loses_no_step(reference, tmp_path, monkeypatch, step, moment):
    # The order is: save, evaluate, save the best weights, write the metrics.
    save, write, asked = checkpoint.save, run_files.write_records, []

    def evaluate_or_die(bound):
        if moment == "before the evaluation" and len(asked) == step // 4 - 1:
            raise SystemExit
        asked.append(bound)
        return evaluate(bound)

    def save_or_die(saver, session, directory, step_now, keep=1):
        if (
            moment == "before the best weights"
            and len(asked) == step // 4
            and os.path.basename(directory) == "best"
        ):
            raise SystemExit
        save(saver, session, directory, step_now, keep)

    def write_or_die(model_dir, texts, rows):
        if moment == "before their metrics" and rows and rows[-1]["step"] == step:
            raise SystemExit
        write(model_dir, texts, rows)

    monkeypatch.setattr(checkpoint, "save", save_or_die)
    monkeypatch.setattr(run_files, "write_records", write_or_die)
    # Each evaluation is better than the last, so that each saves its weights.
    with pytest.raises(SystemExit):
        run(
            tmp_path,
            evaluate=lambda bound: {**evaluate_or_die(bound), "sequence_accuracy": len(asked) / 9},
        )
    monkeypatch.undo()
    assert saved_steps(tmp_path)[-1] == step and [
        row["step"] for row in metrics_of(tmp_path)
    ] == list(range(4, step, 4))
    asked = asked[: step // 4 - 1]
    _, said = run(
        tmp_path,
        evaluate=lambda bound: {"sequence_accuracy": (asked.append(bound) or len(asked)) / 9},
    )
    assert f"continuing from step {step}" in said[0] and f"step {step}: validation" in said[1], (
        "the evaluation is repeated"
    )
    assert_same_variables(tmp_path / "model.ckpt-12", reference / "model.ckpt-12")
    assert [row["step"] for row in metrics_of(tmp_path)] == [4, 8, 12] and saved_steps(
        tmp_path / "best"
    ) == [12]


def test_a_damaged_checkpoint_file_does_not_start_the_run_over(reference, tmp_path):
    copy_at_step_8(reference, tmp_path)
    (tmp_path / "checkpoint").write_bytes(b"\x00\xff garbage")
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 16, "sequ')
    _, said = run(tmp_path)
    assert "continuing from step 8" in said[0]
    assert_same_run(tmp_path, reference)


@pytest.mark.parametrize(
    "fields",
    [{}, {"precision": "bf16"}, {"batch_size": 16, "threads": 2}],
    ids=["fp32", "bf16", "two towers"],
)
def test_convolutions_continue_bit_for_bit(tmp_path, fields):
    record = changed(bottom="small", steps=5, save_every=2, **fields)
    run(tmp_path / "whole", record, evaluate=None)
    with pytest.raises(Interrupted):
        run(tmp_path / "cut", record, evaluate=None, progress=at_step(3, stop))
    run(tmp_path / "cut", record, evaluate=None)
    assert_same_variables(tmp_path / "cut" / "model.ckpt-5", tmp_path / "whole" / "model.ckpt-5")


# -- not finite ------------------------------------------------------------------------------------


def test_nan_weights_end_the_run_unsaved(reference, tmp_path):
    def poison():
        (bias,) = [
            variable for variable in tf.trainable_variables() if variable.op.name == "digit3/b"
        ]
        bias.load(np.full(11, np.nan, np.float32), tf.get_default_session())

    with pytest.raises(NotFiniteError) as error:
        run(tmp_path, progress=at_step(7, poison))
    message = str(error.value)
    assert error.value.exit_code == 3
    assert (
        "\n" not in message
        and "task digit3" in message
        and "step 8" in message
        and "nan" in message
    )
    assert saved_steps(tmp_path) == [4] and [row["step"] for row in metrics_of(tmp_path)] == [4]
    assert all(
        np.isfinite(value).all() for value in variables_of(tmp_path / "model.ckpt-4").values()
    )
    run(tmp_path)  # the saved weights are finite
    assert_same_run(tmp_path, reference)


def test_a_learning_rate_that_diverges_ends_the_run(tmp_path):
    with pytest.raises(NotFiniteError, match="step 2"):
        run(tmp_path, changed(learning_rate=1e30, save_every=50), evaluate=None)
    assert saved_steps(tmp_path) == []


def test_an_infinite_loss_ends_the_run_although_its_clipped_cost_is_finite(reference, tmp_path):
    def certain_and_wrong(bias):
        bias[2] = 3e38  # the mean over the batch overflows; the clip would hide it
        return bias

    patched(reference / "model.ckpt-12", tmp_path / "start", digit4__b=certain_and_wrong)
    record = changed(init_from=str(tmp_path / "start"), label_smoothing=0.0)
    with pytest.raises(NotFiniteError, match="task digit4: loss is inf at step 1;"):
        run(tmp_path / "run", record)
    assert saved_steps(tmp_path / "run") == []


def with_a_gradient_of(wanted, at):
    """Return a bottom with an extra weight shared/limit/w [1] that changes no value.

    Its gradient is `wanted` at step `at`, and 0 at all others.
    """

    def bottom(images, **settings):
        with tf.variable_scope("limit"):
            w = layers.variable("w", [1], 0.0, 0)
        done = -1 if settings["step"] is None else settings["step"].read_value()
        gradient = tf.where(tf.equal(done, at - 1), tf.constant([wanted]), tf.zeros([1]))
        # The gradient depends on `upstream`: else Adam might change w before it is read.
        nothing = tf.custom_gradient(
            lambda w: (0.0 * w, lambda upstream: gradient + 0.0 * tf.reduce_sum(upstream))
        )(tf.identity(w))
        return mlp(images[:, ::5, ::5], **settings).features + nothing

    return bottom


@pytest.fixture
def sick_at_6(monkeypatch):
    """Make one gradient infinite at step 6, while all values and losses are finite."""
    monkeypatch.setattr(bottoms, "mlp", with_a_gradient_of(float("inf"), at=6))


def test_an_infinite_gradient_ends_the_run_and_names_its_variable(tmp_path, sick_at_6):
    with pytest.raises(NotFiniteError) as error:
        run(tmp_path)
    message = str(error.value)
    assert (
        "variable shared/limit/w: the sum of its gradient is inf at step 6;" in message
        and "--on_nonfinite=skip" in message
    )
    assert saved_steps(tmp_path) == [4] and variables_of(tmp_path / "model.ckpt-4")[
        "shared/limit/w"
    ] == [0.0]


def test_a_skipped_step_changes_no_weight_and_is_counted(tmp_path, sick_at_6):
    _, said = run(tmp_path, changed(on_nonfinite="skip", save_every=1, steps=6))
    before, after = variables_of(tmp_path / "model.ckpt-5"), variables_of(tmp_path / "model.ckpt-6")
    assert before.pop("global_step") == 5 and after.pop("global_step") == 6, (
        "the next step gets the next batch"
    )
    for name in before:
        np.testing.assert_array_equal(before[name], after[name], err_msg=name)
    skipped = [line for line in said if "skipped" in line]
    assert skipped == [
        "step 6: variable shared/limit/w: the sum of its gradient is inf; skipped, 1 so far"
    ]


def test_skip_and_stop_agree_where_all_is_finite(reference, tmp_path):
    run(tmp_path, changed(on_nonfinite="skip"))
    assert_same_run(tmp_path, reference)


def test_a_variable_made_infinite_by_its_update_is_not_saved(tmp_path, monkeypatch):
    # The gradient is finite; its square, which Adam keeps, is not.
    monkeypatch.setattr(bottoms, "mlp", with_a_gradient_of(1e30, at=12))
    with pytest.raises(
        NotFiniteError,
        match="variable shared/limit/w/Adam_1: the sum of its values is inf at step 12;",
    ):
        run(tmp_path)
    assert saved_steps(tmp_path) == [4, 8]


def test_a_label_out_of_range_ends_the_run(tmp_path):
    def wrong(first):
        for images, labels in source(first):
            labels["digit3"][2] = 11
            yield images, labels

    with pytest.raises(tf.errors.InvalidArgumentError, match="labels_digit3_rows"):
        run(tmp_path, source=wrong)
    assert saved_steps(tmp_path) == []


def test_the_progress_line_marks_a_task_at_the_floor(reference, tmp_path):
    def certain_and_correct(bias):
        bias[10] = 1e6  # one-digit numbers have no fifth digit, the class 10
        return bias

    patched(reference / "model.ckpt-12", tmp_path / "start", digit5__b=certain_and_correct)
    record = changed(init_from=str(tmp_path / "start"), label_smoothing=0.0, steps=2)
    lines = []
    run(tmp_path / "run", record, evaluate=None, progress=progress.Progress(record, lines.append))
    assert [line.split()[:2] for line in lines] == [["step", "1/2"], ["step", "2/2"]]
    for line in lines:
        assert "digit5 0.000 (AT FLOOR)" in line
        assert line.count("FLOOR") == 1, "the other tasks still train"
        assert all(f"  {name} " in line for name in NAMES) and "\n" not in line


def test_a_batch_too_large_for_memory_is_one_line_and_unsaved(tmp_path, monkeypatch):
    train_once = tf.Session.make_callable

    def make_callable(session, *arguments, **options):
        step, calls = train_once(session, *arguments, **options), []

        def out_of_memory(*values):
            calls.append(values)
            if len(calls) == 6:
                raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
            return step(*values)

        return out_of_memory

    monkeypatch.setattr(tf.Session, "make_callable", make_callable)
    with pytest.raises(MtlError) as error:
        run(tmp_path, evaluate=None)
    cure = "lower --batch_size, then repeat the command"
    assert str(error.value) == f"step 6: out of memory (OOM when allocating tensor); {cure}"
    assert saved_steps(tmp_path) == [4]
