"""The record that members of a cluster share."""

import pytest
import tensorflow.compat.v1 as tf

from mtl.cluster import board, placement
from tests.cluster import local

pytestmark = pytest.mark.slow


def open_board(cluster, number):
    target = cluster.target(number)
    return board.Board(target, local.HOST, placement.filters(local.device(number)))


def test_a_record_is_read_by_others_and_outlives_its_writer(cluster):
    first, second = open_board(cluster, 0), open_board(cluster, 1)
    first.write(board.RUNNING, run="a", step=3, settings={"--tasks": "größe:3", "data": None})
    expected = {"state": "running", "run": "a", "step": 3}
    expected["settings"] = {"--tasks": "größe:3", "data": None}
    assert second.read() == first.read() == expected
    second.write(board.ENDED, by="worker 1")
    assert first.read() == open_board(cluster, 2).read() == {"state": "ended", "by": "worker 1"}


def test_a_board_without_a_record_is_empty():
    fresh = local.Cluster(workers=1, servers=1)
    assert open_board(fresh, 0).read() == {}


def test_the_record_is_no_variable_of_a_network(cluster):
    with tf.Graph().as_default():
        open_board(cluster, 0)
        assert tf.global_variables() == []
