"""mtl.train: the graph of a run, run directories, rejected runs and --init_from, on a toy."""

import dataclasses
import json
import math
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import bottoms, config, layers, run_files, tasks, train
from mtl.errors import DataError, UsageError
from mtl.runs import find
from tests.run_directories import (
    assert_same_run,
    assert_same_variables,
    fingerprint,
    metrics_of,
    saved_steps,
    variables_of,
)
from tests.toy_runs import (
    CONFIG,
    NAMES,
    changed,
    copy_at_step_8,
    evaluation_of,
    run,
    source,
)

pytestmark = pytest.mark.usefixtures("coarse", "nothing_left")


# -- the graph -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schedule, expected",
    [
        ("constant", lambda done: 0.25),
        ("linear", lambda done: 0.25 * (1 - done)),
        ("cosine", lambda done: 0.25 * (1 + math.cos(math.pi * done)) / 2),
    ],
)
def test_learning_rate_follows_the_schedule(schedule, expected):
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.placeholder(tf.int64, [])
        rate = tf.convert_to_tensor(train.learning_rate(0.25, schedule, step, 40))
        for now in (0, 1, 10, 20, 33, 39, 40):
            assert session.run(rate, {step: now}) == pytest.approx(expected(now / 40), abs=1e-7)
        # Continued with fewer steps than it has done, a run keeps the last rate.
        assert session.run(rate, {step: 55}) == pytest.approx(expected(1.0), abs=1e-7)


def test_every_schedule_is_implemented():
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
def test_towers_share_the_threads_if_each_has_eight_images(threads, batch_size, towers, within):
    assert train.towers_of(threads, batch_size) == towers
    config = train.session_config(threads, batch_size)
    assert (config.inter_op_parallelism_threads, config.intra_op_parallelism_threads) == (
        towers,
        within,
    )


def test_there_is_one_thread_for_each_core_by_default(monkeypatch):
    monkeypatch.setattr(train.os, "cpu_count", lambda: 6)
    assert train.towers_of(0, 48) == 6 == train.session_config(0, 48).inter_op_parallelism_threads
    assert train.session_config(0, 16).intra_op_parallelism_threads == 3  # two towers


@pytest.mark.parametrize(
    "objective, formula, smoothing", [("log_sum", np.log, 0.4), ("linear", np.float64, 0.0)]
)
def test_losses_and_cost_equal_numpy_and_a_step_lowers_the_cost(objective, formula, smoothing):
    images, labels = next(source(0))
    with tf.Graph().as_default(), tf.Session() as session:
        graph = train.build(changed(objective=objective, label_smoothing=smoothing, dropout=0.0))
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            inference = evaluation_of(CONFIG)
        assert list(graph.labels) == list(graph.losses) == list(inference.log_probs) == NAMES
        session.run(tf.global_variables_initializer())
        feed = {graph.images: images, **{graph.labels[name]: labels[name] for name in NAMES}}
        raw, cost = session.run([graph.losses, graph.cost], feed)
        # Without dropout, training and inference compute the same outputs.
        log_probs = session.run(inference.log_probs, {inference.images: images})
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


# -- runs ------------------------------------------------------------------------------------------


def test_a_run_learns_the_toy(tmp_path):
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
    # The evaluated weights are the trained ones.
    assert result == {"step": 60, "best": 1.0, "best_step": 60}


def test_a_mrequested_run_trains_only_labelled_digits(tmp_path):
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
    # All numbers have one digit: the other tasks have no label, no loss and no update.
    assert all(list(raw) == ["length", "digit1"] for _, raw in seen)
    for cost, raw in seen:
        assert cost == pytest.approx(
            sum(math.log(max(value, 1e-37)) for value in raw.values()), rel=1e-4, abs=1e-4
        )
    assert seen[-1][1]["digit1"] < 0.3 * seen[0][1]["digit1"]
    before, after = tmp_path / "before", tmp_path
    run(before, dataclasses.replace(record, steps=1, save_every=1), evaluate=None)
    one, many = variables_of(before / "model.ckpt-1"), variables_of(after / "model.ckpt-40")
    for place in range(2, 6):
        np.testing.assert_array_equal(one[f"digit{place}/w"], many[f"digit{place}/w"])
    np.testing.assert_array_equal(
        one["digit1/w"][:, 10], many["digit1/w"][:, 10], err_msg="X is not trained"
    )
    assert (one["digit1/w"][:, :10] != many["digit1/w"][:, :10]).any()


def test_files_of_a_run_directory(reference):
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
    rows = metrics_of(reference)
    assert [row["step"] for row in rows] == [4, 8, 12]
    assert all(list(row)[:2] == ["step", "sequence_accuracy"] for row in rows)
    assert variables_of(reference / "model.ckpt-12")["global_step"] == 12
    for name in ("checkpoint", "best/checkpoint"):
        text = (reference / name).read_text()
        assert str(reference) not in text and 'model_checkpoint_path: "model.ckpt-' in text, (
            "relative: the run may be moved"
        )


def test_runs_without_evaluation_in_a_new_directory(tmp_path):
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
    assert saved_steps(directory) == [4, 7]
    assert metrics_of(directory) == [] and not (directory / "best").exists()


def test_progress_changes_no_weight(reference, tmp_path):
    run(tmp_path, changed(save_every=5, log_every=3), evaluate=None, progress=lambda *args: None)
    assert_same_variables(tmp_path / "model.ckpt-12", reference / "model.ckpt-12")
    assert saved_steps(tmp_path) == [10, 12]


