"""Training runs of own tasks: missing labels, patience, own code, and resuming to the last bit."""

import dataclasses
import itertools
import shutil
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import one_line
from mtl import config, inputs, kinds, run_files, tasks, train
from mtl.errors import UsageError
from tests.run_directories import assert_same_variables, saved_steps, variables_of

pytestmark = pytest.mark.slow
NAMES = [f"task{number}" for number in range(10)]
# Two kinds, in turns, of different sizes.
TEXT = ",".join(f"{name}:{3 + i if i % 3 else 'real'}" for i, name in enumerate(NAMES))
CONFIG = config.Config(
    tasks=TEXT,
    dataset="npz",
    data_dir="data",
    bottom="small",
    top_units="7",
    top_dropout=0.3,
    label_smoothing=0.0,
    optimizer="momentum",
    weight_decay=0.01,
    clip_norm=2.0,
    learning_rate=2e-3,
    warmup_steps=3,
    batch_size=6,
    steps=12,
    save_every=4,
    log_every=1,
    seed=5,
)
IMAGES = inputs.Inputs((9, 11, 1), 8, "float32")
TASKS = tuple(
    task._replace(mean=20.0, std=3.0) if task.kind == "real" else task for task in tasks.parse(TEXT)
)


def source(first_step, tasks_of=TASKS, shape=IMAGES.network_shape):
    """Yield batches in which half of the labels are missing; task4 never has one."""
    for step in itertools.count(first_step):
        rng = np.random.default_rng([3, step])
        labels = {}
        for task in tasks_of:
            kind = kinds.find(task.kind)
            values = rng.integers(0, 3, CONFIG.batch_size).astype(kind.DTYPE)
            absent = (rng.random(CONFIG.batch_size) < 0.5) | (task.name == "task4")
            labels[task.name] = np.where(absent, kind.MISSING, values).astype(kind.DTYPE)
        yield rng.random((CONFIG.batch_size, *shape), np.float32), labels


