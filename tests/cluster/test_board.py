"""The record that members of a cluster share."""

import pytest
import tensorflow.compat.v1 as tf

from mtl.cluster import board, placement
from tests.cluster import local

pytestmark = pytest.mark.slow


MEMBERS = 4
HOSTS = {"ps": ["a:1"], "worker": ["b:2", "c:3", "d:4"]}


def open_board(cluster, number):
    filters = placement.filters(local.device(number))
    return board.Board(cluster.target(number), local.HOST, filters, MEMBERS)


def test_a_record_is_read_by_others_and_outlives_its_writer(cluster):
    first, second = open_board(cluster, 0), open_board(cluster, 1)
    first.create(HOSTS)
    assert first.read()[0] == second.read()[0] == {}
    first.write(board.RUNNING, run="a", step=3, settings={"--tasks": "größe:3", "data": None})
    expected = {"state": "running", "run": "a", "step": 3}
    expected["settings"] = {"--tasks": "größe:3", "data": None}
    assert second.read()[0] == first.read()[0] == expected
    second.write(board.ENDED, by="worker 1")
    ended = {"state": "ended", "by": "worker 1"}
    assert first.read()[0] == open_board(cluster, 2).read()[0] == ended


def test_each_member_has_a_beat_of_its_own(cluster):
    first, second = open_board(cluster, 0), open_board(cluster, 1)
    first.create(HOSTS)
    beats = board.Beat(2**62, 1, 0, board.IDLE), board.Beat(7, 5, 3, board.DONE)
    first.beat(1, beats[0])
    second.beat(3, beats[1])
    empty = board.Beat(0, 0, 0, 0)
    assert first.read()[1] == [empty, beats[0], empty, beats[1]]


def test_a_board_that_is_not_created_says_so():
    fresh = open_board(local.Cluster(workers=1, servers=1), 0)
    with pytest.raises(tf.errors.FailedPreconditionError):
        fresh.hosts()
    fresh.create(HOSTS)
    assert fresh.hosts() == HOSTS
    assert fresh.read() == ({}, [board.Beat(0, 0, 0, 0)] * MEMBERS)


def test_the_board_is_no_variable_of_a_network(cluster):
    with tf.Graph().as_default():
        open_board(cluster, 0)
        assert tf.global_variables() == []
