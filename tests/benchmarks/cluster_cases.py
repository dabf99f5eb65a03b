"""The training runs of the benchmark of clusters, and the processes that they run in."""

import contextlib
import time
from typing import NamedTuple

from mtl import machine
from tests.benchmarks import cluster_sides, links, traces, turns
from tests.cluster import local

BATCH = 64  # images of a step, of all synchronous workers together or of each asynchronous one
WORKERS = 4  # with one thread each; one more has all cores
SERVERS = 2
IMAGES = 1920  # of a turn


class Case(NamedTuple):
    """A training run."""

    name: str
    tasks: tuple  # the workers, by their index in the cluster
    sync: bool
    servers: int = 1
    view: int = cluster_sides.DIRECT
    objective: str = "log_sum"

    @property
    def batch(self):
        """The images of a worker in a step."""
        return BATCH // len(self.tasks) if self.sync else BATCH

    @property
    def images(self):
        """The images of all workers in a step of each."""
        return self.batch * len(self.tasks)

    @property
    def steps(self):
        """The steps of a turn."""
        return IMAGES // self.images


@contextlib.contextmanager
def opened():
    """Start the processes; yield a dict name -> turns.Player."""
    cores, count = machine.cores(), WORKERS + 1
    jobs = {cluster_sides.PS: SERVERS, cluster_sides.WORKER: count}
    views, pairs = views_of(jobs)
    openers = {cluster_sides.PS: cluster_sides.server, cluster_sides.WORKER: cluster_sides.worker}
    with contextlib.ExitStack() as stack:
        players = {"links": stack.enter_context(turns.Player("links", links.opened, pairs))}
        for (job, task), view in views.items():
            name, threads = f"{job}{task}", cores
            if job == cluster_sides.WORKER and task < WORKERS:
                threads = 1
            player = turns.Player(name, openers[job], view, job, task, threads)
            players[name] = stack.enter_context(player)
        yield players


def views_of(jobs):
    """Return the addresses that each process sees, and the pairs of links.Links.

    Args:
      jobs: dict job -> number of processes.

    Returns:
      dict (job, task) -> list of dict job -> addresses: without and with the links.
      list of (sender, receiver, address, target).
    """
    members = [(job, task) for job, count in jobs.items() for task in range(count)]
    addresses = local.free_addresses(2 * len(members) + len(members) ** 2)
    own = [dict(zip(members, addresses[first:])) for first in (0, len(members))]
    rest = iter(addresses[2 * len(members) :])
    views, pairs = {}, []
    for member in members:
        slow = {other: next(rest) for other in members}
        slow[member] = own[1][member]
        for other, address in slow.items():
            # A ps sends the state of Adam to another one. Workers do not send to workers.
            if other != member and cluster_sides.PS in (other[0], member[0]):
                pairs.append((member, other, address, own[1][other]))
        views[member] = [_jobs(each) for each in (own[0], slow)]
    return views, pairs


def _jobs(addresses):
    """Return dict job -> list of addresses, of dict (job, task) -> address."""
    found = {}
    for (job, _), address in addresses.items():
        found.setdefault(job, []).append(address)
    return found


class Started:
    """A Case whose processes are ready."""

    def __init__(self, players, case):
        """Build the graphs, and train two steps."""
        self.case = case
        self._all = list(players.values())
        self._players = [players[f"{cluster_sides.WORKER}{task}"] for task in case.tasks]
        count, run = len(case.tasks), f"run{time.monotonic_ns()}"
        self._run = run
        for number, (task, player) in enumerate(zip(case.tasks, self._players)):
            threads = 1 if task < WORKERS else machine.cores()
            config = cluster_sides.config("light", case.batch, threads, objective=case.objective)
            place = (task, number, count, case.servers, run, case.sync, case.view)
            player.tell("build", config, cluster_sides.Place(*place))
        self._answers()
        self._players[0].ask("initialize", run)
        self.turn(2)

    def turn(self, steps):
        """Train some steps; return the seconds."""
        turns.settle([player for player in self._all if player not in self._players], 10.0)
        since = time.perf_counter()
        self._tell("train", steps, self.case.batch)
        self._answers()
        return time.perf_counter() - since

    def traces(self):
        """Train a step; return a list of what Worker.trace returns."""
        self._tell("trace", self.case.batch)
        return self._answers()

    def planned(self):
        """Return the sum of what all workers send in a step, as traces.planned."""
        self._tell("planned")
        return traces.added(self._answers())

    def close(self):
        """Close the sessions."""
        self._tell("close")
        self._answers()

    def _tell(self, method, *arguments):
        for player in self._players:
            player.tell(method, self._run, *arguments)

    def _answers(self):
        return [player.answer() for player in self._players]


@contextlib.contextmanager
def started(players, case):
    """Open a Started."""
    with contextlib.closing(Started(players, case)) as found:
        yield found
