"""A model of the speed of a cluster: how many images/s it trains, and what limits it.

It is computed from measured inputs, see measured.py. SCALE.md explains it and states its error.

A synchronous step is the sum of these times:

    receiving   each server sends its variables to all workers over one link
    computing   a forward and a backward pass
    waiting     until the slowest of n workers is done
    sending     each server receives the gradients of all workers over one link
    additions   a server adds up the n gradients, one after the other
    update      a server updates its variables
    latency     the messages of a step that wait for each other

An asynchronous worker repeats its own step. It queues for the link and the processor of the fullest
server only.
"""

import math
import statistics
from typing import Dict, NamedTuple

from mtl.cluster.measured import MACHINE, Machine, Network

COMPUTING = "computing"
WAITING = "waiting for the slowest"
NETWORK = "the network of the ps"
MESSAGES = "messages at the ps"
ADDITIONS = "additions at the ps"
UPDATE = "the update at the ps"
LATENCY = "latency"
# Messages that wait for each other in a step. Synchronous: the request, the variables, the losses
# to the ps, to the chief and back over the ps, the gradients, the end of the update, the signal.
HOPS_SYNC = 9
HOPS_ASYNC = 4  # the request, the variables, the gradients, the end of the update
# For each worker, the first server also has the losses, their sums and the signal.
SMALL_MESSAGES = 4
FEW = 1.1  # twice the workers bring less than this: not worth it
LARGEST = 2**16  # workers


class Setup(NamedTuple):
    """A cluster. Each process has a machine of its own, unless `cores` says otherwise."""

    workers: int
    servers: int
    bandwidth: float  # bytes/s of each machine, in each direction
    latency: float  # seconds in the network, one way
    batch: int  # images of a worker in a step
    by_task: bool = False  # the objective needs the gradient of each task
    wire: float = 1.0  # bytes that are sent for each byte of a tensor; bf16: 0.5
    divided: bool = False  # each variable is divided over all servers
    cores: int = 0  # that all processes share, if they are on one machine


class Prediction(NamedTuple):
    """What a cluster does."""

    images: float  # images/s of all workers
    efficiency: float  # relative to as many single machines
    parts: Dict[str, float]  # seconds of a worker's step
    memory: float  # bytes of variables and gradients in the largest server

    @property
    def limit(self):
        """Return the largest part of a step."""
        return max(self.parts, key=self.parts.get)


def synchronous(network: Network, setup: Setup, machine: Machine = MACHINE) -> Prediction:
    """Return what synchronous workers do. The objective adds up in the order of exchange.py."""
    count, computing = setup.workers, _computing(network, setup)
    variables, gradients = _loads(network, setup)
    parts = {
        COMPUTING: computing,
        WAITING: computing * (slowest(count, machine.spread) - 1.0),
        NETWORK: 0.0,
        MESSAGES: (count - 1) * SMALL_MESSAGES * machine.message,
        ADDITIONS: (count - 1) * _largest(gradients) / machine.add,
        UPDATE: _largest(variables) / machine.update,
        LATENCY: HOPS_SYNC * (setup.latency + machine.hop),
    }
    for loads, workers in transfers(network, setup):
        cause, seconds = _transfer(loads, workers, setup, machine)
        parts[cause] += seconds
    memory = 3.0 * _largest(variables) + count * _largest(gradients)
    return _prediction(network, setup, machine, parts, count / sum(parts.values()), memory)


def transfers(network, setup):
    """Return what all servers and some workers exchange in a synchronous step.

    Returns:
      list of (loads, workers); loads: (bytes, tensors) of one worker, for each server.
    """
    variables, gradients = _loads(network, setup)
    found = [(variables, setup.workers), (gradients, setup.workers)]
    if setup.by_task:  # the chief receives the sums, and sends one gradient back
        found += [(gradients, 1), (variables, 1)]
    return found


def asynchronous(network: Network, setup: Setup, machine: Machine = MACHINE) -> Prediction:
    """Return what asynchronous workers do: they form a closed network of queues.

    Source: Reiser and Lavenberg 1980, "Mean-value analysis of closed multichain queuing networks".
    """
    variables, _ = _loads(network, setup)
    computing = _computing(network, setup._replace(cores=0))
    size, tensors = max(variables)
    link = size * setup.wire / setup.bandwidth
    rest = (sum(each for each, _ in variables) - size) * setup.wire / setup.bandwidth
    handling = 2.0 * (size * setup.wire / machine.copy + tensors * machine.message)
    update = size / machine.update
    delay = HOPS_ASYNC * (setup.latency + machine.hop)
    alone = computing + delay + 2.0 * rest  # what a worker does without a queue
    # The directions of the link do not overlap: equal workers stay in step, and all send at once.
    rate, (both, server) = queues(setup.workers, alone, [2.0 * link, handling + update])
    parts = {
        COMPUTING: computing,
        NETWORK: both + 2.0 * rest,
        MESSAGES: server * handling / (handling + update),
        UPDATE: server * update / (handling + update),
        LATENCY: delay,
    }
    if setup.cores:
        rate = min(rate, setup.cores / (computing + handling + update))
    return _prediction(network, setup, machine, parts, rate, 4.0 * size)


