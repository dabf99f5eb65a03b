"""The model of the speed of a cluster: its limits, its formulas, and what SCALE.md quotes."""

import itertools
import random
import statistics

import pytest
import tensorflow.compat.v1 as tf

from mtl.cluster import measured, placement, scale

NETWORK = measured.Network(
    "two", variables=(4_000_000, 1_000_000), shared=1, tasks=3, batch=10, images=100.0, fixed=0.1
)
# Nothing but the computing and the bandwidth takes time.
FREE = measured.Machine("free", copy=1e18, message=0.0, hop=0.0, add=1e18, update=1e18, spread=0.0)
SETUP = scale.Setup(workers=1, servers=1, bandwidth=1e18, latency=0.0, batch=10)
BOTH = (scale.synchronous, scale.asynchronous)
COUNTS = (1, 2, 3, 7, 32, 1000)


class _Variable:
    """The operation of a variable, as placement.ByBytes sees it."""

    def __init__(self, size):
        self._attributes = {"shape": tf.TensorShape([size // 4]).as_proto(), "dtype": tf.float32}

    def get_attr(self, name):
        return self._attributes[name]


def rate(predict, machine=FREE, network=NETWORK, **changes):
    return predict(network, SETUP._replace(**changes), machine).images


@pytest.mark.parametrize("predict", BOTH)
def test_without_costs_workers_scale_linearly(predict):
    # 10 images in 0.1 s + 10 / 100 s.
    for count in COUNTS:
        found = predict(NETWORK, SETUP._replace(workers=count), FREE)
        assert found.images == pytest.approx(50.0 * count)
        assert found.efficiency == pytest.approx(1.0)
        assert found.limit == scale.COMPUTING


def test_a_synchronous_step_sends_everything_over_the_link_of_the_largest_server():
    # Both directions, 5 MB for each of 8 workers: 0.8 s at 100 MB/s.
    assert rate(scale.synchronous, workers=8, bandwidth=1e8) == pytest.approx(80.0 / (0.2 + 0.8))
    # The largest of two servers has 4 MB.
    found = rate(scale.synchronous, workers=8, bandwidth=1e8, servers=2)
    assert found == pytest.approx(80.0 / (0.2 + 0.64))
    # Of one worker and five servers, the link of the worker is the limit.
    found = rate(scale.synchronous, bandwidth=1e8, servers=5)
    assert found == pytest.approx(10.0 / (0.2 + 0.1))


def test_asynchronous_workers_are_limited_by_the_link_of_the_largest_server():
    # 5 MB in each direction for 10 images, at 100 MB/s.
    assert rate(scale.asynchronous, workers=1000, bandwidth=1e8) == pytest.approx(100.0, rel=0.002)
    found = rate(scale.asynchronous, workers=1000, bandwidth=1e8, servers=2)
    assert found == pytest.approx(125.0, rel=0.002)
    # The link of a single worker has no queue.
    assert rate(scale.asynchronous, bandwidth=1e8, servers=5) == pytest.approx(10.0 / 0.3)


@pytest.mark.parametrize(
    "cost, seconds",
    [
        # Two transfers, of 5 MB and two tensors each, with four workers; one step is 0.2 s.
        ({"copy": 1e8}, 2 * 4 * 0.05),
        ({"message": 1e-3}, 2 * 4 * 2e-3 + 3 * 4 * 1e-3),
        ({"hop": 1e-2}, 9e-2),
        ({"add": 1e8}, 3 * 0.05),
        ({"update": 1e8}, 0.05),
    ],
)
def test_each_cost_adds_its_seconds_to_a_synchronous_step(cost, seconds):
    found = rate(scale.synchronous, FREE._replace(**cost), workers=4)
    assert found == pytest.approx(40.0 / (0.2 + seconds))


@pytest.mark.parametrize("predict", BOTH)
def test_no_worker_makes_a_cluster_slower_except_by_waiting(predict):
    machine = measured.MACHINE._replace(spread=0.0)
    setup = SETUP._replace(bandwidth=1.25e9, latency=1e-4)
    for network in measured.NETWORKS.values():
        rates = [
            predict(network, setup._replace(workers=count, batch=network.batch), machine).images
            for count in COUNTS
        ]
        assert all(first <= second for first, second in itertools.pairwise(rates))


def test_the_gradients_of_each_task_are_sent_for_the_bottom_only():
    setup = SETUP._replace(workers=4, by_task=True)
    loads = scale.transfers(NETWORK, setup)
    gradients = (3 * 4_000_000 + 1_000_000, 4)
    # To and from the four workers, then the sums to the chief, and one gradient back.
    assert loads == [
        ([(5_000_000, 2)], 4),
        ([gradients], 4),
        ([gradients], 1),
        ([(5_000_000, 2)], 1),
    ]


def test_shared_cores_bound_what_workers_compute():
    # Four workers on two cores are as fast as two.
    for predict in BOTH:
        assert rate(predict, workers=4, cores=2) == pytest.approx(100.0)
        assert rate(predict, workers=2, cores=2) == pytest.approx(100.0)


def test_a_queue_of_one_customer_has_no_wait():
    assert scale.queues(1, 0.5, [0.25, 0.25]) == (1.0, [0.25, 0.25])


def test_queues_are_those_of_the_machine_repairman():
    # M/M/1 with a finite source: Erlang's formula gives the throughput.
    customers, alone, service = 5, 2.0, 0.7
    weights, weight = [], 1.0
    for busy in range(customers + 1):
        weights.append(weight)
        weight *= (customers - busy) * service / alone
    expected = (1.0 - weights[0] / sum(weights)) / service
    assert scale.queues(customers, alone, [service])[0] == pytest.approx(expected)


@pytest.mark.parametrize("count", [2, 8, 100])
def test_the_slowest_is_the_expected_maximum_of_lognormal_times(count):
    rng, spread = random.Random(0), 0.2
    draws = [max(rng.lognormvariate(0.0, spread) for _ in range(count)) for _ in range(2000)]
    assert scale.slowest(count, spread) == pytest.approx(statistics.fmean(draws), rel=0.02)


def test_one_worker_waits_for_nobody():
    assert scale.slowest(1, 0.5) == 1.0


@pytest.mark.parametrize("network", measured.NETWORKS.values(), ids=lambda each: each.name)
@pytest.mark.parametrize("servers", [1, 2, 5])
def test_variables_are_placed_as_in_a_cluster(network, servers):
    strategy = placement.ByBytes(servers)
    found = [strategy(_Variable(size)) for size in network.variables]
    assert scale.placed(network.variables, servers) == found


def test_doubling_ends_where_it_brings_less_than_a_tenth():
    setup = SETUP._replace(bandwidth=1e8)
    flat = scale.flat_from(scale.synchronous, NETWORK, setup, FREE)
    at = [rate(scale.synchronous, workers=count, bandwidth=1e8) for count in (flat // 2, flat)]
    after = rate(scale.synchronous, workers=2 * flat, bandwidth=1e8)
    assert after < 1.1 * at[1] and at[1] >= 1.1 * at[0]
    assert scale.flat_from(scale.synchronous, NETWORK, SETUP, FREE) is None


def test_cures_change_one_thing_each():
    cures = scale.cures(SETUP._replace(servers=3))
    assert len(cures) == 4
    for setup in cures.values():
        assert sum(a != b for a, b in zip(setup, SETUP._replace(servers=3))) == 1


def test_bf16_on_the_wire_halves_what_is_sent_but_not_what_is_added():
    half = scale.cures(SETUP._replace(bandwidth=1e8, workers=8))["bf16 on the wire"]
    slow = FREE._replace(add=1e8)
    found = [scale.synchronous(NETWORK, half, machine).images for machine in (FREE, slow)]
    assert found == pytest.approx([80.0 / (0.2 + 0.4), 80.0 / (0.2 + 0.4 + 7 * 0.05)])


def test_large_variables_divided_are_the_same_on_all_servers():
    setup = SETUP._replace(servers=5, divided=True, workers=5, bandwidth=1e8)
    found = scale.synchronous(NETWORK, setup, FREE).images
    assert found == pytest.approx(50.0 / (0.2 + 0.1))
