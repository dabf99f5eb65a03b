"""Which members are lost, and which are waited for."""

import socket

import pytest

from mtl.cluster import board, watch
from tests.cluster import local

PEERS = {1: ("worker 1 (b:2)", "b:2"), 3: ("ps 0 (d:4)", "d:4")}
STARTED = board.Beat(11, 1, 0, board.STEPPING)


class Table:
    """The beats of four members, a clock, and what probes of addresses return."""

    def __init__(self, **settings):
        self.now = 100.0
        self.beats = [STARTED] * 4
        self.listening = dict.fromkeys(["b:2", "d:4"], True)
        self.probed = []
        self._watch = watch.Watch(PEERS, probe=self._probe, clock=lambda: self.now, **settings)

    def _probe(self, address):
        self.probed.append(address)
        return self.listening[address]

    def look(self, seconds=1.0, alive=(0, 1, 2, 3)):
        """Wait, let some members write a beat, and look."""
        self.now += seconds
        for row in alive:
            self.beats[row] = self.beats[row]._replace(count=self.beats[row].count + 1)
        return self._watch.look(self.beats)


def looks(table, count, **arguments):
    """Return the messages of several looks, one second apart; assert that nobody is lost."""
    said = []
    for _ in range(count):
        found = table.look(**arguments)
        assert found.lost is None
        said += found.waiting
    return said


def test_members_that_beat_are_neither_lost_nor_probed():
    table = Table()
    assert looks(table, 300) == [] and table.probed == []


def test_a_member_that_refuses_connections_is_lost_after_seconds():
    table = Table()
    looks(table, 5)
    table.listening["b:2"] = False
    assert looks(table, 2, alive=[0, 2, 3]) == []
    assert table.look(alive=[0, 2, 3]).lost == "worker 1 (b:2) has ended"


@pytest.mark.parametrize("answer", [True, None], ids=["hanging", "unreachable"])
def test_a_member_that_does_not_answer_is_waited_for_and_lost_much_later(answer):
    table = Table()
    looks(table, 5)
    table.listening["b:2"] = answer
    said = looks(table, 119, alive=[0, 2, 3])
    assert said == [
        f"waiting for worker 1 (b:2), which has not answered for {10 * n} s" for n in range(1, 12)
    ]
    assert table.look(alive=[0, 2, 3]).lost == "worker 1 (b:2) has not answered for 120 s"


def test_a_hanging_member_is_waited_for_as_long_as_recovery_may_take():
    table = Table(patience=200.0)
    table.look()
    assert len(looks(table, 199, alive=[0, 2, 3])) == 19
    assert table.look(alive=[0, 2, 3]).lost == "worker 1 (b:2) has not answered for 200 s"


def test_a_member_that_returns_is_not_lost():
    table = Table()
    looks(table, 60, alive=[0, 2, 3])
    assert looks(table, 100) == []


def test_a_member_that_has_never_started_is_waited_for_without_end():
    table = Table()
    table.beats[1] = board.Beat(0, 0, 0, board.IDLE)
    said = looks(table, 1000, alive=[0, 2, 3])
    assert said == ["waiting for worker 1 (b:2), which has not started"] * 100


def test_another_process_in_the_place_of_a_member_is_a_loss_only_once():
    gone = set()
    table = Table(gone=gone)
    table.look()
    table.beats[3] = table.beats[3]._replace(process=12)
    assert table.look().lost == "ps 0 (d:4) was started again"
    assert gone == {11}
    again = watch.Watch(PEERS, gone=gone, probe=table._probe, clock=lambda: table.now)
    assert again.look([STARTED] * 4).lost is None  # the row is still that of the lost process
    assert again.look(table.beats).lost is None


def test_a_member_whose_batch_takes_long_is_named_with_its_step():
    table = Table()
    table.beats[1] = table.beats[1]._replace(step=41, doing=board.PREPARING)
    said = looks(table, 25)
    assert said == ["waiting for worker 1 (b:2), which prepares its batch of step 42"] * 2


def test_a_member_that_is_done_may_end():
    table = Table()
    table.beats[1] = table.beats[1]._replace(doing=board.DONE)
    table.look()
    table.listening["b:2"] = False
    assert looks(table, 300, alive=[0, 2, 3]) == []


def test_a_board_that_cannot_be_read_is_the_silence_of_its_server_alone():
    table = Table(host=3)
    table.look()
    said = []
    for table.now in range(105, 211, 5):
        found = table._watch.look(None)
        assert found.lost is None
        said += found.waiting
    assert said[0] == "waiting for ps 0 (d:4), which has not answered for 14 s"
    assert {message.partition(",")[0] for message in said} == {"waiting for ps 0 (d:4)"}
    assert looks(table, 100) == []  # the silence of the others does not count from the start


@pytest.mark.parametrize("address, name", [("b:2", "worker 1 (b:2)"), ("d:4", "ps 0 (d:4)")])
def test_without_a_board_a_refused_connection_counts(address, name):
    table = Table(host=3)
    table.look()
    table.listening[address] = False
    found = [table._watch.look(None) for table.now in (102.0, 104.5)]
    assert found[0].lost is None and found[1].lost == f"{name} has ended"


def test_a_process_that_was_stopped_itself_does_not_count_its_own_silence():
    table = Table()
    looks(table, 5)
    assert looks(table, 1, seconds=500.0, alive=[]) == []
    assert looks(table, 11, alive=[0, 2, 3]) == [
        "waiting for worker 1 (b:2), which has not answered for 10 s"
    ]


def test_probes_tell_a_process_that_listens_from_one_that_has_ended():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert watch.listens(address) is True
    assert watch.listens(address) is False
    assert watch.listens("no-such-host.invalid:1") is None


def test_waits_for_servers_and_says_for_which(monkeypatch):
    monkeypatch.setattr(watch, "WAIT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        up = f"127.0.0.1:{server.getsockname()[1]}"
        (down,) = local.free_addresses(1)
        peers, said = {0: ("ps 0", up), 1: ("ps 1", down)}, []
        missing = watch.wait_for_servers(peers, said.append, lambda: 0, seconds=0.5, poll=0.05)
        assert missing == ["ps 1"]
        assert set(said) == {"waiting for ps 1, which has not started"}
        assert watch.wait_for_servers({0: peers[0]}, said.append, lambda: 0) == []
        assert watch.wait_for_servers(peers, said.append, lambda: 15) == ["ps 1"]
