"""The benchmark of clusters: what it reads from graphs and traces, and its slow links."""

import socket
import threading
import time

import pytest
import tensorflow.compat.v1 as tf

from mtl.cluster import placement
from tests.benchmarks import cluster, cluster_cases, links, traces
from tests.cluster import local

WORKER = "/job:worker/replica:0/task:1/device:CPU:0"
PS = "/job:ps/replica:0/task:0/device:CPU:0"


def metadata(nodes):
    """Return a RunMetadata; nodes: list of (device, name, label, first, last), in milliseconds."""
    found = tf.RunMetadata()
    for device, name, label, first, last in nodes:
        stats = found.step_stats.dev_stats.add()
        stats.device = device
        node = stats.node_stats.add()
        node.node_name, node.timeline_label = name, label
        node.all_start_micros = 1_000_000 + 1000 * first
        node.op_end_rel_micros = node.all_end_rel_micros = 1000 * (last - first)
    return found


def moved(size, name, source, target, first, last):
    label = f"[{size}] [1.5Mb/s] edge_7_{name} from {source} to {target}"
    return target, "RecvTensor", label, first, last


STEP = metadata(
    [
        (PS, "conv1/ReadVariableOp", "conv1/ReadVariableOp = ReadVariableOp(conv1)", 0, 1),
        moved("1.5MB", "conv1/ReadVariableOp", PS, WORKER, 1, 10),
        (WORKER, "conv1", "conv1 = Conv2D(images, w)", 10, 20),
        moved("100B", "dense1/ReadVariableOp", PS, WORKER, 1, 25),
        (WORKER, "a", "a = MatMul(conv1, w)", 25, 28),
        (WORKER, "b", "b = Relu(a)", 27, 30),
        (WORKER, "wait", "wait = QueueDequeueV2(queue)", 0, 90),
        moved("28B", "answer_Dequeue", PS, WORKER, 1, 36),
        (WORKER, "back", "back = ReluGrad(b)", 36, 38),
        (WORKER, "grad", "grad = Conv2DBackpropFilter(back)", 39, 40),
        moved("1.5MB", "gradients/AddN", WORKER, PS, 2, 47),
        moved("0B", "GroupCrossDeviceControlEdges", PS, WORKER, 1, 60),
    ]
)


def test_phases_of_a_step_are_what_the_worker_waits_for():
    found = traces.phases(STEP, 0.070)
    # Gaps: 0 to 10 and 20 to 25 for variables, 30 to 36 for the losses, 40 to 47 for a gradient.
    # That from 38 to 39 is for nothing.
    assert found == pytest.approx((0.015, 0.019, 0.006, 0.007, 0.023))
    assert sum(found) == pytest.approx(0.070)


def test_bytes_are_added_up_by_their_ends():
    totals = traces.totals(traces.sent(STEP))
    assert totals == {("ps0", "worker1"): 1.5 * 2**20 + 128, ("worker1", "ps0"): 1.5 * 2**20}


def test_planned_bytes_are_those_that_cross_between_processes():
    worker = "/job:worker/task:0"
    with tf.Graph().as_default(), placement.placed(worker, 2):
        first, second = (
            tf.get_variable(name, [size], tf.float32, use_resource=True)
            for name, size in (("first", 50), ("second", 20))
        )
        product = tf.reduce_sum(first.read_value()) * second.read_value()
        # Read once, used twice.
        update = second.assign(product + tf.exp(product)).op
    assert traces.planned(update) == {
        ("ps0", "worker0"): 200,
        ("ps1", "worker0"): 80,
        ("worker0", "ps1"): 80,
    }


def test_loopback_bytes_are_counted():
    before = traces.loopback_bytes()
    one, other = connected(*local.free_addresses(1))
    one.sendall(b"x" * 100_000)
    received(other, 100_000)
    assert traces.loopback_bytes() - before >= 100_000


def connected(address, target=None):
    """Return both ends of a connection to an address, which may be a proxy of the target."""
    host, port = (target or address).split(":")
    with socket.create_server((host, int(port))) as server:
        one = socket.create_connection(tuple(address.split(":")), 10)
        other, _ = server.accept()
    return one, other


def received(end, count):
    """Receive some bytes."""
    while count:
        count -= len(end.recv(count))


def test_links_share_the_rate_of_a_host_and_delay():
    addresses = local.free_addresses(4)
    pairs = [("a", "ps", *addresses[:2]), ("b", "ps", *addresses[2:])]
    with links.opened(pairs) as slow:
        ends = [connected(address, target) for _, _, address, target in pairs]
        slow.set(2e6, 0.05)
        since = time.monotonic()
        for one, _ in ends:
            threading.Thread(target=one.sendall, args=[b"x" * 200_000], daemon=True).start()
        # Both send to one host: 400 kB at 2 MB/s.
        for _, other in ends:
            received(other, 200_000)
        both = time.monotonic() - since
        since = time.monotonic()
        ends[0][1].sendall(b"y")  # the other direction is free
        received(ends[0][0], 1)
        delay = time.monotonic() - since
    assert both > 0.2 - links.BURST
    assert 0.05 < delay < 5.0


def test_a_link_is_busy_until_its_bytes_are_through():
    pacer = links.Pacer()
    given = [(100, 5.0), (50, 6.0), (10, 30.0)]
    found = [pacer.reserve(count, 10.0, now) + links.BURST for count, now in given]
    assert found == pytest.approx([15.0, 20.0, 31.0])


def test_each_process_sees_itself_and_the_others_over_links():
    views, pairs = cluster_cases.views_of({"ps": 2, "worker": 3})
    assert len(views) == 5 and len(pairs) == 2 * 2 * 3 + 2
    targets = {address: target for _, _, address, target in pairs}
    for (job, index), (direct, slow) in views.items():
        for other, count in (("ps", 2), ("worker", 3)):
            assert len(direct[other]) == len(slow[other]) == count
            for number, address in enumerate(slow[other]):
                real = views[other, number][1][other][number]
                if (other, number) == (job, index):
                    assert address == real and address not in targets
                elif "ps" in (job, other):
                    assert targets[address] == real


def test_synchronous_workers_share_a_batch():
    shared, own = (cluster_cases.Case("", (0, 1, 2, 3), sync) for sync in (True, False))
    assert (shared.batch, shared.images) == (16, 64)
    assert (own.batch, own.images) == (64, 256)
    assert len({case.name for case in cluster._cases()}) == len(cluster._cases())
