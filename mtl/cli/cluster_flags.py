"""The flags of `mtl train` that say which process of a cluster this one is.

They describe a process, not a run, so they are no fields of Config: flags.flags repeats a run on
one machine or on any cluster. --sync and --backup_workers are fields, because they decide what is
trained.
"""

import os

from absl import flags as absl_flags

from mtl.cluster import slurm, spec, tf_config
from mtl.errors import UsageError

DEFAULT_PORT = 8888  # that of TensorFlow's SlurmClusterResolver


def define(values):
    """Define the flags of a process of a cluster."""
    text = (
        "what this process does in a cluster: ps holds the variables, a worker computes, the chief "
        "also saves and evaluates (worker 0 where there is no chief), an evaluator evaluates the "
        "checkpoints; default: train on one machine, or as the environment variable TF_CONFIG says"
    )
    absl_flags.DEFINE_enum("job_name", None, spec.JOBS, text, flag_values=values)
    text = "index of this process among those of its job, from 0"
    absl_flags.DEFINE_integer("task_index", None, text, flag_values=values)
    text = "host:port of each parameter server, separated by commas; the same in all processes"
    absl_flags.DEFINE_string("ps_hosts", "", text, flag_values=values)
    text = "host:port of each worker, separated by commas; the same in all processes"
    absl_flags.DEFINE_string("worker_hosts", "", text, flag_values=values)
    text = "host:port of the chief, if it is not worker 0"
    absl_flags.DEFINE_string("chief_hosts", "", text, flag_values=values)
    text = (
        "how many tasks of this Slurm step are parameter servers; the others are workers, and no "
        "host is given; 0 does not ask Slurm"
    )
    absl_flags.DEFINE_integer("slurm_ps", 0, text, flag_values=values)
    text = "with --slurm_ps: port of the first task on each node; the next tasks have the next ones"
    absl_flags.DEFINE_integer("slurm_port", DEFAULT_PORT, text, flag_values=values)
    text = (
        "seconds to wait for a process of the cluster that was lost and may be started again; 0 "
        "ends with an error at once"
    )
    absl_flags.DEFINE_float("recovery_timeout", 0.0, text, flag_values=values)
    text = (
        "divide weights of more than this many MB among the parameter servers; the same in all "
        "processes; 0 divides none"
    )
    absl_flags.DEFINE_float("partition_mb", 0.0, text, flag_values=values)
    text = "the chief does not evaluate; a process with --job_name=evaluator does"
    absl_flags.DEFINE_boolean("separate_evaluator", False, text, flag_values=values)


def cluster(values, environment=None):
    """Return the cluster.spec.Cluster that the flags, TF_CONFIG or Slurm describe; else None.

    Args:
      values: FlagValues.
      environment: dict str -> str; default os.environ.

    Raises:
      UsageError: the description is wrong, incomplete or contradicts another one.
    """
    environment = os.environ if environment is None else environment
    timeout, largest = values.recovery_timeout, values.partition_mb
    if not 0 <= timeout < float("inf"):
        raise UsageError(f"--recovery_timeout={timeout:g} must be 0 or more seconds, and finite")
    if largest and not 0.001 <= largest < float("inf"):
        raise UsageError(f"--partition_mb={largest:g} must be 0, or 0.001 or more, and finite")
    given = _given(values)
    if values.slurm_ps or values["slurm_port"].present:
        described, names = _of_slurm(values, given, environment), slurm.NAMES
    else:
        described, names = tf_config.agreed(given, environment.get("TF_CONFIG"))
    found = None
    if described:
        _check_job(described)
        job, index = described["job"], described.get("index")
        found = spec.checked(described, job, index, names, timeout, int(largest * spec.MB))
    for name, value in (("recovery_timeout", timeout), ("partition_mb", largest)):
        if found is None and value:
            what = f"--{name}={value:g} needs a cluster"
            raise UsageError(f"{what}; describe it with --job_name, or remove the flag")
    if found and found.job == "evaluator" and not values.separate_evaluator:
        cure = "give all processes --separate_evaluator"
        raise UsageError(f"an evaluator has nothing to do, because the chief evaluates; {cure}")
    return found


def _given(values):
    """Return the description in the flags that are given, dict part -> value."""
    given = {}
    for job in spec.SERVING:
        addresses = spec.split(values[f"{job}_hosts"].value)
        if addresses:
            given[job] = addresses
    if values.job_name is not None:
        given["job"] = values.job_name
    if values.task_index is not None:
        given["index"] = values.task_index
    return given


def _of_slurm(values, given, environment):
    """Return the description of a Slurm step."""
    if values.slurm_ps < 1:
        what = f"--slurm_ps={values.slurm_ps} must be the number of parameter servers"
        raise UsageError(f"{what}; use 1 or more with --slurm_port")
    if values.slurm_port < 1:
        raise UsageError(f"--slurm_port={values.slurm_port} must be from 1 to 65535")
    if given:
        name = spec.FLAGS[next(iter(given))]
        raise UsageError(f"--slurm_ps and {name} both describe the cluster; remove one of them")
    if tf_config.parse(environment.get("TF_CONFIG")):
        raise UsageError("--slurm_ps and TF_CONFIG both describe a cluster; unset TF_CONFIG")
    return slurm.describe(environment, values.slurm_ps, values.slurm_port)


def _check_job(described):
    """Raise UsageError if nothing says which member of the cluster this process is."""
    if "job" not in described:
        name = spec.FLAGS[next(iter(described))]
        cure = f"add --job_name={'|'.join(spec.JOBS)}, or remove the flag"
        raise UsageError(f"{name} needs --job_name, the job of this process; {cure}")
