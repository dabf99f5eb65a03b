"""Which processes form a cluster, and which of them is this one; no TensorFlow is imported.

Parameter servers ("ps") hold the variables. Workers compute. The chief is a worker too: it also
initialises, saves and evaluates. It is the process of the job "chief", or worker 0 where there is
no such job. An evaluator only reads the run directory, so it has no address.
"""

import dataclasses
import re
from typing import Dict, List, Optional, Tuple

from mtl.errors import UsageError, shown

CHIEF, WORKER, PS, EVALUATOR = "chief", "worker", "ps", "evaluator"
JOBS = (PS, WORKER, CHIEF, EVALUATOR)
SERVING = (CHIEF, WORKER, PS)  # the jobs with addresses
# What an error calls each part of a description in flags.
FLAGS = {
    "job": "--job_name",
    "index": "--task_index",
    CHIEF: "--chief_hosts",
    WORKER: "--worker_hosts",
    PS: "--ps_hosts",
}
MB = 1e6  # bytes
_HOST = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?|\[[0-9A-Fa-f:.]+(?:%\w+)?\]"
_ADDRESS = re.compile(rf"(?P<host>{_HOST}):(?P<port>[0-9]{{1,5}})", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Cluster:
    """A cluster, and the place of this process in it. Made by `checked`."""

    jobs: Dict[str, Tuple[str, ...]]  # job -> addresses, host:port; without empty jobs
    job: str  # of this process, one of JOBS
    index: int  # of this process within its job
    recovery_timeout: float = 0.0  # seconds to wait for a lost process; 0 does not wait
    largest: int = 0  # bytes of the largest weight that is not divided; 0 divides none

    @property
    def spec(self) -> Dict[str, List[str]]:
        """Return the argument of tf.train.ClusterSpec."""
        return {job: list(addresses) for job, addresses in self.jobs.items()}

    @property
    def workers(self) -> Tuple[Tuple[str, int], ...]:
        """Return (job, index) of each worker, the chief first; its position is its number."""
        jobs = (CHIEF, WORKER)
        return tuple((job, index) for job in jobs for index in range(len(self.jobs.get(job, ()))))

    @property
    def servers(self) -> Tuple[Tuple[str, int], ...]:
        """Return (job, index) of each parameter server."""
        return tuple((PS, index) for index in range(len(self.jobs.get(PS, ()))))

    @property
    def number(self) -> Optional[int]:
        """Return the number of this worker, 0 is the chief; None for a ps or an evaluator."""
        me = (self.job, self.index)
        return self.workers.index(me) if me in self.workers else None

    @property
    def is_chief(self) -> bool:
        """Return whether this process is the chief."""
        return self.number == 0

    @property
    def address(self) -> str:
        """Return host:port of this process; "" for an evaluator."""
        return self.address_of(self.job, self.index)

    @property
    def device(self) -> str:
        """Return the device of this process, such as /job:worker/task:0."""
        return f"/job:{self.job}/task:{self.index}"

    def address_of(self, job: str, index: int) -> str:
        """Return host:port of a process; "" for an evaluator."""
        return "" if job == EVALUATOR else self.jobs[job][index]

    def name_of(self, job: str, index: int) -> str:
        """Return what a message calls a process, such as "worker 1 (10.0.0.2:2222)"."""
        address = self.address_of(job, index)
        return f"{job} {index} ({address})" if address else f"{job} {index}"

    def part(self, batch_size: int) -> Tuple[int, int]:
        """Return (first, last): a synchronous worker computes the examples first .. last - 1."""
        count = len(self.workers)
        return batch_size * self.number // count, batch_size * (self.number + 1) // count

    @property
    def size(self) -> str:
        """Return what versions.json stores: the number of workers affects the last bits."""
        return f"{len(self.workers)} workers, {len(self.servers)} ps"


def from_flags(job_name, task_index, ps_hosts, worker_hosts, chief_hosts="") -> Cluster:
    """Return the Cluster that flags describe.

    Args:
      job_name: str, one of JOBS.
      task_index: int, or None: the only one of its job.
      ps_hosts, worker_hosts, chief_hosts: str, addresses separated by commas.

    Raises:
      UsageError: see `checked`.
    """
    hosts = {PS: ps_hosts, WORKER: worker_hosts, CHIEF: chief_hosts}
    jobs = {job: split(text) for job, text in hosts.items()}
    return checked(jobs, job_name, task_index)


def split(text):
    """Return the parts of a list with commas; an empty part stays, as it is an error."""
    return tuple(part.strip() for part in text.split(",")) if text.strip() else ()


def checked(jobs, job, index, names=FLAGS, recovery_timeout=0.0, largest=0) -> Cluster:
    """Return a Cluster.

    Args:
      jobs: dict job -> sequence of addresses.
      job: str, of this process.
      index: int, or None: the only one of its job.
      names: dict as FLAGS, what an error calls each part.
      recovery_timeout, largest: see Cluster.

    Raises:
      UsageError: the description is wrong or incomplete. The message names the part.
    """
    jobs = {each: tuple(jobs[each]) for each in SERVING if jobs.get(each)}
    if job not in JOBS:
        raise UsageError(f"{names['job']}={shown(job)[:80]} must be one of {', '.join(JOBS)}")
    _check_addresses(jobs, names)
    if len(jobs.get(CHIEF, ())) > 1:
        what = f"{names[CHIEF]} has {len(jobs[CHIEF])} addresses, but a cluster has one chief"
        raise UsageError(f"{what}; move the others to {names[WORKER]}")
    if job != EVALUATOR:
        _check_complete(job, jobs, names)
    index = _checked_index(job, index, len(jobs[job]) if job in SERVING else 1, names)
    return Cluster(jobs, job, index, recovery_timeout, largest)


def check_run(cluster, config):
    """Raise UsageError if a run does not fit the number of its workers.

    Args:
      cluster: Cluster, or None on one machine.
      config: config.Config.
    """
    if cluster and cluster.job == EVALUATOR:
        return  # it need not know the workers
    workers = len(cluster.workers) if cluster else 1
    if config.backup_workers >= workers:
        has = "this cluster has" if cluster else "one machine counts as"
        needs = (
            f"--backup_workers={config.backup_workers} needs {config.backup_workers + 1} workers"
        )
        raise UsageError(f"{needs}, but {has} {workers}; start more, or remove the flag")
    if cluster and config.sync == "all" and config.batch_size % workers:
        multiple = workers * max(1, round(config.batch_size / workers))
        what = f"--batch_size={config.batch_size} cannot be divided among {workers} workers"
        raise UsageError(f"{what}; use --batch_size={multiple}, or --sync=none")


def _check_addresses(jobs, names):
    """Raise UsageError if an address is not host:port, or two processes have the same one."""
    seen = {}
    for job, addresses in jobs.items():
        for address in addresses:
            _check_address(names[job], address)
            if address.lower() in seen:
                both = dict.fromkeys([names[seen[address.lower()]], names[job]])
                cure = "give each process its own host or port"
                raise UsageError(f"{' and '.join(both)}: {address} appears twice; {cure}")
            seen[address.lower()] = job


def _check_address(name, address):
    """Raise UsageError if an address is not host:port."""
    match = _ADDRESS.fullmatch(address)
    if match and 1 <= int(match["port"]) <= 65535:
        return
    cure = "write host:port, such as 10.0.0.1:2222"
    if match:
        raise UsageError(f"{name}: {address} has a port that is not from 1 to 65535; {cure}")
    if re.fullmatch(_HOST, address, re.ASCII):
        raise UsageError(f"{name}: {address} has no port; {cure}")
    raise UsageError(f"{name}: {shown(address)[:80]!r} is not an address; {cure}")


def _check_complete(job, jobs, names):
    """Raise UsageError if a job that a cluster needs has no address."""
    if job not in jobs:
        cure = f"give the addresses of all processes in {names[job]}"
        if job == CHIEF:
            cure += f", or use {names['job']}=worker: worker 0 is the chief where there is none"
        raise UsageError(f"{names['job']}={job}, but {names[job]} is missing; {cure}")
    if not jobs.keys() & {CHIEF, WORKER}:
        cure = "give the addresses of all workers, the same in all processes"
        raise UsageError(f"{names[WORKER]} is missing, so nothing would train; {cure}")
    if PS not in jobs:
        cure = "give the address of at least one; it may run on the host of a worker"
        raise UsageError(f"{names[PS]} is missing: workers need a parameter server; {cure}")


def _checked_index(job, index, count, names):
    """Return the index of this process; raise UsageError if its job has no such process."""
    allowed = "0" if count == 1 else f"0 to {count - 1}"
    where = f"{names[job]} has {count} address" if job in SERVING else f"there is one {job}"
    where += "es" if count > 1 else ""
    if index is None and count > 1:
        cure = f"give the index of this process, {allowed}"
        raise UsageError(f"{names['index']} is missing: {where}; {cure}")
    if index is not None and not 0 <= index < count:
        raise UsageError(f"{names['index']}={index} is out of range: {where}; use {allowed}")
    return index or 0