def queues(customers, alone, services):
    """Return the throughput of a closed network of queues, and the time in each queue.

    Args:
      customers: int.
      alone: float, seconds that a customer spends outside of the queues in a cycle.
      services: list of float, seconds of service in each queue.

    Returns:
      float, cycles/s of all customers; list of float, seconds with the wait.
    """
    waiting, times, rate = [0.0] * len(services), list(services), 0.0
    for number in range(1, customers + 1):
        times = [service * (1.0 + before) for service, before in zip(services, waiting)]
        rate = number / (alone + sum(times))
        waiting = [rate * each for each in times]
    return rate, times


def slowest(count, spread):
    """Return the expected largest of n times, relative to the median.

    The times are lognormal: never negative, and some are late. The largest has Blom's position
    (Blom 1958, "Statistical Estimates and Transformed Beta-Variables").

    Args:
      count: int, n.
      spread: float, the standard deviation of the logarithm.
    """
    quantile = statistics.NormalDist().inv_cdf((count - 0.375) / (count + 0.25))
    return math.exp(spread * quantile)


def placed(sizes, servers):
    """Return the server of each variable, a list of int; it decides as placement.ByBytes.

    Args:
      sizes: sequence of int, bytes.
      servers: int.
    """
    full, found = [0] * servers, []
    for size in sizes:
        found.append(full.index(min(full)))
        full[found[-1]] += size
    return found


def flat_from(predict, network, setup, machine=MACHINE):
    """Return the workers from which twice as many bring less than 10%, or None.

    Args:
      predict: function, `synchronous` or `asynchronous`.
      network, setup, machine: of predict; the workers of the setup are ignored.
    """
    workers = 1
    before = predict(network, setup._replace(workers=1), machine).images
    while workers < LARGEST:
        after = predict(network, setup._replace(workers=2 * workers), machine).images
        if after < FEW * before:
            return workers
        workers, before = 2 * workers, after
    return None


def cures(setup):
    """Return what can be changed, a dict description -> Setup."""
    found = {
        "twice as many ps": setup._replace(servers=2 * setup.servers),
        "large variables divided over the ps": setup._replace(divided=True),
        "batches four times as large": setup._replace(batch=4 * setup.batch),
        "bf16 on the wire": setup._replace(wire=setup.wire / 2.0),
    }
    if setup.servers == 1:
        del found["large variables divided over the ps"]
    return found


def _loads(network, setup):
    """Return what each server has of the variables, and of the gradients of one worker.

    A list of (bytes, tensors) for each server.
    """
    copies = [1] * len(network.variables)
    variables = _sums(network.variables, copies, setup)
    if not setup.by_task:
        return variables, variables
    copies[: network.shared] = [network.tasks] * network.shared
    return variables, _sums(network.variables, copies, setup)


def _sums(sizes, copies, setup):
    """Return (bytes, tensors) of each server, with a number of copies of each variable."""
    if setup.divided:
        total = sum(size * count for size, count in zip(sizes, copies))
        return [(total / setup.servers, sum(copies))] * setup.servers
    loads = [(0, 0)] * setup.servers
    for server, size, count in zip(placed(sizes, setup.servers), sizes, copies):
        loads[server] = (loads[server][0] + size * count, loads[server][1] + count)
    return loads


def _largest(loads):
    """Return the bytes of the server with the most."""
    return max(loads)[0]


def _computing(network, setup):
    """Return the seconds of a worker's pass; on shared cores, workers wait for each other."""
    alone = network.fixed + setup.batch / network.images
    return alone * max(1.0, setup.workers / setup.cores) if setup.cores else alone


def _transfer(loads, workers, setup, machine):
    """Return what limits the transfer between all servers and some workers, and its seconds."""
    sizes = [size * setup.wire for size, _ in loads]
    handled = [size / machine.copy + load[1] * machine.message for size, load in zip(sizes, loads)]
    # A server serves all workers, and a worker all servers.
    link = max(workers * max(sizes), sum(sizes)) / setup.bandwidth
    server = max(workers * max(handled), sum(handled))
    return (NETWORK, link) if link > server else (MESSAGES, server)


def _prediction(network, setup, machine, parts, rate, memory):
    """Return a Prediction; rate: steps/s of all workers."""
    one = network.fixed + setup.batch / network.images + sum(network.variables) / machine.update
    images = rate * setup.batch
    return Prediction(images, images / (setup.workers * setup.batch / one), parts, memory)
