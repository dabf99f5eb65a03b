"""mtl.sessions: threads and towers."""

import pytest

from mtl import machine, sessions


@pytest.mark.parametrize(
    "threads, batch_size, towers, within",
    [(1, 32, 1, 1), (2, 32, 2, 1), (2, 4, 2, 1), (2, 3, 1, 2), (3, 32, 3, 1)]
    + [(9, 13, 6, 1), (16, 33, 16, 1), (5, 1, 1, 5), (99, 256, 32, 1)],
)
def test_each_thread_has_a_tower_of_at_least_two_images(threads, batch_size, towers, within):
    assert sessions.towers_of(threads, batch_size) == towers
    options = sessions.session_config(threads, batch_size)
    assert sessions.pools(options) == {"intra_op": within, "inter_op": towers}


def test_default_is_one_thread_for_each_core(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 6)
    assert sessions.towers_of(0, 48) == 6
    assert sessions.session_config(0, 48).inter_op_parallelism_threads == 6
    assert sessions.session_config(0, 1).intra_op_parallelism_threads == 6  # of the only tower


@pytest.mark.parametrize("cores, parts", [(1, 1), (2, 2), (64, sessions.MAX_PARTS)])
def test_predictions_have_a_part_for_each_core(monkeypatch, cores, parts):
    monkeypatch.setattr(machine, "cores", lambda: cores)
    assert sessions.parts_of_predictions() == parts
    assert sessions.pools(sessions.prediction_config()) == {"intra_op": 1, "inter_op": -1}