def run(model_dir, record=CONFIG, scores=None, **settings):
    """Train; return the result and the messages. scores: of the evaluations, in order."""
    messages = []
    remaining = iter(scores or ())

    def evaluator(session):
        return lambda: {"score": next(remaining)}

    settings = {"tasks": TASKS, "inputs": IMAGES, "source": source} | settings
    result = train.run(
        record,
        str(model_dir),
        settings.pop("source"),
        evaluator if scores else None,
        callbacks=train.Callbacks(messages.append, progress=settings.pop("progress", None)),
        **settings,
    )
    return result, messages


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The directory of a run that nothing interrupted, and the losses of each step."""
    directory = tmp_path_factory.mktemp("whole")
    seen = []
    run(directory, progress=lambda step, cost, losses, *batch: seen.append(losses))
    return directory, seen


def test_ten_tasks_with_half_of_the_labels_continue_to_the_last_bit(whole, tmp_path):
    shutil.copytree(whole[0], tmp_path / "run")
    for path in (tmp_path / "run").glob("model.ckpt-12.*"):  # as after a kill before its save
        path.unlink()
    run(tmp_path / "run")
    for name in ("model.ckpt-8", "model.ckpt-12"):
        assert_same_variables(str(whole[0] / name), str(tmp_path / "run" / name))


def test_a_task_without_labels_in_a_batch_has_no_loss_and_no_gradient(whole):
    directory, seen = whole
    assert all("task4" not in losses for losses in seen)
    assert all(np.isfinite(list(losses.values())).all() for losses in seen)
    with tf.Graph().as_default(), tf.Session() as session:
        graph = train.build(CONFIG, tasks=TASKS, inputs=IMAGES)
        session.run(tf.global_variables_initializer())
        gradients = {
            layer.scope: tf.gradients(graph.cost, list(layer.variables))
            for layer in graph.network.tops["task4"]
        }
        values, labels = next(source(0))
        feed = {graph.inputs: values, **{graph.labels[name]: labels[name] for name in labels}}
        terms, found = session.run([graph.terms, gradients], feed)
    assert terms["task4"] == 0.0
    assert list(found) == ["task4/dense1", "task4"]
    assert not any(value.any() for pair in found.values() for value in pair)


def test_the_weights_learn_from_the_labels_that_exist(whole):
    reader = tf.train.load_checkpoint(str(whole[0] / "model.ckpt-12"))
    first = tf.train.load_checkpoint(str(whole[0] / "model.ckpt-8"))
    moved = [
        not np.array_equal(reader.get_tensor(f"{name}/b"), first.get_tensor(f"{name}/b"))
        for name in NAMES
    ]
    assert moved == [name != "task4" for name in NAMES]


def test_a_run_with_other_scales_or_inputs_is_refused(whole):
    other = (TASKS[0]._replace(mean=0.5), *TASKS[1:])
    with pytest.raises(UsageError) as error:
        run(whole[0], dataclasses.replace(CONFIG, steps=16), tasks=other)
    one_line(error, "holds a run with other tasks", "use the same data, or another --model_dir")
    with pytest.raises(UsageError) as error:
        run(whole[0], inputs=IMAGES._replace(crop=0))
    one_line(error, "holds a run with other inputs")


def test_tasks_that_are_not_those_of_config_are_an_error(tmp_path):
    with pytest.raises(ValueError) as error:
        run(tmp_path, tasks=[tasks.Task("colour", 3)])
    one_line(error, "tasks are colour:3, but config has", "pass Config(tasks='colour:3')")


# -- transfer --------------------------------------------------------------------------------------


def test_init_from_other_tasks_restores_the_bottom_and_the_tasks_that_both_have(whole, tmp_path):
    text = "task1:4,task2:9,mine:3"  # task2 has another size
    record = dataclasses.replace(CONFIG, tasks=text, steps=1, save_every=1, learning_rate=1e-30)
    own = tasks.parse(text)
    start = str(whole[0] / "model.ckpt-12")
    _, messages = run(
        tmp_path, record, tasks=own, start=start, source=lambda first: source(first, own)
    )
    assert messages == [f"{tmp_path}: starting from the weights of {start}; new tasks: task2, mine"]
    found, before = (variables_of(path) for path in (str(tmp_path / "model.ckpt-1"), start))
    for name in ("shared/conv1/w", "shared/dense1/b", "task1/w", "task1/dense1/w"):
        np.testing.assert_allclose(found[name], before[name], rtol=0, atol=1e-25, err_msg=name)
    assert not np.allclose(found["task2/dense1/w"], before["task2/dense1/w"])


# -- patience --------------------------------------------------------------------------------------

FEW = TASKS[:2]
PATIENT = dataclasses.replace(
    CONFIG, tasks="task0:real,task1:4", bottom="mlp", steps=30, save_every=3, patience=2
)


def run_few(model_dir, record, scores):
    """As `run`, with two tasks."""
    return run(model_dir, record, scores, tasks=FEW, source=lambda first: source(first, FEW))


def test_patience_stops_after_evaluations_without_a_new_best(tmp_path):
    result, messages = run_few(tmp_path, PATIENT, [0.1, None, 0.5, 0.5, 0.4])
    assert result == {"step": 15, "best": 0.5, "best_step": 9}
    assert messages[-1].startswith("step 15: no better score in 2 evaluations after step 9; stop")
    assert saved_steps(tmp_path) == [12, 15]
    result, messages = run_few(tmp_path, PATIENT, [])
    what = "stopped early at step 15, raise --patience=2 to continue"
    assert result["step"] == 15 and messages == [f"{tmp_path}: {what}; nothing to do"]


def test_a_run_whose_evaluations_have_no_score_has_no_best(tmp_path):
    record = dataclasses.replace(PATIENT, steps=8, save_every=4)
    result, messages = run_few(tmp_path, record, [None, None])
    assert result == {"step": 8, "best": None, "best_step": None}
    assert messages == [f"step {step}: validation has no score" for step in (4, 8)]
    assert saved_steps(tmp_path) == [4, 8] and not (tmp_path / "best").exists()


def test_patience_survives_a_resume_and_more_of_it_continues(tmp_path):
    halfway = dataclasses.replace(PATIENT, steps=12)
    run_few(tmp_path, halfway, [0.1, 0.2, 0.5, 0.5])
    result, _ = run_few(tmp_path, PATIENT, [0.4])
    assert (result["step"], result["best_step"]) == (15, 9)
    result, _ = run_few(tmp_path, dataclasses.replace(PATIENT, patience=3), [0.3])
    assert result == {"step": 18, "best": 0.5, "best_step": 9}


def test_a_history_without_a_best_is_never_exhausted():
    rows = [{"step": step, "score": None} for step in (3, 6, 9)]
    assert not run_files.is_exhausted(rows, 1)
    assert not run_files.is_exhausted([{"step": 3, "score": -2.5}, *rows[1:]], 0)
    assert run_files.is_exhausted([{"step": 3, "score": -2.5}, *rows[1:]], 2)


# -- own code --------------------------------------------------------------------------------------

CODE = """
import numpy as np
import tensorflow.compat.v1 as tf
from mtl import layers

