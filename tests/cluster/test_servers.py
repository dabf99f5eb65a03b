"""The server of a process, and how long a parameter server serves."""

import socket

import pytest
import tensorflow.compat.v1 as tf

from mtl.cluster import board as board_lib, lost, place as place_lib, servers, spec, watch
from mtl.errors import DataError, Interrupted, UsageError
from tests.cluster import local
from tests.helpers import one_line
from tests.sleeping import Sleeping

pytestmark = pytest.mark.slow

OPTIONS = tf.ConfigProto(**local.THREADS)


def go_on():
    return 0


# -- start -----------------------------------------------------------------------------------------


class Names:
    """In place of socket.getaddrinfo: the host "later" has an address from a call on."""

    def __init__(self, call):
        self._call, self.calls = call, 0

    def __call__(self, host, port):
        if host == "later":
            self.calls += 1
            if self.calls < self._call:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return []


@pytest.fixture(scope="module")
def started():
    """The jobs of two parameter servers and a worker, and the target of each: (jobs, targets)."""
    first, second, chief = local.free_addresses(3)
    jobs, targets = {"ps": [first, second], "worker": [chief]}, {}
    for job, index in (("ps", 0), ("ps", 1), ("worker", 0)):
        server = servers.start(spec.checked(jobs, job, index), OPTIONS, go_on)
        targets[job, index] = server.target
    return jobs, targets


def test_servers_listen_and_compute(started):
    jobs, targets = started
    assert [watch.listens(each) for each in (*jobs["ps"], *jobs["worker"])] == [True] * 3
    with tf.Graph().as_default(), tf.device("/job:ps/task:1"):
        with tf.Session(targets["worker", 0]) as session:
            assert session.run(tf.constant(3)) == 3


def test_a_port_that_is_taken_is_named_with_the_member():
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
        jobs = {"ps": ["127.0.0.1:1"], "worker": ["127.0.0.1:2", f"127.0.0.1:{port}"]}
        with pytest.raises(UsageError) as caught:
            servers.start(spec.checked(jobs, "worker", 1), OPTIONS, go_on)
    cure = "end the process that uses the port, or choose another one"
    what = f"worker 1 (127.0.0.1:{port}): cannot listen at port {port} (Address already in use"
    one_line(caught, what, cure)


@pytest.mark.parametrize(
    "job, flag", [("ps", "--ps_hosts"), ("worker", "--worker_hosts"), ("chief", "--chief_hosts")]
)
def test_a_host_without_an_address_is_named_with_its_flag(monkeypatch, job, flag):
    monkeypatch.setattr(socket, "getaddrinfo", Names(call=1000))
    jobs = {"ps": ["a:1"], "worker": ["b:2"], "chief": ["c:3"], job: ["later:4"]}
    with pytest.raises(UsageError) as caught:
        servers.start(spec.checked(jobs, "worker", 0), OPTIONS, go_on)
    what = f"{job} 0 (later:4): the host has no address (Name or service not known)"
    assert str(caught.value) == f"{what}; correct it in {flag}"


@pytest.mark.parametrize(
    "call, stop, calls, what",
    [
        (3, 0, 3, "cannot listen"),  # the port is taken, so that no server starts
        (1000, 0, 121, "the host has no address"),
        (3, 15, 1, "the host has no address"),
    ],
    ids=["in time", "too late", "a signal"],
)
def test_a_host_that_has_no_address_yet_is_waited_for(monkeypatch, call, stop, calls, what):
    names = Names(call)
    monkeypatch.setattr(socket, "getaddrinfo", names)
    monkeypatch.setattr(servers, "time", Sleeping())
    with socket.create_server(("", 0)) as other:
        jobs = {"ps": [f"a:{other.getsockname()[1]}"], "worker": ["later:4"]}
        with pytest.raises(UsageError, match=what):
            cluster = spec.checked(jobs, "ps", 0, recovery_timeout=60.0)
            servers.start(cluster, OPTIONS, lambda: stop)
    assert names.calls == calls


# -- serve -----------------------------------------------------------------------------------------


@pytest.fixture
def cluster(started, monkeypatch):
    """A function (job, index, replaced=(), **fields) -> Place; see spec.checked."""
    jobs, targets = started
    monkeypatch.setattr(place_lib, "time", Sleeping())

    def make(job, index=0, replaced=(), say=print, **fields):
        described = spec.checked({**jobs, **dict(replaced)}, job, index, **fields)
        return place_lib.Place(targets[job, index], described, True, say)

    return make


@pytest.fixture
def sleeping(monkeypatch):
    """A function (*acts): they act while the parameter server sleeps between its looks."""

    def replace(*acts):
        made = Sleeping(*acts)
        monkeypatch.setattr(servers, "time", made)
        return made

    return replace


