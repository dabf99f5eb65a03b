"""What of tensorflow.compat.v1 works today: each thing is tried, and the table in BUILD.md says what came of it.

`python -m tests.test_compat`, from the root of the repository, prints that table.
"""

import concurrent.futures
import contextlib
import io
import os
import pathlib
import re
import sys
import warnings
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

HEADING = "### What works in compat.v1"
WORKS = "works"
ENTRIES = []


class Entry(NamedTuple):
    """A row of the table."""

    name: str
    what: str  # what is tried
    outcome: str  # WORKS, or the error it ends with: "Type: words"
    note: str
    trial: Any  # function (an empty directory, as pathlib.Path) -> None, called under a graph of its own


def tried(name, note=""):
    """Add a function that asserts what works, and says in its docstring how it tries it, to ENTRIES."""

    def add(function):
        ENTRIES.append(Entry(name, function.__doc__, WORKS, note, function))
        return function

    return add


def run(fetches, feed=None):
    """Run in a new session, variables initialised."""
    with tf.Session() as session:
        session.run(
            [
                tf.global_variables_initializer(),
                tf.local_variables_initializer(),
                tf.tables_initializer(),
            ]
        )
        return session.run(fetches, feed)


def scalar(start=0.0, name="w", **options):
    return tf.get_variable(name, [], tf.float32, tf.constant_initializer(start), **options)


def minimised(optimizer, steps=300):
    """Return where an optimiser that minimises (w - 3)^2 from 0 arrives."""
    w = scalar()
    step = optimizer.minimize(tf.square(w - 3.0))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for _ in range(steps):
            session.run(step)
        return session.run(w)


# -- running ---------------------------------------------------------------------------------------------------------------------------


@tried("Session, placeholder, feed_dict")
def session(folder):
    """feeds two placeholders and fetches their sum"""
    a, b = tf.placeholder(tf.float32, []), tf.placeholder_with_default(4.0, [])
    assert run(a + b, {a: 3.0}) == 7.0 and run(a + b, {a: 3.0, b: 5.0}) == 8.0


@tried("InteractiveSession, Tensor.eval")
def interactive(folder):
    """evaluates a tensor in the default session"""
    session = tf.InteractiveSession()
    with contextlib.closing(session):
        assert tf.constant(7.0).eval() == 7.0


@tried("Session.make_callable")
def make_callable(folder):
    """calls a graph as a function"""
    a = tf.placeholder(tf.float32, [])
    with tf.Session() as session:
        assert session.make_callable(2.0 * a, [a])(3.0) == 6.0


@tried("Session.partial_run")
def partial_run(folder):
    """fetches a sum, then a product that needs it, in one run"""
    a, b = tf.placeholder(tf.float32, []), tf.placeholder(tf.float32, [])
    total = a + 1.0
    product = total * b
    with tf.Session() as session:
        handle = session.partial_run_setup([total, product], [a, b])
        assert session.partial_run(handle, total, {a: 2.0}) == 3.0
        assert session.partial_run(handle, product, {b: 5.0}) == 15.0


@tried("RunOptions, RunMetadata")
def run_metadata(folder):
    """traces a run and finds the node in it"""
    a = tf.placeholder(tf.float32, [2, 2])
    product, metadata = tf.matmul(a, a, name="product"), tf.RunMetadata()
    with tf.Session() as session:
        session.run(
            product, {a: np.eye(2)}, tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), metadata
        )
    assert any(
        node.node_name == "product"
        for device in metadata.step_stats.dev_stats
        for node in device.node_stats
    )


@tried("Graph.finalize")
def finalize(folder):
    """refuses another node"""
    tf.get_default_graph().finalize()
    with pytest.raises(RuntimeError, match="finalized"):
        tf.constant(1.0)


@tried("control_dependencies")
def control_dependencies(folder):
    """makes a node wait for an update of a variable"""
    w = scalar(1.0)
    with tf.control_dependencies([w.assign_add(1.0)]):
        after = w.read_value() * 10.0
    assert run(after) == 20.0


@tried("collections")
def collections(folder):
    """finds what was added by name"""
    one = tf.constant(1.0)
    tf.add_to_collection("mine", one)
    assert tf.get_collection("mine") == [one]


@tried("cond, case, while_loop, map_fn, scan")
def control_flow(folder):
    """branches and loops by a value that is fed"""
    n = tf.placeholder(tf.int32, [])
    branch = tf.cond(n > 2, lambda: n * 10, lambda: n)
    case = tf.case([(n > 5, lambda: 1)], default=lambda: 0)
    loop = tf.while_loop(lambda i, total: i < n, lambda i, total: (i + 1, total + i), [0, 0])[1]
    squares = tf.map_fn(lambda x: x * x, tf.range(n))
    sums = tf.scan(lambda total, x: total + x, tf.range(n))
    values = run([branch, case, loop, squares, sums], {n: 4})
    assert [np.asarray(value).tolist() for value in values] == [
        40,
        0,
        6,
        [0, 1, 4, 9],
        [0, 1, 3, 6],
    ]


