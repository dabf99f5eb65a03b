"""mtl.train on a toy: pictures of one bright bar, whose place is the number. Runs of 12 steps, cut off in every way there is.

A run that was cut off and continued must end with the same bits as one that was not: weights, Adam's slots and metrics.
"""

import dataclasses
import hashlib
import itertools
import json
import math
import os
import shutil
import signal
import threading

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import bottoms, checkpoint, config, layers, run_files, tasks, train
from mtl.cli import signals
from mtl.data import batches
from mtl.errors import DataError, Interrupted, NotFiniteError, UsageError
from mtl.inference import graph as inference_graph
from mtl.monitor import progress
from mtl.runs import find

NAMES = [task.name for task in tasks.NUMBER_TASKS]
BATCH = 6
mlp = bottoms.mlp
CONFIG = config.Config(
    bottom="mlp", dropout=0.3, batch_size=BATCH, steps=12, save_every=4, log_every=1, seed=5
)


# -- the toy -------------------------------------------------------------------------------------------------------------------------


def bars(digits):
    images = np.full((len(digits), config.CROP, config.CROP, 3), 60, np.uint8)
    for image, digit in zip(images, digits):
        image[5 * digit : 5 * digit + 5] = 220
    return images


def source(first_step, fail_at=None, signal_at=None):
    """Batches as a pure function of the step, as every source must be; may fail or send a signal where it is asked for a batch."""
    for step in itertools.count(first_step):
        if step == fail_at:
            raise OSError("the disk is gone")
        if step == signal_at:
            os.kill(os.getpid(), signal.SIGINT)
        digits = np.random.default_rng([7, step]).integers(10, size=BATCH)
        yield bars(digits), tasks.encode_all([str(digit) for digit in digits])


def evaluate(bound):
    """A real evaluation: what comes out changes with every bit of the weights."""
    log_probs = bound.log_probs(bars(range(10)))
    means = {name: float(-rows.mean(dtype=np.float64)) for name, rows in log_probs.items()}
    right = (log_probs["digit1"].argmax(axis=1) == np.arange(10)).mean()
    return {"sequence_accuracy": float(right), "means": means}


def evaluation_of(record):
    """Build what reads with the variables that are there."""
    return inference_graph.build(
        tasks=tasks.NUMBER_TASKS,
        bottom=record.bottom,
        absent=record.absent,
    )


def run(model_dir, record=CONFIG, source=source, evaluate=evaluate, **arguments):
    said = []

    def evaluator(session):
        bound = evaluation_of(record).bind(session)
        return lambda: evaluate(bound)

    start = (
        find.checkpoint(record.init_from)
        if record.init_from and not checkpoint.newest(str(model_dir))
        else None
    )
    names = ("progress", "watch")
    watching = {name: arguments.pop(name) for name in names if name in arguments}
    with signals.Caught() as stop:
        stop.arm()
        arguments.setdefault("start", start)
        result = train.run(
            record,
            str(model_dir),
            source,
            evaluator if evaluate else None,
            callbacks=train.Callbacks(say=said.append, stop=stop, **watching),
            **arguments,
        )
    return result, said


def changed(**fields):
    return dataclasses.replace(CONFIG, **fields)


def at_step(wanted, act):
    """A progress function that acts after one step of training, before the loop looks for signals and saves."""

    def called(step, cost, cross_entropies, images, labels):
        if step == wanted:
            act()

    return called


def stop():
    signal.raise_signal(signal.SIGTERM)


pytestmark = pytest.mark.usefixtures(
    "coarse"
)  # a run here writes three checkpoints, and they shrink from 27 MB to 1


# -- what a run left behind ----------------------------------------------------------------------------------------------------------------


def everything(path):
    """All variables of a checkpoint, Adam's slots among them."""
    reader = tf.train.load_checkpoint(str(path))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def assert_same_variables(path, other):
    one, two = everything(path), everything(other)
    assert sorted(one) == sorted(two)
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


def steps_kept(directory):
    return [checkpoint.step_of(path) for path in checkpoint.all_of(str(directory))]


def metrics(directory):
    return [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]


