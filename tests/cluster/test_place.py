"""The place of a process in its cluster: how it is taken, kept, left and taken again."""

import socket
import time

import pytest
import tensorflow.compat.v1 as tf

from mtl.cluster import board as board_lib, lost, place as place_lib, spec, watch
from mtl.errors import DataError, Interrupted, UsageError
from tests.cluster import local
from tests.sleeping import Sleeping

pytestmark = pytest.mark.slow

ENDED = {"state": board_lib.ENDED, "run": None, "by": "worker 1", "why": "reason", "code": 2}


class Silent:
    """A board whose server never answers."""

    def hosts(self):
        raise tf.errors.DeadlineExceededError(None, None, "the server does not answer")

    def close(self):
        pass


class Broken:
    """A board that cannot be reached."""

    def read(self):
        raise tf.errors.UnavailableError(None, None, "socket closed")

    def close(self):
        pass


@pytest.fixture(autouse=True)
def sleeping(monkeypatch):
    """A function (act): from then on, act() is called when a place would sleep."""

    def replace(*acts):
        monkeypatch.setattr(place_lib, "time", Sleeping(*acts))

    replace()
    return replace


@pytest.fixture
def made(cluster):
    """A function (number of a worker) -> Place that has not joined, in a cluster of two workers.

    Its arguments: replaced, dict job -> addresses; say; is_sync; fields of spec.checked.
    """
    cluster.clear_board(2)

    def make(number=0, replaced=(), say=print, is_sync=True, **fields):
        jobs = {**cluster.jobs, "worker": cluster.jobs["worker"][:2], **dict(replaced)}
        described = spec.checked(jobs, "worker", number, **fields)
        return place_lib.Place(cluster.target(number), described, is_sync, say)

    return make


def go_on():
    return 0


def joined(place):
    place.join(go_on)
    return place


def record_of(place):
    return place.board.read()[0]


def beat_of(place, row):
    return place.board.read()[1][row]


# -- join and leave --------------------------------------------------------------------------------


def test_a_process_takes_its_row_and_leaves_it(made):
    first, second = joined(made(0)), joined(made(1))
    beat = beat_of(first, 1)
    assert beat.process not in (0, beat_of(first, 0).process)
    assert (beat.count, beat.step, beat.doing) == (1, 0, board_lib.IDLE)
    second.step, second.doing = 5, board_lib.STEPPING
    second.beat()
    assert beat_of(first, 1) == (beat.process, 2, 5, board_lib.STEPPING)
    second.leave()
    assert beat_of(first, 1) == (beat.process, 3, 5, board_lib.LEFT)
    assert second.board is None


def test_a_second_process_is_refused_while_the_first_beats(made, sleeping):
    first, second = joined(made(1)), made(1)
    sleeping(first.beat)
    with pytest.raises(UsageError) as caught:
        second.join(go_on)
    cure = "give each process its own job or index, or end the other one"
    assert str(caught.value) == f"{first.name}: another process has this place already; {cure}"


def test_a_process_takes_the_row_of_one_that_has_ended(made):
    first, second = joined(made(1)), made(1)
    before = beat_of(first, 1)
    second.join(go_on)
    assert beat_of(first, 1).process not in (0, before.process)


def test_a_row_that_was_left_is_free_at_once(made, sleeping):
    first, second = joined(made(1)), made(1)
    first.leave()
    slept = []
    sleeping(lambda: slept.append("waits"))
    second.join(go_on)
    assert slept == []


def test_a_process_waits_until_the_first_server_has_a_board(sleeping):
    fresh = local.Cluster(workers=1, servers=1)
    place = place_lib.Place(fresh.target(0), spec.checked(fresh.jobs, "worker", 0), True, print)
    calls = []

    def others():
        calls.append("waits")
        if len(calls) == 2:
            place.board.create(place.cluster.spec)

    sleeping(others)
    place.join(lambda: len(calls) > 5)
    assert len(calls) == 2
    assert beat_of(place, 0).count == 1