@tried("py_func")
def py_func(folder):
    """calls Python in each run"""
    calls = []
    node = tf.py_func(
        lambda x: calls.append(x) or x * np.float32(2.0), [tf.constant(3.0)], tf.float32
    )
    assert run(node) == 6.0 and calls == [3.0]


@tried("check_numerics, add_check_numerics_ops")
def check_numerics(folder):
    """ends a run whose tensor is infinite, and names it"""
    a = tf.placeholder(tf.float32, [])
    checked = tf.check_numerics(tf.log(a), "the log")
    everything = tf.add_check_numerics_ops()
    assert run(checked, {a: 1.0}) == 0.0
    for node in (checked, everything):
        with pytest.raises(tf.errors.InvalidArgumentError, match="Inf"):
            run(node, {a: 0.0})


@tried("set_random_seed, random_normal, random.stateless_uniform")
def random(folder):
    """draws the same numbers in two sessions"""
    tf.set_random_seed(1)
    draws = [tf.random_normal([3]), tf.random.stateless_uniform([3], seed=[1, 2])]
    assert np.array_equal(run(draws), run(draws))


@tried("Assert, Print")
def assert_op(folder):
    """ends a run where a condition is false"""
    a = tf.placeholder(tf.float32, [])
    with tf.control_dependencies([tf.Assert(a > 0.0, [a])]):
        same = tf.identity(tf.Print(a, []))
    assert run(same, {a: 1.0}) == 1.0
    with pytest.raises(tf.errors.InvalidArgumentError, match="assertion failed"):
        run(same, {a: -1.0})


@tried("xla.experimental.jit_scope, xla.experimental.compile")
def xla(folder):
    """computes the same on a CPU, compiled"""
    a = tf.placeholder(tf.float32, [])
    with tf.xla.experimental.jit_scope():
        inside = a * 2.0 + 1.0
    (compiled,) = tf.xla.experimental.compile(lambda x: x * 3.0, [a])
    assert run([inside, compiled], {a: 2.0}) == [5.0, 6.0]


@tried("OptimizerOptions.global_jit_level")
def global_jit(folder):
    """runs a matrix product with clusters compiled by XLA"""
    options = tf.OptimizerOptions(global_jit_level=tf.OptimizerOptions.ON_1)
    a = tf.placeholder(tf.float32, [2, 2])
    with tf.Session(
        config=tf.ConfigProto(graph_options=tf.GraphOptions(optimizer_options=options))
    ) as session:
        assert session.run(tf.reduce_sum(tf.matmul(a, a) + 1.0), {a: np.eye(2)}) == 6.0


@tried("function(jit_compile=True) in a graph")
def function(folder):
    """computes the same"""
    assert run(tf.function(lambda x: x * x, jit_compile=True)(tf.constant(3.0))) == 9.0


@tried("test.TestCase, test.compute_gradient_error")
def case(folder):
    """holds a gradient against differences"""

    class Case(tf.test.TestCase):
        def runTest(self):
            with self.cached_session():
                x = tf.constant([1.0, 2.0])
                self.assertLess(tf.test.compute_gradient_error(x, [2], x * x, [2]), 1e-2)

    result = Case().run()
    assert result.wasSuccessful(), result.errors + result.failures


@tried("profiler.profile")
def profiler(folder):
    """counts the weights of a graph"""
    tf.get_variable("w", [3, 4])
    with contextlib.redirect_stdout(io.StringIO()):
        options = tf.profiler.ProfileOptionBuilder.trainable_variables_parameter()
        options["output"] = "none"
        assert tf.profiler.profile(tf.get_default_graph(), options=options).total_parameters == 12


# -- variables and layers --------------------------------------------------------------------------------------------------------------


@tried("get_variable, variable_scope, reuse")
def get_variable(folder):
    """makes a variable once, refuses it twice, shares it by AUTO_REUSE"""
    with tf.variable_scope("a"):
        first = scalar(2.0)
    with pytest.raises(ValueError, match="already exists"), tf.variable_scope("a"):
        scalar()
    with tf.variable_scope("a", reuse=tf.AUTO_REUSE):
        assert scalar() is first and first.name == "a/w:0"


@tried(
    "get_variable without use_resource",
    "as a resource variable; TensorFlow 1 made a reference variable",
)
def resource(folder):
    """looks at what it makes, and what use_resource=False makes"""
    assert [w.op.type for w in (scalar(), scalar(name="old", use_resource=False))] == [
        "VarHandleOp",
        "VariableV2",
    ]