def bottom(inputs, *, dropout, seed, step, towers):
    return tf.nn.relu(layers.dense(inputs, "mine", 5, seed=seed))

def objective(logits, labels, means):
    return tf.add_n([2.0 * mean for mean in means.values()])

def vector(logits, labels, means):
    return tf.stack(list(means.values()))

def images(inputs, **settings):
    return inputs

def array(inputs, **settings):
    return np.zeros([6, 4])

def constant(logits, labels, means):
    return tf.constant(1.0)

def whole(logits, labels, means):
    return tf.constant(1)
"""
OWN = config.Config(
    tasks="a:3,b:real",
    dataset="table",
    bottom="code_of_a_task:bottom",
    objective="code_of_a_task:objective",
    batch_size=6,
    steps=2,
    save_every=2,
)
FEATURES = inputs.Inputs((4,), 0, "float32", mean=(0.5,) * 4, std=(0.3,) * 4)


@pytest.fixture
def own_code(tmp_path, monkeypatch):
    (tmp_path / "code_of_a_task.py").write_text(CODE)
    (tmp_path / "code_that_exits.py").write_text("import sys\nsys.exit(3)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("code_of_a_task", None)


def own_source(first_step):
    return source(first_step, tasks.parse(OWN.tasks), (4,))


def test_a_bottom_and_an_objective_of_the_user_train(own_code, tmp_path):
    run(tmp_path / "run", OWN, tasks=None, inputs=FEATURES, source=own_source)
    path = str(tmp_path / "run" / "model.ckpt-2")
    names = {name for name, _ in tf.train.list_variables(path) if "Adam" not in name}
    own = {"shared/mine/w", "shared/mine/b", "a/w", "a/b", "b/w", "b/b"}
    assert names - {"beta1_power", "beta2_power", "global_step"} == own
    assert run_files.read(str(tmp_path / "run")).config == OWN


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"objective": "code_of_a_task:vector"}, "return the cost, a float32 scalar tensor"),
        ({"bottom": "code_of_a_task:absent"}, "--bottom=code_of_a_task:absent cannot be imported"),
        ({"bottom": "small"}, "--bottom=small: this bottom takes images, but the inputs"),
        ({"bottom": "code_of_a_task:array"}, "return float features [batch, features]"),
        ({"objective": "code_of_a_task:constant"}, "depends on no variable; compute it from"),
        ({"objective": "code_of_a_task:whole"}, "return the cost, a float32 scalar tensor"),
        ({"bottom": "code_that_exits:bottom"}, "cannot be imported (SystemExit: 3)"),
    ],
)
def test_own_code_that_does_not_fit_writes_nothing(own_code, tmp_path, changed, message):
    record = dataclasses.replace(OWN, **changed)
    with pytest.raises(UsageError) as error:
        run(tmp_path / "run", record, tasks=None, inputs=FEATURES, source=own_source)
    one_line(error, message)
    assert not (tmp_path / "run").exists()


def test_a_bottom_that_returns_images_is_refused(own_code, tmp_path):
    record = dataclasses.replace(OWN, bottom="code_of_a_task:images")
    shape = inputs.Inputs((4, 5, 1), 0, "float32")
    with pytest.raises(UsageError) as error:
        run(tmp_path / "run", record, tasks=None, inputs=shape, source=own_source)
    one_line(error, "bottom code_of_a_task:images", "return float features [batch, features]")