def test_a_server_that_does_not_listen_is_named(made):
    (dead,) = local.free_addresses(1)
    place = made(replaced={"ps": [dead]})
    with pytest.raises(lost.Lost) as caught:
        place.join(go_on, seconds=0.1)
    assert str(caught.value) == f"ps 0 ({dead}) does not listen; {lost.CURE}"
    with pytest.raises(Interrupted) as caught:
        place.join(lambda: 15)
    assert (str(caught.value), caught.value.exit_code) == (f"{place.name}: stopped", 143)


def test_a_server_that_is_silent_is_waited_for_by_name(made, monkeypatch):
    said = []
    monkeypatch.setattr(board_lib, "Board", lambda *given: Silent())
    monkeypatch.setattr(watch, "WAIT", 0.0)
    monkeypatch.setattr(place_lib, "time", time)
    place = made(say=said.append)
    server = place.cluster.name_of("ps", 0)
    with pytest.raises(lost.Lost) as caught:
        place.join(go_on, seconds=0.3)
    assert caught.value.what == f"{server} does not answer"
    assert set(said) == {f"waiting for {server}, which does not answer"}
    with pytest.raises(Interrupted):
        place.join(lambda: 15 if len(said) > 3 else 0)


def test_others_read_the_board_while_they_beat_and_have_not_left(made, sleeping):
    first, second = joined(made(0)), joined(made(1))
    sleeping(first.beat)
    assert not first.others_read()  # its own beat does not count
    sleeping(second.beat)
    assert first.others_read()
    sleeping(second.leave)
    assert not first.others_read()


# -- look ------------------------------------------------------------------------------------------


def test_a_look_beats_and_returns_the_record(made):
    place = joined(made())
    assert place.look()[0] == {}
    place.board.write(board_lib.RUNNING, run="a", step=3)
    record, beats = place.look()
    assert record == {"state": board_lib.RUNNING, "run": "a", "step": 3}
    assert beats[0].count == 2 and beat_of(place, 0).count == 3


def test_a_process_that_the_server_does_not_reach_is_told_to_start_at_its_address(
    made, monkeypatch
):
    monkeypatch.setattr(place_lib, "REACH_SECONDS", 0.0)
    place = made(1)
    monkeypatch.setattr(place, "beat", lambda: Broken().read())
    with pytest.raises(UsageError) as caught:
        place.join(go_on)
    what = f"{place.cluster.name_of('ps', 0)} does not reach this process at its address"
    cure = "start it there, or correct --worker_hosts"
    assert str(caught.value) == f"{place.name}: {what}; {cure}"


def test_two_processes_that_took_the_same_place_find_out(made):
    first, second = joined(made(1)), made(1)
    second.open_board()
    second.beat()
    with pytest.raises(UsageError, match="another process has this place already; give each"):
        first.look()


def test_another_list_of_hosts_is_refused_with_both(made):
    other = made(replaced={"worker": ["x:1", "y:2", "z:3"]})
    with pytest.raises(UsageError) as caught:
        other.join(go_on)
    theirs = ",".join(joined(made()).cluster.spec["worker"])
    what = f"{other.cluster.name_of('ps', 0)} has --worker_hosts={theirs}, not x:1,y:2,z:3"
    cure = "give all processes the same addresses"
    assert str(caught.value) == f"worker 0 (x:1): {what}; {cure}"


def test_a_process_with_wrong_flags_does_not_end_a_run_of_others(made):
    chief, stranger = joined(made()), made(1)
    stranger.open_board()
    for state, ends in ((board_lib.RUNNING, False), (board_lib.STARTING, True)):
        chief.board.write(state, run="a")
        stranger.give_up(UsageError("wrong"))
        assert (chief.board.read()[0]["state"] == board_lib.ENDED) == ends