@tried("make_template, get_variable with partitioner")
def template(folder):
    """shares by calling twice; splits a variable in two"""
    layer = tf.make_template("layer", lambda x: x * scalar(2.0))
    values = run([layer(3.0), layer(4.0)])
    parts = tf.get_variable("parts", [4, 2], partitioner=tf.fixed_size_partitioner(2))
    assert values == [6.0, 8.0] and [part.shape.as_list() for part in parts] == [[2, 2], [2, 2]]


@tried("train.init_from_checkpoint, train.warm_start")
def init_from_checkpoint(folder):
    """starts a variable from a checkpoint, under another name"""
    with tf.Graph().as_default(), tf.Session() as session:
        w = scalar(5.0)
        session.run(w.initializer)
        path = tf.train.Saver().save(session, str(folder / "model"))
    for name, start in (
        ("a", lambda: tf.train.init_from_checkpoint(path, {"w": "a/w"})),
        ("b", lambda: tf.train.warm_start(path, "b/w", var_name_to_prev_var_name={"b/w": "w"})),
    ):
        with tf.variable_scope(name):
            w = scalar()
        start()
        assert run(w) == 5.0


@tried("train.ExponentialMovingAverage")
def moving_average(folder):
    """averages a variable"""
    w = scalar(1.0)
    averages = tf.train.ExponentialMovingAverage(0.9)
    with tf.control_dependencies([w.assign(2.0)]):
        update = averages.apply([w])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(update)
        assert session.run(averages.average(w)) == pytest.approx(1.1)


@tried("initializers.glorot_uniform, he_normal, orthogonal, truncated_normal_initializer")
def initializers(folder):
    """draws from each, and from what get_variable takes by itself"""
    glorot = [
        tf.get_variable("w", [50, 50]),
        tf.get_variable("glorot", [50, 50], initializer=tf.initializers.glorot_uniform()),
    ]
    he = tf.get_variable("he", [50, 50], initializer=tf.initializers.he_normal())
    turn = tf.get_variable("turn", [5, 5], initializer=tf.initializers.orthogonal())
    cut = tf.get_variable("cut", [50, 50], initializer=tf.truncated_normal_initializer(stddev=0.1))
    first, second, third, square, fourth = run(
        [*glorot, he, tf.matmul(turn, turn, transpose_b=True), cut]
    )
    assert np.allclose(square, np.eye(5), atol=1e-5) and np.abs(fourth).max() < 0.2
    assert [each.std() for each in (first, second, third)] == pytest.approx(
        [50**-0.5, 50**-0.5, 25**-0.5], rel=0.15
    )