def joins(place):
    return lambda: place.join(go_on)


def test_a_server_ends_with_the_run_once_the_others_have_read_it(cluster, sleeping, monkeypatch):
    chief, did = cluster("worker"), []

    def leave():
        did.append("leaves")
        chief.leave()

    monkeypatch.setattr(place_lib, "time", Sleeping(chief.beat, chief.beat, leave, did.clear))
    sleeping(joins(chief), chief.finish, lambda: did.append("waits"))
    servers.serve(cluster("ps"), go_on)
    assert did == ["waits", "waits", "leaves"]


def test_members_that_never_leave_delay_the_end_by_seconds(cluster, sleeping, monkeypatch):
    chief = cluster("worker")
    time = sleeping(joins(chief), chief.finish, lambda: None)
    monkeypatch.setattr(place_lib, "time", Sleeping(chief.beat))
    servers.serve(cluster("ps"), go_on)
    waited = servers.LEAVING + 3 * servers.SECONDS
    assert servers.LEAVING <= time.slept <= waited


def test_all_servers_end_with_the_run(cluster, sleeping):
    chief, other, first = cluster("worker"), cluster("ps", 1), cluster("ps", 0)
    ended = []

    def serve_other():
        # It joins the board that the first server has made.
        sleeping(chief.finish)
        servers.serve(other, go_on)
        ended.append(other.name)

    sleeping(joins(chief), serve_other)
    servers.serve(first, go_on)
    assert ended == [other.name]


@pytest.mark.parametrize(
    "error, timeout, code",
    [
        (DataError("train.npz: no such file"), 0.0, 2),
        (DataError("train.npz: no such file"), 60.0, 2),
        (Interrupted("stopped", 15), 0.0, lost.Lost.RETRY),
    ],
)
def test_a_run_that_fails_ends_the_server_with_the_reason(cluster, sleeping, error, timeout, code):
    chief = cluster("worker")
    sleeping(joins(chief), lambda: chief.give_up(error))
    with pytest.raises(lost.Lost) as caught:
        servers.serve(cluster("ps", recovery_timeout=timeout), go_on)
    assert str(caught.value) == f"{chief.name} has ended the run: {error}"
    assert caught.value.exit_code == code


def test_a_run_that_may_be_started_again_is_waited_for(cluster, sleeping):
    chief, did = cluster("worker"), []

    def start_again():
        did.append("starts")
        chief.board.write(board_lib.RUNNING, run="b", step=3)

    failing = Interrupted("stopped", 15)
    sleeping(joins(chief), lambda: chief.give_up(failing), start_again, chief.finish)
    servers.serve(cluster("ps", recovery_timeout=60.0), go_on)
    assert did == ["starts"]


def test_a_signal_ends_the_server(cluster, sleeping):
    received = []
    sleeping(lambda: None, lambda: received.append(15))
    server = cluster("ps")
    with pytest.raises(Interrupted) as caught:
        servers.serve(server, lambda: received[0] if received else 0)
    assert (str(caught.value), caught.value.exit_code) == (f"{server.name}: stopped", 143)


# -- a chief that is killed ------------------------------------------------------------------------


@pytest.fixture
def killed(cluster, monkeypatch):
    """A chief that refuses connections and never beats after its first time; and its address."""
    monkeypatch.setattr(watch, "QUIET", 0.0)
    (address,) = local.free_addresses(1)
    return cluster("worker", replaced={"worker": [address]}), address


def test_a_killed_chief_ends_the_server(cluster, sleeping, killed):
    chief, address = killed
    sleeping(joins(chief))
    with pytest.raises(lost.Lost) as caught:
        servers.serve(cluster("ps", replaced={"worker": [address]}), go_on)
    assert caught.value.what == f"worker 0 ({address}) has ended"
    assert caught.value.exit_code == lost.Lost.RETRY


def test_a_killed_chief_that_returns_in_time_goes_on_with_the_server(cluster, sleeping, killed):
    (chief, address), said, opened = killed, [], []
    replaced = {"worker": [address]}
    again = cluster("worker", replaced=replaced)
    server = cluster("ps", replaced=replaced, say=said.append, recovery_timeout=60.0)

    def start_again():
        if said and not opened:
            opened.append(socket.create_server(("127.0.0.1", int(address.rpartition(":")[2]))))
        return 0

    sleeping(joins(chief), joins(again), again.finish)
    servers.serve(server, start_again)
    opened[0].close()
    what = f"{chief.name} has ended; waiting up to 60 s for it (--recovery_timeout)"
    assert said == [what]