def test_a_board_that_cannot_be_read_is_a_loss_once_a_member_refuses_connections(made):
    (dead,) = local.free_addresses(1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        chief = f"127.0.0.1:{server.getsockname()[1]}"
        place = made(1, replaced={"worker": [chief, dead]})
        place.board = Broken()
        assert place.look() == ({}, None)
    with pytest.raises(lost.Lost) as caught:
        place.look()
    assert caught.value.what == f"worker 0 ({chief}) has ended"


@pytest.mark.parametrize(
    "job, number, is_sync, expected",
    [
        ("worker", 0, True, ["b:2", "c:3", "p:1", "q:1"]),
        ("worker", 1, True, ["a:1", "p:1", "q:1"]),
        ("worker", 0, False, ["p:1", "q:1"]),
        ("worker", 1, False, ["a:1", "p:1", "q:1"]),
        ("ps", 0, True, ["a:1", "q:1"]),
        ("ps", 1, False, ["a:1", "p:1"]),
    ],
)
def test_a_process_watches_those_without_which_it_cannot_go_on(
    monkeypatch, job, number, is_sync, expected
):
    probed = []
    monkeypatch.setattr(watch, "QUIET", 0.0)
    monkeypatch.setattr(watch, "listens", probed.append)
    jobs = {"ps": ["p:1", "q:1"], "worker": ["a:1", "b:2", "c:3"]}
    place = place_lib.Place("", spec.checked(jobs, job, number), is_sync, print)
    assert place.watch().look(None) == (None, [])
    assert probed == expected
    assert place.chief == "worker 0 (a:1)"


# -- recover ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout, code", [(0.0, lost.Lost.RETRY), (60.0, 1), (60.0, 2), (60.0, 3)])
def test_a_loss_is_final_without_a_timeout_or_if_it_would_come_again(made, timeout, code):
    error = lost.Lost("worker 1 has ended", code=code)
    with pytest.raises(lost.Lost) as caught:
        made(say=None, recovery_timeout=timeout).recover(error, go_on)
    assert caught.value is error


def test_a_process_joins_again_once_the_lost_member_listens(made, cluster):
    (address,) = local.free_addresses(1)
    said, opened = [], []
    replaced = {"worker": [cluster.jobs["worker"][0], address]}
    place = made(replaced=replaced, say=said.append, recovery_timeout=60.0)
    place.open_board()
    place.board.create(place.cluster.spec)
    place.join(go_on)
    place.step, place.doing, before = 7, board_lib.STEPPING, place.board

    def start_other():
        if not opened:
            opened.append(socket.create_server(("127.0.0.1", int(address.rpartition(":")[2]))))
        return 0

    place.recover(lost.Lost(f"worker 1 ({address}) has ended"), start_other)
    opened[0].close()
    what = f"worker 1 ({address}) has ended; waiting up to 60 s for it (--recovery_timeout)"
    assert said == [what]
    assert place.board is not before
    assert beat_of(place, 0)[1:] == (2, 0, board_lib.IDLE)


def test_a_member_that_does_not_return_in_time_is_lost(made):
    (dead,) = local.free_addresses(1)
    place = made(1, {"worker": [dead, "c:3"]}, say=print, recovery_timeout=0.1)
    error = lost.Lost(f"worker 0 ({dead}) has ended")
    with pytest.raises(lost.Lost) as caught:
        place.recover(error, go_on)
    assert caught.value is error
    with pytest.raises(Interrupted):
        made(1, {"ps": [dead]}, recovery_timeout=60.0).recover(error, lambda: 15)


# -- why it ends -----------------------------------------------------------------------------------


def test_the_end_of_a_finished_run_is_written_unless_another_end_is(made):
    place = joined(made())
    place.finish()
    expected = {"state": board_lib.ENDED, "run": None, "by": place.name, "why": "", "code": 0}
    assert record_of(place) == expected
    place.board.write(**ENDED)
    place.finish()
    assert record_of(place) == ENDED


def test_a_process_that_gives_up_writes_why_once(made):
    place = made(1)
    place.give_up(DataError("early"))  # it has not joined, so it tells no other process
    joined(place).board.write(board_lib.RUNNING, run="a", step=3)
    place.give_up(lost.Lost("worker 0 has ended"))  # the others see it too
    assert record_of(place)["state"] == board_lib.RUNNING
    place.give_up(Interrupted("stopped\nhere", 15))
    expected = {"state": board_lib.ENDED, "run": "a", "by": place.name, "why": "stopped"}
    assert record_of(place) == {**expected, "code": 143}
    place.give_up(ValueError("late"))
    assert record_of(place)["why"] == "stopped"


def test_an_error_without_an_exit_code_has_code_1(made):
    place = joined(made(1))
    place.give_up(ValueError("labels"))
    assert record_of(place) == {**ENDED, "by": place.name, "why": "labels", "code": 1}