@tried("nn.conv2d, nn.max_pool, nn.dropout, nn.moments, nn.fused_batch_norm, nn.xw_plus_b, nn.lrn")
def nn(folder):
    """runs each on ones"""
    x = tf.ones([1, 4, 4, 1])
    edges = tf.nn.conv2d(x, tf.ones([3, 3, 1, 1]), strides=[1, 1, 1, 1], padding="SAME")
    pooled = tf.nn.max_pool(edges, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
    mean, variance = tf.nn.moments(pooled, [0, 1, 2])
    normal = tf.nn.fused_batch_norm(pooled, [1.0], [0.5], is_training=True)[0]
    dense = tf.nn.xw_plus_b(tf.ones([1, 2]), tf.ones([2, 1]), [0.5])
    dropped = tf.nn.dropout(tf.ones([1000]), keep_prob=0.5)
    values = run(
        [
            mean,
            variance,
            tf.reduce_mean(normal),
            dense,
            tf.reduce_max(dropped),
            tf.nn.lrn(x)[0, 0, 0, 0],
        ]
    )
    assert [float(np.ravel(value)[0]) for value in values] == pytest.approx(
        [9.0, 0.0, 0.5, 2.5, 2.0, 0.5**0.5], abs=1e-5
    )


@tried("nn.dynamic_rnn", "with a cell of one's own: rnn_cell is gone, see below")
def dynamic_rnn(folder):
    """adds up a sequence"""

    class Cell:
        output_size = state_size = 3

        def zero_state(self, batch, dtype):
            return tf.zeros([batch, 3], dtype)

        def __call__(self, x, state, scope=None):
            return x + state, x + state

    assert run(tf.nn.dynamic_rnn(Cell(), tf.ones([1, 4, 3]), dtype=tf.float32)[1]).tolist() == [
        [4.0, 4.0, 4.0]
    ]


@tried("feature_column.numeric_column, input_layer, linear_model")
def feature_column(folder):
    """makes a row of a dict"""
    columns, rows = [tf.feature_column.numeric_column("x")], {"x": [[3.0]]}
    assert run(
        [
            tf.feature_column.input_layer(rows, columns),
            tf.feature_column.linear_model(rows, columns),
        ]
    ) == [3.0, 0.0]


@tried(
    "keras.layers.Dense in a graph",
    "but names count on through all graphs of a process, and the second finds no checkpoint of the first",
)
def keras_layer(folder):
    """builds the same graph twice"""
    names = []
    for _ in range(2):
        with tf.Graph().as_default():
            assert tf.keras.layers.Dense(2)(tf.ones([1, 3])).shape == (1, 2)
            names.append(
                [
                    re.fullmatch(r"dense(_\d+)?/(kernel|bias):0", variable.name)[0]
                    for variable in tf.global_variables()
                ]
            )
    assert len(names[0]) == len(names[1]) == 2 and not set(names[0]) & set(names[1])


@tried("losses.softmax_cross_entropy, mean_squared_error, get_total_loss")
def losses(folder):
    """collects two losses and a regulariser, and adds them up"""
    tf.losses.softmax_cross_entropy([[1.0, 0.0]], [[0.0, 0.0]])
    tf.losses.mean_squared_error([1.0], [3.0])
    tf.get_variable("w", initializer=2.0, regularizer=lambda w: 0.5 * w)
    assert run(tf.losses.get_total_loss()) == pytest.approx(np.log(2.0) + 4.0 + 1.0)


@tried("metrics.accuracy, local_variables_initializer")
def metrics(folder):
    """counts over two batches"""
    right = tf.placeholder(tf.int32, [None])
    value, update = tf.metrics.accuracy(right, tf.zeros_like(right))
    with tf.Session() as session:
        session.run(tf.local_variables_initializer())
        for batch in ([0, 0], [0, 1, 1, 1]):
            session.run(update, {right: batch})
        assert session.run(value) == 0.5


@tried(
    "nn.softmax_cross_entropy_with_logits by position",
    "but (logits, labels), as TensorFlow 0.x took them, are taken as (labels, logits)",
)
def positions(folder):
    """gives another value than by name, and no error"""
    logits, labels = tf.constant([[2.0, 0.0]]), tf.constant([[0.0, 1.0]])
    by_name = tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    right, swapped = run([by_name, tf.nn.softmax_cross_entropy_with_logits(logits, labels)])
    assert right == pytest.approx(2.126928) and swapped == pytest.approx(2.0 * 1.3132617)


# -- training --------------------------------------------------------------------------------------------------------------------------


@tried(
    "train.GradientDescentOptimizer, Momentum, Adagrad, Adadelta, RMSProp, Adam, Ftrl, ProximalAdagrad"
)
def optimizers(folder):
    """minimises (w - 3)^2 by each"""
    for optimizer in (
        tf.train.GradientDescentOptimizer(0.1),
        tf.train.MomentumOptimizer(0.05, 0.5, use_nesterov=True),
        tf.train.AdagradOptimizer(1.0),
        tf.train.AdadeltaOptimizer(100.0),
        tf.train.RMSPropOptimizer(0.02),
        tf.train.AdamOptimizer(0.1),
        tf.train.FtrlOptimizer(1.0),
        tf.train.ProximalAdagradOptimizer(1.0),
    ):
        with tf.Graph().as_default():
            assert minimised(optimizer) == pytest.approx(3.0, abs=0.2), type(optimizer).__name__


@tried("gradients, stop_gradient, hessians, clip_by_global_norm")
def gradients(folder):
    """derives x^3 once and twice, and through a wall"""
    x = tf.constant(2.0)
    (first,) = tf.gradients(x**3, [x])
    clipped, norm = tf.clip_by_global_norm([tf.constant([3.0, 4.0])], 1.0)
    values = run(
        [
            first,
            tf.hessians(x**3, [x])[0],
            tf.gradients(tf.stop_gradient(x) * x, [x])[0],
            norm,
            clipped[0][0],
        ]
    )
    assert values == pytest.approx([12.0, 12.0, 2.0, 5.0, 0.6])


@tried(
    "train.exponential_decay, cosine_decay, piecewise_constant, polynomial_decay, get_or_create_global_step"
)
def decays(folder):
    """halves a rate in one way and another"""
    step = tf.train.get_or_create_global_step()
    rates = [
        tf.train.exponential_decay(1.0, step + 10, 10, 0.5),
        tf.train.cosine_decay(1.0, step + 5, 10),
    ]
    rates += [
        tf.train.piecewise_constant(step + 7, [5], [1.0, 0.5]),
        tf.train.polynomial_decay(1.0, step + 5, 10, 0.0),
    ]
    assert run(rates) == pytest.approx([0.5] * 4)


@tried("train.experimental.enable_mixed_precision_graph_rewrite")
def mixed_precision(folder):
    """trains through a loss scale"""
    optimizer = tf.train.experimental.enable_mixed_precision_graph_rewrite(
        tf.train.GradientDescentOptimizer(0.1)
    )
    try:
        assert "LossScaleOptimizer" in type(optimizer).__name__ and minimised(
            optimizer, 100
        ) == pytest.approx(3.0, abs=0.01)
    finally:
        tf.train.experimental.disable_mixed_precision_graph_rewrite()


@tried("train.MonitoredTrainingSession, StopAtStepHook")
def monitored(folder):
    """trains 3 steps, then goes on from its checkpoint to 5"""
    for last in (3, 5):
        with tf.Graph().as_default():
            step = tf.train.get_or_create_global_step()
            train = tf.train.GradientDescentOptimizer(0.1).minimize(tf.square(scalar() - 3.0), step)
            hooks = [tf.train.StopAtStepHook(last_step=last)]
            with tf.train.MonitoredTrainingSession(
                checkpoint_dir=str(folder), hooks=hooks, save_checkpoint_steps=1
            ) as session:
                started = session.run(step)
                while not session.should_stop():
                    session.run(train)
    assert started == 3 and tf.train.latest_checkpoint(str(folder)).endswith("model.ckpt-5")


@tried(
    "train.SingularMonitoredSession and its hooks: CheckpointSaver, SummarySaver, LoggingTensor, StepCounter, NanTensor, FinalOps, FeedFn, "
    "Profiler"
)
def hooks(folder):
    """has each of them do its work; the one for NaN ends the run"""
    step, x = tf.train.get_or_create_global_step(), tf.placeholder(tf.float32, [])
    loss = tf.log(x - tf.cast(step, tf.float32))  # not a number from step 3 on
    train, folder = tf.assign_add(step, 1), str(folder)
    tf.summary.scalar("loss", loss)
    final = tf.train.FinalOpsHook(step)
    all_of_them = [
        tf.train.CheckpointSaverHook(folder, save_steps=1),
        tf.train.SummarySaverHook(
            save_steps=1, output_dir=folder, summary_op=tf.summary.merge_all()
        ),
        tf.train.LoggingTensorHook([loss], every_n_iter=1),
        tf.train.StepCounterHook(every_n_steps=1, output_dir=folder),
        tf.train.FeedFnHook(lambda: {x: 2.5}),
        tf.train.ProfilerHook(save_steps=1, output_dir=folder),
        final,
    ]
    with tf.train.SingularMonitoredSession([*all_of_them, tf.train.StopAtStepHook(2)]) as session:
        while not session.should_stop():
            session.run(train)
    assert final.final_ops_values == 2
    assert {re.match(r"[a-z]+", name)[0] for name in os.listdir(folder)} == {
        "checkpoint",
        "model",
        "events",
        "graph",
        "timeline",
    }
    with pytest.raises(tf.train.NanLossDuringTrainingError):
        with tf.train.SingularMonitoredSession(
            [tf.train.FeedFnHook(lambda: {x: -1.0}), tf.train.NanTensorHook(loss)]
        ) as session:
            session.run(train)


@tried("train.Supervisor")
def supervisor(folder):
    """starts, trains and saves"""
    step = tf.train.get_or_create_global_step()
    train = tf.assign_add(step, 1)
    supervisor = tf.train.Supervisor(logdir=str(folder), save_model_secs=0, save_summaries_secs=0)
    with supervisor.managed_session() as session:
        session.run(train)
        supervisor.saver.save(session, supervisor.save_path, step)
    assert tf.train.latest_checkpoint(str(folder)).endswith("model.ckpt-1")


@tried("train.Server, ClusterSpec, replica_device_setter")
def server(folder):
    """changes a variable on a server in this process, places one on a parameter server"""
    server = tf.train.Server.create_local_server()
    cluster = tf.train.ClusterSpec({"ps": ["127.0.0.1:1"], "worker": ["127.0.0.1:2"]})
    with tf.Graph().as_default(), tf.device(tf.train.replica_device_setter(cluster=cluster)):
        placed = scalar()
    w = scalar()
    with tf.Session(server.target) as session:
        session.run(w.initializer)
        assert session.run(w.assign_add(2.0)) == 2.0 and placed.device == "/job:ps/task:0"


@tried("distribute.MirroredStrategy")
def mirrored(folder):
    """makes a variable and runs a step on one CPU"""
    strategy = tf.distribute.MirroredStrategy(["/cpu:0"])
    with strategy.scope():
        w = scalar(1.0)
        sums = strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(lambda: w * 2.0), axis=None)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            assert session.run(sums) == 2.0