def assert_same_run(directory, reference):
    """Both finished with the same bits, and the same files are left."""
    assert_same_variables(directory / "model.ckpt-12", reference / "model.ckpt-12")
    assert metrics(directory) == metrics(reference)
    assert steps_kept(directory) == steps_kept(reference) == [8, 12]
    assert steps_kept(directory / "best") == steps_kept(reference / "best")
    assert_same_variables(
        checkpoint.newest(str(directory / "best")), checkpoint.newest(str(reference / "best"))
    )


def fingerprint(directory):
    """Every file's content and time of change."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {
        str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in files
    }


def copy_at_step_8(reference, directory):
    """Copy a finished run as it would be after a kill between the evaluation at step 12 and its checkpoint."""
    shutil.copytree(reference, directory, dirs_exist_ok=True)
    for path in directory.glob("model.ckpt-12.*"):
        path.unlink()


def patched(path, directory, **changes):
    """Write a copy of a checkpoint with some variables changed by functions; names have / written as __."""
    values = everything(path)
    for name, change in changes.items():
        name = name.replace("__", "/")
        values[name] = change(values[name]).astype(values[name].dtype)
    with tf.Graph().as_default(), tf.Session() as session:
        variables = {
            name: tf.get_variable(name, initializer=tf.constant(value), use_resource=True)
            for name, value in values.items()
        }
        session.run(tf.global_variables_initializer())
        checkpoint.save(tf.train.Saver(variables), session, str(directory), 1)


@pytest.fixture(scope="module")
def reference(tmp_path_factory, coarse):
    """The directory of a run that nothing disturbed; to be read only."""
    directory = tmp_path_factory.mktemp("reference")
    result, said = run(directory, records={"flags.flags": "--steps=12\n", "versions.json": "{}\n"})
    assert result["step"] == 12
    assert [line for line in said if "sequence accuracy" in line] == said and len(said) == 3
    return directory


@pytest.fixture(autouse=True)
def clean():
    """Whatever the end of a run, its thread is gone and the signals are handled as before."""
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    assert [thread for thread in threading.enumerate() if thread.name == "prefetch"] == []
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


# -- the pieces ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schedule, expected",
    [
        ("constant", lambda done: 0.25),
        ("linear", lambda done: 0.25 * (1 - done)),
        ("cosine", lambda done: 0.25 * (1 + math.cos(math.pi * done)) / 2),
    ],
)
def test_learning_rate(schedule, expected):
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.placeholder(tf.int64, [])
        rate = tf.convert_to_tensor(train.learning_rate(0.25, schedule, step, 40))
        for now in (0, 1, 10, 20, 33, 39, 40):
            assert session.run(rate, {step: now}) == pytest.approx(expected(now / 40), abs=1e-7)
        # A run that is continued with fewer steps than it has done does not climb again or turn negative.
        assert session.run(rate, {step: 55}) == pytest.approx(expected(1.0), abs=1e-7)


def test_every_schedule_has_its_formula():
    with tf.Graph().as_default(), tf.Session() as session:
        last = [
            session.run(
                tf.convert_to_tensor(train.learning_rate(1.0, name, tf.constant(2, tf.int64), 4))
            )
            for name in config.choices("schedule")
        ]
    np.testing.assert_allclose(last, [1.0, 0.5, 0.5], atol=1e-7)


@pytest.mark.parametrize(
    "threads, batch_size, towers, within",
    [(1, 32, 1, 1), (2, 32, 2, 1), (2, 15, 1, 2), (3, 32, 3, 1), (9, 33, 4, 2), (5, 1, 1, 5)],
)
def test_towers_share_the_threads_while_each_has_eight_images(threads, batch_size, towers, within):
    assert train.towers_of(threads, batch_size) == towers
    config = train.session_config(threads, batch_size)
    assert (config.inter_op_parallelism_threads, config.intra_op_parallelism_threads) == (
        towers,
        within,
    )


def test_there_is_a_thread_for_each_core_unless_told(monkeypatch):
    monkeypatch.setattr(train.os, "cpu_count", lambda: 6)
    assert train.towers_of(0, 48) == 6 == train.session_config(0, 48).inter_op_parallelism_threads
    assert train.session_config(0, 16).intra_op_parallelism_threads == 3  # two towers


@pytest.mark.parametrize(
    "objective, formula, smoothing", [("log_sum", np.log, 0.4), ("linear", np.float64, 0.0)]
)
def test_the_graph_of_a_run(objective, formula, smoothing):
    images, labels = next(source(0))
    with tf.Graph().as_default(), tf.Session() as session:
        graph = train.build(changed(objective=objective, label_smoothing=smoothing, dropout=0.0))
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            reading = evaluation_of(CONFIG)
        assert list(graph.labels) == list(graph.losses) == list(reading.log_probs) == NAMES
        session.run(tf.global_variables_initializer())
        feed = {graph.images: images, **{graph.labels[name]: labels[name] for name in NAMES}}
        raw, cost = session.run([graph.losses, graph.cost], feed)
        # Without dropout the network reads the same in training as in evaluation.
        log_probs = session.run(reading.log_probs, {reading.images: images})
        for task in tasks.NUMBER_TASKS:
            rows = (1 - smoothing) * np.eye(task.classes)[
                labels[task.name]
            ] + smoothing / task.classes
            assert raw[task.name] == pytest.approx(
                -(rows * log_probs[task.name]).sum(axis=1).mean(), rel=1e-5
            )
        assert cost == pytest.approx(sum(formula(raw[name]) for name in NAMES), rel=1e-5)
        for done in (1, 2):
            session.run(graph.minimize, feed)
            assert session.run(graph.step) == done
        assert session.run(graph.cost, feed) < cost


def test_a_masked_run_learns_of_the_digits_that_are_there(tmp_path):
    seen = []
    record = changed(
        absent="mask",
        steps=40,
        save_every=40,
        schedule="constant",
        dropout=0.0,
        objective="log_sum",
        label_smoothing=0.0,
    )
    run(
        tmp_path,
        record,
        progress=lambda step, cost, raw, *batch: seen.append((float(cost), dict(raw))),
        evaluate=None,
    )
    # All numbers have one digit: the other tasks have no label, so nothing to report, and stay as they were drawn.
    assert all(list(raw) == ["length", "digit1"] for _, raw in seen)
    for cost, raw in seen:
        assert cost == pytest.approx(
            sum(math.log(max(value, 1e-37)) for value in raw.values()), rel=1e-4, abs=1e-4
        )
    assert seen[-1][1]["digit1"] < 0.3 * seen[0][1]["digit1"]
    before, after = tmp_path / "before", tmp_path
    run(before, dataclasses.replace(record, steps=1, save_every=1), evaluate=None)
    one, many = everything(before / "model.ckpt-1"), everything(after / "model.ckpt-40")
    for place in range(2, 6):
        np.testing.assert_array_equal(one[f"digit{place}/w"], many[f"digit{place}/w"])
    np.testing.assert_array_equal(
        one["digit1/w"][:, 10], many["digit1/w"][:, 10], err_msg="X is never trained"
    )
    assert (one["digit1/w"][:, :10] != many["digit1/w"][:, :10]).any()


# -- a run -----------------------------------------------------------------------------------------------------------------------------


def test_it_learns(tmp_path):
    record = changed(steps=60, save_every=60, schedule="constant", dropout=0.0, label_smoothing=0.0)
    seen = []
    result, _ = run(
        tmp_path,
        record,
        progress=lambda step, cost, raw, *batch: seen.append((step, float(cost), dict(raw))),
    )
    assert [step for step, _, _ in seen] == list(range(1, 61))
    costs = [cost for _, cost, _ in seen]
    assert np.mean(costs[-5:]) < np.mean(costs[:5]) - 10
    assert list(seen[0][2]) == NAMES
    assert seen[-1][2]["digit1"] < 0.2 * seen[0][2]["digit1"]
    # The weights that were trained are those that were evaluated.
    assert result == {"step": 60, "best": 1.0, "best_step": 60}


def test_the_run_directory(reference):
    assert sorted(path.name for path in reference.iterdir()) == sorted(
        ["best", "checkpoint", "config.json", "flags.flags", "metrics.jsonl", "versions.json"]
        + [
            f"model.ckpt-{step}.{end}"
            for step in (8, 12)
            for end in ("index", "data-00000-of-00001")
        ]
    )
    record = json.loads((reference / "config.json").read_text())
    assert record["tasks"] == [
        ["length", 7],
        *([f"digit{position}", 11] for position in range(1, 6)),
    ]
    assert record["image"] == {"window": 64, "crop": 54, "channels": 3}
    assert record["threads"]["intra_op"] >= 1 and record["threads"]["inter_op"] == 1
    assert run_files.read_config(str(reference)) == CONFIG
    assert (reference / "flags.flags").read_text() == "--steps=12\n"
    assert (reference / "versions.json").read_text() == "{}\n"
    rows = metrics(reference)
    assert [row["step"] for row in rows] == [4, 8, 12]
    assert all(list(row)[:2] == ["step", "sequence_accuracy"] for row in rows)
    assert everything(reference / "model.ckpt-12")["global_step"] == 12
    for name in ("checkpoint", "best/checkpoint"):
        text = (reference / name).read_text()
        assert str(reference) not in text and 'model_checkpoint_path: "model.ckpt-' in text, (
            "relative, so that the run may be moved"
        )


def test_a_run_without_evaluation_in_a_new_directory(tmp_path):
    seen = []
    directory = tmp_path / "not" / "yet"
    result, said = run(
        directory,
        changed(steps=7, log_every=3),
        evaluate=None,
        progress=lambda step, cost, raw, *batch: seen.append(step),
    )
    assert result == {"step": 7, "best": None, "best_step": None}
    assert seen == [3, 6] and said == []
    assert steps_kept(directory) == [4, 7]
    assert metrics(directory) == [] and not (directory / "best").exists()


def test_a_finished_run_does_nothing(reference):
    before = fingerprint(reference)

    def untouched(*args):
        raise AssertionError("a finished run asks for nothing")

    result, said = run(
        reference,
        source=untouched,
        evaluate=untouched,
        progress=untouched,
        records={"flags.flags": "other"},
    )
    assert fingerprint(reference) == before
    rows = metrics(reference)
    best = max(rows, key=lambda row: row["sequence_accuracy"])
    assert result == {"step": 12, "best": best["sequence_accuracy"], "best_step": best["step"]}
    assert said == [f"{reference}: finished at step 12; nothing to do"]
    run(reference, changed(steps=7), source=untouched, evaluate=untouched)
    assert fingerprint(reference) == before


def test_watching_changes_no_weight(reference, tmp_path):
    run(tmp_path, changed(save_every=5, log_every=3), evaluate=None, progress=lambda *args: None)
    assert_same_variables(tmp_path / "model.ckpt-12", reference / "model.ckpt-12")
    assert steps_kept(tmp_path) == [10, 12]


def test_nothing_can_be_added_to_the_graph_once_the_loop_runs(tmp_path):
    # Else each evaluation could leave operations behind, and a long run would grow.
    with pytest.raises(RuntimeError, match="finalized"):
        run(tmp_path, evaluate=lambda bound: tf.constant(1.0))
    with pytest.raises(RuntimeError, match="finalized"):
        run(tmp_path, evaluate=None, progress=lambda *args: tf.constant(1.0))


# -- the best weights --------------------------------------------------------------------------------------------------------------------


def test_the_best_weights_are_those_of_the_best_sequence_accuracy(tmp_path):
    script = iter([(0.2, -1.0), (0.6, 5.0), (0.6, -9.0), (0.4, -20.0)])  # the cost says otherwise
    outputs = []

    def scripted(bound):
        outputs.append(bound.log_probs(bars([3, 7])))
        accuracy, cost = next(script)
        return {"sequence_accuracy": accuracy, "cost": cost}

    result, _ = run(tmp_path, changed(steps=8, save_every=2), evaluate=scripted)
    assert result == {"step": 8, "best": 0.6, "best_step": 4}, "of two equal ones the first"
    assert steps_kept(tmp_path / "best") == [4]
    assert steps_kept(tmp_path) == [6, 8]
    assert find.checkpoint(str(tmp_path)) == str(tmp_path / "best" / "model.ckpt-4")
    stored = everything(tmp_path / "best" / "model.ckpt-4")
    assert len(stored) == 14 + 1 and stored["global_step"] == 4, (
        "weights and step, without Adam's slots"
    )
    with tf.Graph().as_default(), tf.Session() as session:
        graph = inference_graph.build(tasks=tasks.NUMBER_TASKS, bottom="mlp", objective="log_sum")
        checkpoint.restore(
            session,
            {variable.op.name: variable for variable in tf.global_variables()},
            find.checkpoint(str(tmp_path)),
        )
        found = graph.bind(session).log_probs(bars([3, 7]))
    for name in NAMES:
        np.testing.assert_allclose(found[name], outputs[1][name], rtol=1e-6, atol=1e-6)
    assert any(np.abs(outputs[2][name] - found[name]).max() > 1e-3 for name in NAMES)


def test_a_continued_run_remembers_its_best(tmp_path):
    def scripted(*accuracies):
        values = iter(accuracies)
        return lambda bound: {"sequence_accuracy": next(values)}

    with pytest.raises(Interrupted):
        run(tmp_path, changed(save_every=2), evaluate=scripted(0.3, 0.8), progress=at_step(5, stop))
    result, _ = run(tmp_path, changed(save_every=2), evaluate=scripted(0.7, 0.8, 0.5, 0.1))
    assert result == {"step": 12, "best": 0.8, "best_step": 4}
    assert steps_kept(tmp_path / "best") == [4]
    with pytest.raises(Interrupted):
        run(
            tmp_path,
            changed(save_every=2, steps=20),
            evaluate=scripted(0.9),
            progress=at_step(15, stop),
        )
    assert steps_kept(tmp_path / "best") == [14], (
        "the older best is cleared away, though another process wrote it"
    )
    assert steps_kept(tmp_path) == [14, 15]


# -- cut off and continued -----------------------------------------------------------------------------------------------------------------


def test_a_signal_saves_and_the_same_command_continues(reference, tmp_path):
    directory = tmp_path / "run"
    with pytest.raises(Interrupted) as error:
        run(directory, progress=at_step(5, stop))
    assert error.value.exit_code == 143
    assert (
        str(error.value) == f"{directory}: stopped and saved at step 5; the same command continues"
    )
    assert steps_kept(directory) == [4, 5]
    assert [row["step"] for row in metrics(directory)] == [4]
    result, said = run(directory)
    assert said[0] == f"{directory}: continuing from step 5"
    assert result["step"] == 12
    assert_same_run(directory, reference)


def test_a_signal_between_batches_is_heard(reference, tmp_path):
    with pytest.raises(Interrupted) as error:
        run(tmp_path, source=lambda first: source(first, signal_at=6))
    assert error.value.exit_code == 130
    stopped = steps_kept(tmp_path)[-1]
    assert 3 <= stopped <= 9  # the source runs a few batches ahead
    run(tmp_path)
    assert_same_variables(tmp_path / "model.ckpt-12", reference / "model.ckpt-12")


@pytest.mark.parametrize("step", [8, 12])
def test_a_signal_at_a_step_to_evaluate_loses_no_evaluation(reference, tmp_path, step):
    with pytest.raises(Interrupted):
        run(tmp_path, progress=at_step(step, stop))
    assert steps_kept(tmp_path)[-1] == step
    result, _ = run(tmp_path)
    assert result["step"] == 12 and result["best"] is not None
    assert_same_run(tmp_path, reference)


def test_interrupted_again_and_again(reference, tmp_path):
    for step in (1, 7):
        with pytest.raises(Interrupted):
            run(tmp_path, progress=at_step(step, stop))
        assert steps_kept(tmp_path)[-1] == step
    run(tmp_path, changed(log_every=5))
    assert run_files.read_config(str(tmp_path)).log_every == 5, (
        "the record is that of the last command"
    )
    assert_same_variables(tmp_path / "model.ckpt-12", reference / "model.ckpt-12")
    assert metrics(tmp_path) == metrics(reference)


def test_a_crash_is_made_good_from_the_last_checkpoint_wherever_it_lies_now(reference, tmp_path):
    with pytest.raises(OSError, match="the disk is gone"):
        run(tmp_path / "here", source=lambda first: source(first, fail_at=7))
    assert steps_kept(tmp_path / "here") == [4, 7], "what was trained is saved"
    (tmp_path / "here").rename(tmp_path / "there")
    _, said = run(tmp_path / "there")
    assert "continuing from step 7" in said[0]
    assert_same_run(tmp_path / "there", reference)


def test_steps_before_an_error_of_the_data_are_saved_and_the_error_says_so(reference, tmp_path):
    def failing(first):
        yield from itertools.islice(source(first), 7 - first)
        raise DataError("a shard is damaged")

    with pytest.raises(DataError, match="^a shard is damaged; saved at step 7$"):
        run(tmp_path, source=failing)
    with pytest.raises(DataError, match="^a shard is damaged$"):
        run(tmp_path, source=failing)  # no step since
    assert steps_kept(tmp_path) == [4, 7]
    run(tmp_path)
    assert_same_run(tmp_path, reference)


@pytest.mark.parametrize(
    "steps, told", [(5, "stopped and saved at step 5"), (0, "stopped before its first step")]
)
def test_a_signal_ends_the_wait_for_a_batch(tmp_path, monkeypatch, steps, told):
    """As where a file server or a worker does not answer."""
    monkeypatch.setattr(batches, "JOIN_SECONDS", 0.1)
    answer = threading.Event()

    def stuck(first):
        yield from itertools.islice(source(first), steps)
        threading.Timer(
            1.0, os.kill, [os.getpid(), signal.SIGTERM]
        ).start()  # all steps are done by then
        answer.wait(30.0)

    with pytest.raises(Interrupted, match=told) as error:
        run(tmp_path, source=stuck)
    answer.set()
    for thread in threading.enumerate():
        if thread.name == "prefetch":
            thread.join(5.0)
    assert error.value.exit_code == 143 and steps_kept(tmp_path) == ([4, 5] if steps else [])


@pytest.mark.parametrize("step", [8, 12])
@pytest.mark.parametrize(
    "moment", ["before the evaluation", "before the best weights", "before their metrics"]
)
def test_a_kill_within_an_evaluation_costs_no_step(reference, tmp_path, monkeypatch, step, moment):
    """The state is saved first, then evaluated, then the best weights are kept, then the metrics that tell of them."""
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
    # Better at each evaluation, so that each one keeps its weights.
    with pytest.raises(SystemExit):
        run(
            tmp_path,
            evaluate=lambda bound: {**evaluate_or_die(bound), "sequence_accuracy": len(asked) / 9},
        )
    monkeypatch.undo()
    assert steps_kept(tmp_path)[-1] == step and [row["step"] for row in metrics(tmp_path)] == list(
        range(4, step, 4)
    )
    asked = asked[: step // 4 - 1]
    _, said = run(
        tmp_path,
        evaluate=lambda bound: {"sequence_accuracy": (asked.append(bound) or len(asked)) / 9},
    )
    assert f"continuing from step {step}" in said[0] and f"step {step}: validation" in said[1], (
        "the evaluation is made up for"
    )
    assert_same_variables(tmp_path / "model.ckpt-12", reference / "model.ckpt-12")
    assert [row["step"] for row in metrics(tmp_path)] == [4, 8, 12] and steps_kept(
        tmp_path / "best"
    ) == [12]


def test_a_lost_or_damaged_file_checkpoint_does_not_start_the_run_over(reference, tmp_path):
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
def test_convolutions_continue_bit_for_bit_too(tmp_path, fields):
    record = changed(bottom="small", steps=5, save_every=2, **fields)
    run(tmp_path / "whole", record, evaluate=None)
    with pytest.raises(Interrupted):
        run(tmp_path / "cut", record, evaluate=None, progress=at_step(3, stop))
    run(tmp_path / "cut", record, evaluate=None)
    assert_same_variables(tmp_path / "cut" / "model.ckpt-5", tmp_path / "whole" / "model.ckpt-5")


# -- refused -------------------------------------------------------------------------------------------------------------------------


def unasked(first_step):
    raise AssertionError("no batch may be asked for")


@pytest.mark.parametrize(
    "fields",
    [
        {"learning_rate": 0.5},
        {"bottom": "small"},
        {"seed": 6, "batch_size": 7},
        {"dropout": 0.0},
        {"schedule": "linear"},
    ],
    ids=lambda fields: "-".join(fields),
)
def test_a_changed_flag_is_refused_by_name(reference, fields):
    before = fingerprint(reference)
    with pytest.raises(UsageError) as error:
        run(reference, changed(**fields, steps=20), source=unasked)
    message = str(error.value)
    assert "\n" not in message and str(reference) in message and "--model_dir" in message
    for name, value in fields.items():
        assert f"--{name}={getattr(CONFIG, name)} (now {value})" in message
    assert "--steps=" not in message and "what may change is --steps" in message
    assert fingerprint(reference) == before


def test_checkpoints_without_their_record_are_refused(reference, tmp_path):
    copy_at_step_8(reference, tmp_path)
    (tmp_path / "config.json").unlink()
    before = fingerprint(tmp_path)
    with pytest.raises(DataError) as error:
        run(tmp_path, source=unasked)
    assert "config.json" in str(error.value) and "\n" not in str(error.value)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(DataError, match="config.json"):
        run(tmp_path, source=unasked)
    (tmp_path / "config.json").unlink()
    assert fingerprint(tmp_path) == before


def test_a_damaged_checkpoint_is_refused_and_left_alone(reference, tmp_path):
    copy_at_step_8(reference, tmp_path)
    data = tmp_path / "model.ckpt-8.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1000])
    before = fingerprint(tmp_path)
    with pytest.raises(DataError) as error:
        run(tmp_path, source=unasked)
    assert str(tmp_path / "model.ckpt-8") in str(error.value) and "\n" not in str(error.value)
    assert fingerprint(tmp_path) == before


# -- not finite ------------------------------------------------------------------------------------------------------------------------


def test_weights_that_become_nan_end_the_run_before_they_are_saved(reference, tmp_path):
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
    assert steps_kept(tmp_path) == [4] and [row["step"] for row in metrics(tmp_path)] == [4]
    assert all(np.isfinite(value).all() for value in everything(tmp_path / "model.ckpt-4").values())
    run(tmp_path)  # the weights it saved are good ones
    assert_same_run(tmp_path, reference)


def test_a_learning_rate_far_too_high_ends_the_run(tmp_path):
    with pytest.raises(NotFiniteError, match="step 2"):
        run(tmp_path, changed(learning_rate=1e30, save_every=50), evaluate=None)
    assert steps_kept(tmp_path) == []


def test_an_infinite_cross_entropy_ends_the_run_though_the_clipped_cost_is_finite(
    reference, tmp_path
):
    def certain_of_wrong(bias):
        bias[2] = 3e38  # a mean over the batch runs over; the clip would hide it
        return bias

    patched(reference / "model.ckpt-12", tmp_path / "start", digit4__b=certain_of_wrong)
    record = changed(init_from=str(tmp_path / "start"), label_smoothing=0.0)
    with pytest.raises(NotFiniteError, match="task digit4: cross entropy is inf at step 1;"):
        run(tmp_path / "run", record)
    assert steps_kept(tmp_path / "run") == []


def with_a_gradient_of(wanted, at):
    """Return a bottom with one weight more, shared/limit/w [1], that counts for nothing; its gradient is 0, and `wanted` at one step."""

    def bottom(images, **settings):
        with tf.variable_scope("limit"):
            w = layers.variable("w", [1], 0.0, 0)
        done = (
            -1 if settings["step"] is None else settings["step"].read_value()
        )  # counts from 0 within the graph
        gradient = tf.where(tf.equal(done, at - 1), tf.constant([wanted]), tf.zeros([1]))
        # Made to hang on what comes down: else Adam might change w before it was read.
        nothing = tf.custom_gradient(
            lambda w: (0.0 * w, lambda upstream: gradient + 0.0 * tf.reduce_sum(upstream))
        )(tf.identity(w))
        return mlp(images[:, ::5, ::5], **settings).features + nothing

    return bottom


@pytest.fixture
def sick_at_6(monkeypatch):
    """Make one gradient infinite at step 6, though every value and cross entropy is finite."""
    monkeypatch.setattr(bottoms, "mlp", with_a_gradient_of(float("inf"), at=6))


def test_an_infinite_gradient_ends_the_run_and_names_its_variable(tmp_path, sick_at_6):
    with pytest.raises(NotFiniteError) as error:
        run(tmp_path)
    message = str(error.value)
    assert (
        "variable shared/limit/w: the sum of its gradient is inf at step 6;" in message
        and "--on_nonfinite=skip" in message
    )
    assert steps_kept(tmp_path) == [4] and everything(tmp_path / "model.ckpt-4")[
        "shared/limit/w"
    ] == [0.0]


def test_a_skipped_step_changes_no_weight_and_is_counted(tmp_path, sick_at_6):
    _, said = run(tmp_path, changed(on_nonfinite="skip", save_every=1, steps=6))
    before, after = everything(tmp_path / "model.ckpt-5"), everything(tmp_path / "model.ckpt-6")
    assert before.pop("global_step") == 5 and after.pop("global_step") == 6, (
        "the next step gets the next batch"
    )
    for name in before:
        np.testing.assert_array_equal(before[name], after[name], err_msg=name)
    left_out = [line for line in said if "left out" in line]
    assert left_out == [
        "step 6: variable shared/limit/w: the sum of its gradient is inf; left out, 1 so far"
    ]


def test_where_nothing_is_skipped_the_run_is_that_of_one_that_would_stop(reference, tmp_path):
    run(tmp_path, changed(on_nonfinite="skip"))
    assert_same_run(tmp_path, reference)


def test_a_weight_that_its_update_made_infinite_is_not_saved_even_by_the_last_step(
    tmp_path, monkeypatch
):
    """Gradient and cross entropy are finite; the square of the gradient, which Adam keeps, is not."""

    monkeypatch.setattr(bottoms, "mlp", with_a_gradient_of(1e30, at=12))
    with pytest.raises(
        NotFiniteError,
        match="variable shared/limit/w/Adam_1: the sum of its values is inf at step 12;",
    ):
        run(tmp_path)
    assert steps_kept(tmp_path) == [4, 8]


def test_a_label_out_of_range_ends_the_run(tmp_path):
    def wrong(first):
        for images, labels in source(first):
            labels["digit3"][2] = 11
            yield images, labels

    with pytest.raises(tf.errors.InvalidArgumentError, match="labels_digit3_rows"):
        run(tmp_path, source=wrong)
    assert steps_kept(tmp_path) == []


def test_a_task_at_the_floor_is_marked_in_the_progress_line(reference, tmp_path):
    def certain_of_right(bias):
        bias[10] = 1e6  # one-digit numbers have no fifth digit, the class 10
        return bias

    patched(reference / "model.ckpt-12", tmp_path / "start", digit5__b=certain_of_right)
    record = changed(init_from=str(tmp_path / "start"), label_smoothing=0.0, steps=2)
    lines = []
    run(tmp_path / "run", record, evaluate=None, progress=progress.Progress(record, lines.append))
    assert [line.split()[:2] for line in lines] == [["step", "1/2"], ["step", "2/2"]]
    for line in lines:
        assert "digit5 0.000 (AT FLOOR)" in line
        assert line.count("FLOOR") == 1, "the other tasks still learn"
        assert all(f"  {name} " in line for name in NAMES) and "\n" not in line


# -- starting from other weights -----------------------------------------------------------------------------------------------------------


def test_init_from_takes_the_weights_alone(reference, tmp_path):
    asked = []

    def noted(first_step):
        asked.append(first_step)
        return source(first_step)

    # So small a rate moves no weight, but for those that are 0.
    record = changed(init_from=str(reference), learning_rate=1e-30, steps=1, seed=77)
    _, said = run(tmp_path, record, source=noted, evaluate=None)
    start = find.checkpoint(str(reference))
    assert (
        said == [f"{tmp_path}: starting from the weights of {start}"]
        and f"{os.sep}best{os.sep}" in start
    )
    assert asked == [0]
    given, found = everything(start), everything(tmp_path / "model.ckpt-1")
    assert found["global_step"] == 1
    assert found["beta1_power"] == pytest.approx(0.9**2), "Adam starts anew"
    for name in given:
        if name != "global_step":
            np.testing.assert_allclose(found[name], given[name], rtol=0, atol=1e-29, err_msg=name)


def test_a_continued_run_does_not_start_over_from_init_from(reference, tmp_path):
    copy_at_step_8(reference, tmp_path)
    _, said = run(tmp_path, changed(init_from=str(tmp_path / "gone")))
    assert "continuing from step 8" in said[0] and "starting" not in "".join(said)
    assert_same_run(tmp_path, reference)


def test_init_from_another_network_is_refused(reference, tmp_path):
    with pytest.raises(DataError) as error:
        run(tmp_path / "run", changed(bottom="small", init_from=str(reference)), source=unasked)
    assert (
        str(reference) in str(error.value)
        and "--bottom" in str(error.value)
        and "\n" not in str(error.value)
    )
    assert not (tmp_path / "run").exists(), "a run that cannot start leaves nothing behind"


def test_init_from_nothing_is_refused(tmp_path):
    with pytest.raises(DataError, match="no checkpoint"):
        run(tmp_path / "run", changed(init_from=str(tmp_path / "empty")), source=unasked)
    assert not (tmp_path / "run").exists()


def test_a_directory_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError) as error:
        run(tmp_path / "file" / "run", source=unasked)
    assert str(tmp_path / "file") in str(error.value) and "\n" not in str(error.value)
