"""The networks of the model are those that mtl builds; SCALE.md has its figures."""

import pytest
import tensorflow.compat.v1 as tf

from mtl import model
from mtl.cluster import measured
from mtl.inputs import NUMBERS
from tests.benchmarks import results, scale_page


@pytest.mark.parametrize("network", measured.NETWORKS.values(), ids=lambda each: each.name)
def test_variables_are_those_of_the_graph(network):
    with tf.Graph().as_default():
        images = tf.zeros([1, *NUMBERS.network_shape])
        built = model.build(images, bottom=network.name)
        found = [4 * each.shape.num_elements() for each in tf.trainable_variables()]
    assert list(network.variables) == found
    assert network.shared == sum(len(layer.variables) for layer in built.layers)
    assert network.tasks == len(built.logits)


def test_measured_rates_are_positive():
    for network in measured.NETWORKS.values():
        assert network.images > 0.0 and network.fixed >= 0.0 and network.batch > 0
    assert all(value > 0.0 for value in measured.MACHINE[1:])


def test_the_page_has_the_tables_of_the_measured_inputs():
    sections = results.sections(scale_page.PAGE.read_text(encoding="utf-8"))
    assert sections == scale_page.tables()