# -- data ------------------------------------------------------------------------------------------------------------------------------


@tried("data.make_one_shot_iterator")
def one_shot(folder):
    """reads to the end"""
    following = tf.data.make_one_shot_iterator(tf.data.Dataset.range(2)).get_next()
    with tf.Session() as session:
        assert [session.run(following), session.run(following)] == [0, 1]
        with pytest.raises(tf.errors.OutOfRangeError):
            session.run(following)


@tried("data.make_initializable_iterator, Iterator.from_string_handle, from_structure")
def initializable(folder):
    """starts anew with another value fed, switches between two data sets"""
    n = tf.placeholder(tf.int64, [])
    iterator = tf.data.make_initializable_iterator(tf.data.Dataset.range(n, n + 2))
    handle = tf.placeholder(tf.string, [])
    dataset = tf.data.Dataset.range(3)
    switched = tf.data.Iterator.from_string_handle(
        handle, tf.data.get_output_types(dataset), tf.data.get_output_shapes(dataset)
    ).get_next()
    structure = tf.data.Iterator.from_structure(tf.int64, [])
    with tf.Session() as session:
        for start in (5, 7):
            session.run(iterator.initializer, {n: start})
            assert session.run(iterator.get_next()) == start
        assert session.run(switched, {handle: session.run(iterator.string_handle())}) == 8
        session.run(structure.make_initializer(dataset))
        assert session.run(structure.get_next()) == 0


