"""mtl.serving.formats.frozen: one GraphDef."""

import pytest
import tensorflow.compat.v1 as tf

from mtl.serving.export import graph, write
from tests import new_runs

pytestmark = pytest.mark.slow


def test_loads_in_a_v1_session(frozen, tmp_path):
    network = frozen("NUMBERS")
    settings = new_runs.settings(network.run)
    written = write.write(network, str(tmp_path), "frozen", where="run", **settings)
    graph_def = tf.GraphDef()
    with open(written.path, "rb") as file:
        graph_def.ParseFromString(file.read())
    assert graph_def == graph.build(network, **settings).graph_def
    with tf.Graph().as_default() as built, tf.Session(graph=built) as session:
        tf.graph_util.import_graph_def(graph_def, name="")
        values = new_runs.values(network.run.inputs, 3)
        assert session.run("number:0", {"pixels:0": values}).shape == (3,)