def test_the_graph_is_final_once_the_loop_runs(tmp_path):
    # Else each evaluation could leave operations behind, and a long run would grow.
    with pytest.raises(RuntimeError, match="finalized"):
        run(tmp_path, evaluate=lambda bound: tf.constant(1.0))
    with pytest.raises(RuntimeError, match="finalized"):
        run(tmp_path, evaluate=None, progress=lambda *args: tf.constant(1.0))


def test_a_variable_that_does_not_reach_the_cost_is_not_trained(tmp_path, monkeypatch):
    mlp = bottoms.mlp

    def with_an_unused_variable(images, **settings):
        with tf.variable_scope("unused"):
            layers.variable("w", [3], 1.0, 0)
        return mlp(images, **settings)

    monkeypatch.setattr(bottoms, "mlp", with_an_unused_variable)
    with tf.Graph().as_default():
        assert "shared/unused/w" not in train.build(CONFIG).gradients
    run(tmp_path, changed(steps=2), evaluate=None)
    found = variables_of(tmp_path / "model.ckpt-2")
    assert "shared/unused/w" in found and "shared/unused/w/Adam" not in found


def test_the_answer_trains_its_own_lines_to_the_same_bits(reference, tmp_path):
    run(tmp_path, changed(objective="answer"))
    assert_same_variables(tmp_path / "model.ckpt-12", reference / "model.ckpt-12")


# -- rejected --------------------------------------------------------------------------------------


def unrequested(first_step):
    raise AssertionError("no batch may be requested")


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
def test_rejects_changed_flags_by_name(reference, fields):
    before = fingerprint(reference)
    with pytest.raises(UsageError) as error:
        run(reference, changed(**fields, steps=20), source=unrequested)
    message = str(error.value)
    assert "\n" not in message and str(reference) in message and "--model_dir" in message
    for name, value in fields.items():
        assert f"--{name}={getattr(CONFIG, name)} (now {value})" in message
    assert "--steps=" not in message and "only --steps" in message
    assert fingerprint(reference) == before


def test_rejects_checkpoints_without_config_json(reference, tmp_path):
    copy_at_step_8(reference, tmp_path)
    (tmp_path / "config.json").unlink()
    before = fingerprint(tmp_path)
    with pytest.raises(DataError) as error:
        run(tmp_path, source=unrequested)
    assert "config.json" in str(error.value) and "\n" not in str(error.value)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(DataError, match="config.json"):
        run(tmp_path, source=unrequested)
    (tmp_path / "config.json").unlink()
    assert fingerprint(tmp_path) == before


def test_rejects_a_damaged_checkpoint_unchanged(reference, tmp_path):
    copy_at_step_8(reference, tmp_path)
    data = tmp_path / "model.ckpt-8.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1000])
    before = fingerprint(tmp_path)
    with pytest.raises(DataError) as error:
        run(tmp_path, source=unrequested)
    assert str(tmp_path / "model.ckpt-8") in str(error.value) and "\n" not in str(error.value)
    assert fingerprint(tmp_path) == before


def test_rejects_a_directory_that_cannot_be_created(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError) as error:
        run(tmp_path / "file" / "run", source=unrequested)
    assert str(tmp_path / "file") in str(error.value) and "\n" not in str(error.value)


# -- init_from -------------------------------------------------------------------------------------


def test_init_from_takes_only_the_weights(reference, tmp_path):
    requested = []

    def noted(first_step):
        requested.append(first_step)
        return source(first_step)

    # This rate is too small to change a weight that is not 0.
    record = changed(init_from=str(reference), learning_rate=1e-30, steps=1, seed=77)
    _, said = run(tmp_path, record, source=noted, evaluate=None)
    start = find.checkpoint(str(reference))
    assert (
        said == [f"{tmp_path}: starting from the weights of {start}"]
        and f"{os.sep}best{os.sep}" in start
    )
    assert requested == [0]
    given, found = variables_of(start), variables_of(tmp_path / "model.ckpt-1")
    assert found["global_step"] == 1
    assert found["beta1_power"] == pytest.approx(0.9**2), "Adam starts from zero"
    for name in given:
        if name != "global_step":
            np.testing.assert_allclose(found[name], given[name], rtol=0, atol=1e-29, err_msg=name)


def test_a_continued_run_ignores_init_from(reference, tmp_path):
    copy_at_step_8(reference, tmp_path)
    _, said = run(tmp_path, changed(init_from=str(tmp_path / "gone")))
    assert "continuing from step 8" in said[0] and "starting" not in "".join(said)
    assert_same_run(tmp_path, reference)


def test_rejects_init_from_another_network(reference, tmp_path):
    with pytest.raises(DataError) as error:
        run(tmp_path / "run", changed(bottom="small", init_from=str(reference)), source=unrequested)
    assert (
        str(reference) in str(error.value)
        and "--bottom" in str(error.value)
        and "\n" not in str(error.value)
    )
    assert not (tmp_path / "run").exists(), "a failed start leaves nothing behind"


def test_rejects_init_from_an_empty_directory(tmp_path):
    with pytest.raises(DataError, match="no checkpoint"):
        run(tmp_path / "run", changed(init_from=str(tmp_path / "empty")), source=unrequested)
    assert not (tmp_path / "run").exists()