@tried("data.experimental.make_saveable_from_iterator")
def saveable(folder):
    """restores the place in the data, what waits in a shuffle buffer included"""
    iterator = tf.data.make_initializable_iterator(tf.data.Dataset.range(10).shuffle(5, seed=1))
    following = iterator.get_next()
    tf.add_to_collection(
        tf.GraphKeys.SAVEABLE_OBJECTS, tf.data.experimental.make_saveable_from_iterator(iterator)
    )
    saver = tf.train.Saver()
    with tf.Session() as session:
        session.run(iterator.initializer)
        [session.run(following) for _ in range(4)]
        path = saver.save(session, str(folder / "model"))
        rest = [session.run(following) for _ in range(6)]
    with tf.Session() as session:
        session.run(iterator.initializer)
        saver.restore(session, path)
        assert [session.run(following) for _ in range(6)] == rest


@tried("python_io.TFRecordWriter, tf_record_iterator, data.TFRecordDataset, parse_single_example")
def records(folder):
    """writes two examples, reads them in Python and in a graph"""
    path = str(folder / "records")
    with tf.python_io.TFRecordWriter(path) as writer:
        for value in (3, 4):
            feature = tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
            writer.write(
                tf.train.Example(
                    features=tf.train.Features(feature={"x": feature})
                ).SerializeToString()
            )
    examples = [
        tf.train.Example.FromString(record) for record in tf.python_io.tf_record_iterator(path)
    ]
    assert [example.features.feature["x"].int64_list.value[0] for example in examples] == [3, 4]
    following = tf.data.make_one_shot_iterator(tf.data.TFRecordDataset(path)).get_next()
    assert (
        run(tf.parse_single_example(following, {"x": tf.FixedLenFeature([], tf.int64)})["x"]) == 3
    )


@tried(
    "train.Coordinator, start_queue_runners, string_input_producer, TextLineReader, batch, shuffle_batch"
)
def queues(folder):
    """reads the lines of a file in batches"""
    path = folder / "lines"
    path.write_text("1\n2\n3\n4\n", encoding="utf-8")
    _, line = tf.TextLineReader().read(tf.train.string_input_producer([str(path)], shuffle=False))
    number = tf.string_to_number(line, tf.int32)
    batch, shuffled = (
        tf.train.batch([number], 2),
        tf.train.shuffle_batch([number], 2, capacity=10, min_after_dequeue=2),
    )
    with tf.Session() as session:
        coordinator = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(session, coordinator)
        assert session.run(batch).shape == session.run(shuffled).shape == (2,)
        coordinator.request_stop()
        coordinator.join(threads, stop_grace_period_secs=5)


@tried(
    "sparse_placeholder, SparseTensorValue, lookup.StaticHashTable, tables_initializer, decode_csv"
)
def sparse(folder):
    """multiplies by a sparse matrix that is fed, looks up two words, splits a line"""
    matrix = tf.sparse_placeholder(tf.float32)
    product = tf.sparse_tensor_dense_matmul(matrix, tf.ones([2, 1]))
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1]), -1)
    values = run(
        [product, table.lookup(tf.constant(["a", "b"]))],
        {matrix: tf.SparseTensorValue([[0, 1]], [3.0], [2, 2])},
    )
    assert [value.tolist() for value in values] == [[[3.0], [0.0]], [1, -1]] and run(
        tf.decode_csv("1,2", [[0], [0]])
    ) == [1, 2]


@tried("image.decode_png, image.resize_bilinear, image.random_flip_left_right")
def image(folder):
    """writes a picture and reads it again, twice as large"""
    picture = tf.image.decode_png(tf.image.encode_png(tf.fill([4, 4, 3], tf.constant(7, tf.uint8))))
    large = tf.image.resize_bilinear(tf.image.random_flip_left_right(picture)[tf.newaxis], [8, 8])
    assert run(large).shape == (1, 8, 8, 3) and run(tf.reduce_max(large)) == 7.0


