"""mtl.sessions: threads and towers."""

import pytest

from mtl import sessions


@pytest.mark.parametrize(
    "threads, batch_size, towers, within",
    [(1, 32, 1, 1), (2, 32, 2, 1), (2, 15, 1, 2), (3, 32, 3, 1), (9, 33, 4, 2), (5, 1, 1, 5)],
)
def test_towers_share_the_threads_if_each_has_eight_images(threads, batch_size, towers, within):
    assert sessions.towers_of(threads, batch_size) == towers
    options = sessions.session_config(threads, batch_size)
    assert options.inter_op_parallelism_threads == towers
    assert options.intra_op_parallelism_threads == within


def test_default_is_one_thread_for_each_core(monkeypatch):
    monkeypatch.setattr(sessions.os, "cpu_count", lambda: 6)
    assert sessions.towers_of(0, 48) == 6
    assert sessions.session_config(0, 48).inter_op_parallelism_threads == 6
    assert sessions.session_config(0, 16).intra_op_parallelism_threads == 3  # in each of two towers
