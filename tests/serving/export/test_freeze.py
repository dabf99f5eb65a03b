"""mtl.serving.export.freeze: a run as a graph of constants."""

import dataclasses

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import one_line
from mtl.errors import DataError
from mtl.inference.network import Network
from mtl.serving.export import freeze
from tests import new_runs

pytestmark = pytest.mark.slow
OWN_BOTTOM = """
import tensorflow.compat.v1 as tf
def mine(inputs, **settings):
    w = tf.get_variable("w", [49, 4], initializer=tf.ones_initializer())
    return tf.matmul(tf.reshape(inputs, [-1, 49]), w)
"""


@pytest.mark.parametrize("name", ["NUMBERS", "IMAGES", "FEATURES"])
def test_outputs_are_those_of_the_network(name, tmp_path):
    run = getattr(new_runs, name)
    directory = new_runs.write(tmp_path / "run", run)
    frozen = freeze.network(directory)
    assert (frozen.run, frozen.step) == (run, new_runs.STEP)
    ops = {node.op for node in frozen.graph_def.node}
    assert not [op for op in ops if "Var" in op or "Assign" in op or "Random" in op], ops
    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, (5, *run.inputs.network_shape)).astype(run.inputs.dtype)
    with Network.open(directory) as network:
        expected = network.outputs(values)
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        tf.graph_util.import_graph_def(frozen.graph_def, name="")
        found = session.run(frozen.outputs, {frozen.taken: values})
    assert list(found) == list(expected) == list(frozen.outputs)
    for task, rows in expected.items():
        np.testing.assert_allclose(found[task], rows, rtol=1e-4, atol=1e-5, err_msg=task)


def test_own_bottom_with_variables_is_frozen(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "exported_bottom.py").write_text(OWN_BOTTOM)
    run = new_runs.IMAGES
    config = dataclasses.replace(run.config, bottom="exported_bottom:mine")
    directory = new_runs.write(tmp_path / "run", run._replace(config=config))
    frozen = freeze.network(directory)
    assert "VarHandleOp" not in {node.op for node in frozen.graph_def.node}


def test_missing_runs_checkpoints_and_code_are_named(tmp_path):
    with pytest.raises(DataError) as error:
        freeze.network(str(tmp_path / "none"))
    one_line(error, tmp_path / "none", "not a run directory")
    directory = new_runs.write(tmp_path / "run", new_runs.IMAGES)
    with pytest.raises(DataError) as error:
        freeze.network(directory, "model.ckpt-99")
    one_line(error, "model.ckpt-99: no such checkpoint")
    new_runs.write(tmp_path / "run", new_runs.IMAGES, bottom="no_such_module:f")
    with pytest.raises(DataError) as error:
        freeze.network(directory)
    one_line(error, f"{directory}: its --bottom=no_such_module:f cannot be imported")