@tried("gfile.GFile, Exists, Glob; flags")
def platform(folder):
    """writes a file and finds it; parses a flag"""
    with tf.gfile.GFile(str(folder / "a"), "w") as file:
        file.write("7")
    assert tf.gfile.Exists(str(folder / "a")) and tf.gfile.Glob(str(folder / "*")) == [
        str(folder / "a")
    ]
    values = tf.flags.FlagValues()
    tf.flags.DEFINE_integer("steps", 5, "how many", flag_values=values)
    assert values(["program", "--steps=7", "rest"]) == ["program", "rest"] and values.steps == 7


# -- saving ----------------------------------------------------------------------------------------------------------------------------


def saved(folder):
    """Save a variable w = 5 with Saver; return the checkpoint's path."""
    w = scalar()
    with tf.Session() as session:
        session.run(w.assign(5.0))
        return tf.train.Saver().save(session, str(folder / "model.ckpt"), global_step=7)


@tried("train.Saver, latest_checkpoint, NewCheckpointReader, list_variables")
def saver(folder):
    """saves, finds, reads and restores a variable"""
    path = saved(folder)
    assert path == tf.train.latest_checkpoint(str(folder)) and tf.train.list_variables(path) == [
        ("w", [])
    ]
    assert tf.train.NewCheckpointReader(path).get_tensor("w") == 5.0
    with tf.Session() as session:
        tf.train.Saver().restore(session, path)
        assert session.run(tf.global_variables()[0]) == 5.0


@tried(
    "train.Saver.restore into another shape",
    "but without an error: the variable takes the shape that was saved",
)
def another_shape(folder):
    """restores a scalar into a variable of two"""
    path = saved(folder)
    with tf.Graph().as_default(), tf.Session() as session:
        w = tf.get_variable("w", [2])
        tf.train.Saver().restore(session, path)
        assert session.run(w).shape == () and w.shape == [2]


@tried("train.export_meta_graph, import_meta_graph")
def meta_graph(folder):
    """makes a graph again without its code, and restores it"""
    path = saved(folder)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.import_meta_graph(path + ".meta").restore(session, path)
        assert session.run(tf.global_variables()[0]) == 5.0


@tried("train.write_graph, import_graph_def, graph_util.convert_variables_to_constants")
def freeze(folder):
    """freezes variables to constants and runs what was written"""
    w = scalar(5.0)
    tf.multiply(w, 2.0, name="out")
    with tf.Session() as session:
        session.run(w.initializer)
        frozen = tf.graph_util.convert_variables_to_constants(session, session.graph_def, ["out"])
    tf.train.write_graph(frozen, str(folder), "frozen.pb", as_text=False)
    with tf.Graph().as_default():
        (out,) = tf.import_graph_def(
            tf.GraphDef.FromString((folder / "frozen.pb").read_bytes()), return_elements=["out:0"]
        )
        assert not tf.global_variables() and run(out) == 10.0


@tried("saved_model.simple_save, load; TensorFlow 2's saved_model.load")
def saved_model(folder):
    """exports a signature and calls it, in a session and eagerly"""
    x, w, path = tf.placeholder(tf.float32, [], "x"), scalar(), str(folder / "model")
    with tf.Session() as session:
        session.run(w.assign(5.0))
        tf.saved_model.simple_save(session, path, {"x": x}, {"y": tf.multiply(x, w, name="y")})
    with tf.Graph().as_default(), tf.Session() as session:
        tf.saved_model.load(session, [tf.saved_model.tag_constants.SERVING], path)
        assert session.run("y:0", {"x:0": 2.0}) == 10.0
    with (
        concurrent.futures.ThreadPoolExecutor() as threads
    ):  # in a thread of its own no graph is the default
        read = threads.submit(
            lambda: (
                tf.saved_model.load_v2(path)
                .signatures["serving_default"](x=tf.constant(2.0))["y"]
                .numpy()
            )
        )
    assert read.result() == 10.0


@tried(
    "lite.TFLiteConverter.from_session, lite.Interpreter",
    "but 2.21 warns, 2.16 does not, that the Interpreter will be deleted",
)
def lite(folder):
    """converts a graph and runs it outside of TensorFlow"""
    x = tf.placeholder(tf.float32, [1])
    with tf.Session() as session:
        model = tf.lite.TFLiteConverter.from_session(session, [x], [x * 2.0]).convert()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        interpreter = tf.lite.Interpreter(model_content=model)
    minor = int(tf.__version__.split(".")[1])  # of the versions between, nothing was tried
    assert minor not in (16, 21) or any(
        "scheduled for deletion" in str(each.message) for each in caught
    ) == (minor == 21)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.float32([3.0]))
    interpreter.invoke()
    assert interpreter.get_tensor(interpreter.get_output_details()[0]["index"]) == 6.0


@tried("summary.scalar, histogram, image, merge_all, FileWriter; train.summary_iterator")
def summaries(folder):
    """writes events and reads them"""
    tf.summary.scalar("loss", 0.5)
    tf.summary.histogram("weights", [1.0, 2.0])
    tf.summary.image("picture", tf.zeros([1, 4, 4, 3]))
    with tf.summary.FileWriter(str(folder), tf.get_default_graph()) as writer:
        writer.add_summary(run(tf.summary.merge_all()), global_step=7)
    *_, last = tf.train.summary_iterator(str(next(folder.glob("events*"))))
    assert (last.step, [value.tag for value in last.summary.value]) == (
        7,
        ["loss", "weights", "picture/image/0"],
    )


# -- what is gone ----------------------------------------------------------------------------------------------------------------------

KERAS_3 = "AttributeError: `{}` is not available with Keras 3."
ABSENT = "AttributeError: ... has no attribute '{}'"

for path, error, trial in (
    ("layers.dense", KERAS_3, lambda _: tf.layers.dense(tf.ones([1, 2]), 3)),
    ("layers.conv2d", KERAS_3, lambda _: tf.layers.conv2d(tf.ones([1, 4, 4, 1]), 3, 3)),
    (
        "layers.max_pooling2d",
        KERAS_3,
        lambda _: tf.layers.max_pooling2d(tf.ones([1, 4, 4, 1]), 2, 2),
    ),
    (
        "layers.batch_normalization",
        KERAS_3,
        lambda _: tf.layers.batch_normalization(tf.ones([1, 2])),
    ),
    ("layers.dropout", KERAS_3, lambda _: tf.layers.dropout(tf.ones([1, 2]))),
    ("layers.flatten", KERAS_3, lambda _: tf.layers.flatten(tf.ones([1, 2, 3]))),
    ("layers.Dense", KERAS_3, lambda _: tf.layers.Dense(3)),
    ("nn.rnn_cell.BasicLSTMCell", KERAS_3, lambda _: tf.nn.rnn_cell.BasicLSTMCell(3)),
    ("nn.rnn_cell.GRUCell", KERAS_3, lambda _: tf.nn.rnn_cell.GRUCell(3)),
    ("estimator", ABSENT, lambda _: tf.estimator),
    ("contrib", ABSENT, lambda _: tf.contrib),
    ("keras.backend.get_session", ABSENT, lambda _: tf.keras.backend.get_session),
    ("keras.backend.set_session", ABSENT, lambda _: tf.keras.backend.set_session),
    ("keras.layers.DenseFeatures", ABSENT, lambda _: tf.keras.layers.DenseFeatures),
    (
        "config.experimental.enable_op_determinism",
        ABSENT,
        lambda _: tf.config.experimental.enable_op_determinism,
    ),
):
    what = "calls it" if error is KERAS_3 else "looks for it"
    ENTRIES.append(Entry(path, what, error.format(path.rpartition(".")[2]), "", trial))


# -- the tests -------------------------------------------------------------------------------------------------------------------------


def table():
    """Return the lines of BUILD.md's table."""
    lines = ["| tf. | what was tried | today |", "|---|---|---|"]
    for entry in ENTRIES:
        outcome = WORKS if entry.outcome == WORKS else f"gone: {entry.outcome}"
        lines.append(
            f"| {entry.name} | {entry.what} | {', '.join(filter(None, [outcome, entry.note]))} |"
        )
    return lines


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name.split(",")[0])
def test_it_works_or_fails_as_the_table_says(entry, tmp_path):
    with tf.Graph().as_default():
        if entry.outcome == WORKS:
            entry.trial(tmp_path)
            return
        with pytest.raises(Exception) as caught:
            entry.trial(tmp_path)
    kind, words = entry.outcome.split(": ", 1)
    assert type(caught.value).__name__ == kind
    # Where there is no such name, the message begins with a module whose own name differs between versions.
    assert (
        str(caught.value).endswith(words.removeprefix("..."))
        if words.startswith("...")
        else str(caught.value) == words
    )


def test_the_table_in_build_md_is_the_one_that_was_tried():
    text = (pathlib.Path(__file__).resolve().parent.parent / "BUILD.md").read_text(encoding="utf-8")
    section = text.split(HEADING + "\n")[1].split("\n#")[0]
    assert [line for line in section.splitlines() if line.startswith("|")] == table(), (
        "print it anew: python -m tests.test_compat"
    )


if __name__ == "__main__":
    sys.stdout.write("\n".join(table()) + "\n")
