"""The files in flags/cluster/: every process that they start has valid flags and its own place.

Nothing here starts Slurm, Kubernetes or Docker: their part is what this file computes, from their
documentation.
"""

import json
import os
import pathlib
import re
import shlex
import subprocess

import pytest

from mtl.cli import cluster_flags
from mtl.cluster import slurm
from tests.cluster import small_yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "flags" / "cluster"


@pytest.fixture
def started(command, monkeypatch):
    """A function (words of a command, environment) -> the Cluster that its process is in."""
    found = []
    make = cluster_flags.cluster
    monkeypatch.setattr(
        cluster_flags, "cluster", lambda values: found.append(make(values)) or found[-1]
    )
    monkeypatch.chdir(ROOT)

    def start(words, environment=()):
        assert words[:2] == ["mtl", "train"]
        with pytest.MonkeyPatch.context() as patch:
            for name in ("TF_CONFIG", slurm.RANK, slurm.NODES, slurm.TASKS):
                patch.delenv(name, raising=False)
            for name, value in dict(environment).items():
                patch.setenv(name, value)
            assert command(*words[1:], "--only_check_args") == (0, "", "")
        return found[-1]

    return start


def check_complete(members, ps, workers):
    """Assert that the processes are all those of one cluster."""
    assert len({json.dumps(member.spec) for member in members}) == 1
    places = [(member.job, member.index) for member in members]
    assert sorted(places) == sorted(
        [("ps", index) for index in range(ps)] + list(members[0].workers)
    )
    assert len(members[0].workers) == workers
    assert len({member.address for member in members}) == ps + workers


def read(name):
    return (FOLDER / name).read_text(encoding="utf-8")


def load(name):
    return small_yaml.load(read(name))


@pytest.mark.parametrize("name", ["compose.yaml", "tfjob.yaml"])
def test_the_reader_of_the_tests_agrees_with_pyyaml(name):
    yaml = pytest.importorskip("yaml")
    assert load(name) == yaml.safe_load(read(name))


def test_every_file_is_tested_here():
    tested = {"two_terminals.flags", "four_machines.flags", "slurm.sbatch", "compose.flags"}
    tested |= {"compose.yaml", "tfjob.yaml", "Dockerfile"}
    assert {path.name for path in FOLDER.iterdir()} == tested


def test_the_commands_of_two_terminals_are_a_cluster(started):
    lines = re.findall(r"^#   (mtl train .*?)(?: &)?$", read("two_terminals.flags"), re.MULTILINE)
    check_complete([started(line.split()) for line in lines], ps=1, workers=2)


def test_the_commands_of_four_machines_are_a_cluster(started):
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^    (mtl train .*four_machines.*?) +#", page, re.MULTILINE)
    check_complete([started(line.split()) for line in lines], ps=1, workers=4)
    for line in re.findall(r"^#   (mtl train .*)$", read("four_machines.flags"), re.MULTILINE):
        assert line in lines


# -- Slurm -----------------------------------------------------------------------------------------


@pytest.fixture
def srun(tmp_path):
    """Run the script with an srun that writes its arguments; return them."""
    fake = tmp_path / "srun"
    fake.write_text('#!/bin/bash\nprintf "%s\\n" "$@"\n')
    fake.chmod(0o755)
    given = {"SLURM_JOB_ID": "4321987", "SLURM_CPUS_PER_TASK": "4"}
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", **given}
    done = subprocess.run(
        ["bash", FOLDER / "slurm.sbatch"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_the_tasks_of_slurm_are_a_cluster(started, srun):
    own, words = srun[: srun.index("mtl")], srun[srun.index("mtl") :]
    assert "--distribution=block" in own, "the order that --slurm_ps needs"
    tasks = int(re.search(r"^#SBATCH --ntasks=(\d+)$", read("slurm.sbatch"), re.MULTILINE)[1])
    step = {slurm.NODES: "n[09-10]", slurm.TASKS: f"{tasks - 2},2"}
    members = [started(words, {slurm.RANK: str(rank), **step}) for rank in range(tasks)]
    check_complete(members, ps=1, workers=tasks - 1)
    ports = {int(member.address.split(":")[1]) for member in members}
    assert min(ports) == 11987 and max(ports) < 32768, "below the ports that Linux gives to clients"


def test_options_of_sbatch_come_before_the_first_command():
    lines = read("slurm.sbatch").splitlines()
    commands = [i for i, line in enumerate(lines) if line and not line.startswith("#")]
    options = [i for i, line in enumerate(lines) if line.startswith("#SBATCH")]
    assert lines[0] == "#!/bin/bash" and max(options) < commands[0]


# -- Kubeflow --------------------------------------------------------------------------------------

# The part of the CustomResourceDefinition tfjobs.kubeflow.org, v1, that the file uses:
# charts/training-operator/crds/kubeflow.org_tfjobs.yaml of kubeflow/training-operator. A tuple is
# (the required fields, the fields).
CONTAINER = (
    {"name"},
    {
        "name": str,
        "image": str,
        "command": [str],
        "volumeMounts": [({"mountPath", "name"}, {"mountPath": str, "name": str})],
    },
)
VOLUME = (
    {"name"},
    {"name": str, "persistentVolumeClaim": ({"claimName"}, {"claimName": str})},
)
POD = ({"containers"}, {"containers": [CONTAINER], "volumes": [VOLUME]})
REPLICA = (set(), {"replicas": int, "restartPolicy": str, "template": (set(), {"spec": POD})})
TYPES = ("PS", "Worker", "Chief", "Master", "Evaluator")
TFJOB = (
    {"apiVersion", "kind", "metadata", "spec"},
    {
        "apiVersion": str,
        "kind": str,
        "metadata": ({"name"}, {"name": str}),
        "spec": (
            {"tfReplicaSpecs"},
            {
                "runPolicy": (set(), {"cleanPodPolicy": str}),
                "tfReplicaSpecs": (set(), dict.fromkeys(TYPES, REPLICA)),
            },
        ),
    },
)


def errors(value, schema, where="TFJob"):
    """List what is wrong with a value."""
    if isinstance(schema, tuple):
        required, fields = schema
        if not isinstance(value, dict):
            return [f"{where} is no object"]
        found = [f"{where}.{name} is missing" for name in sorted(required - set(value))]
        found += [f"{where}.{name} is unknown" for name in sorted(set(value) - set(fields))]
        for name in set(value) & set(fields):
            found += errors(value[name], fields[name], f"{where}.{name}")
        return found
    if isinstance(schema, list):
        if not isinstance(value, list):
            return [f"{where} is no list"]
        return [error for each in value for error in errors(each, schema[0], where)]
    return [] if type(value) is schema else [f"{where} is no {schema.__name__}"]


def test_the_tfjob_fits_the_published_schema():
    assert errors(load("tfjob.yaml"), TFJOB) == []


@pytest.mark.parametrize(
    "line, changed, expected",
    [
        ("kind: TFJob\n", "", ["TFJob.kind is missing"]),
        ("replicas: 3", "replicas: x", ["TFJob.spec.tfReplicaSpecs.Worker.replicas is no int"]),
        ("    Worker:", "    Workers:", ["TFJob.spec.tfReplicaSpecs.Workers is unknown"]),
        ("cleanPodPolicy", "cleanPods", ["TFJob.spec.runPolicy.cleanPods is unknown"]),
    ],
)
def test_the_check_of_the_schema_finds_errors(line, changed, expected):
    assert line in read("tfjob.yaml")
    assert errors(small_yaml.load(read("tfjob.yaml").replace(line, changed)), TFJOB) == expected


def test_the_tfjob_passes_the_checks_of_the_operator():
    job = load("tfjob.yaml")
    assert (job["apiVersion"], job["kind"]) == ("kubeflow.org/v1", "TFJob")
    assert job["spec"]["runPolicy"]["cleanPodPolicy"] in ("All", "Running", "None")
    for kind, replica in job["spec"]["tfReplicaSpecs"].items():
        assert replica["restartPolicy"] == "ExitCode"
        pod = replica["template"]["spec"]
        assert [container["name"] for container in pod["containers"]] == ["tensorflow"], kind
        assert all(container["image"] for container in pod["containers"])
        mounts = {each["name"] for each in pod["containers"][0].get("volumeMounts", [])}
        assert mounts == {each["name"] for each in pod.get("volumes", [])}
    assert job["spec"]["tfReplicaSpecs"]["Chief"]["replicas"] == 1


def test_the_pods_of_the_tfjob_are_a_cluster(started):
    job = load("tfjob.yaml")
    name, replicas = job["metadata"]["name"], job["spec"]["tfReplicaSpecs"]
    # As the operator writes it: the names in lower case, and no evaluator in the cluster.
    hosts = {
        kind.lower(): [
            f"{name}-{kind.lower()}-{index}.default.svc:2222"
            for index in range(replica["replicas"])
        ]
        for kind, replica in replicas.items()
    }
    members = []
    for kind, replica in replicas.items():
        container = replica["template"]["spec"]["containers"][0]
        for index in range(replica["replicas"]):
            task = {"type": kind.lower(), "index": index}
            text = json.dumps({"cluster": hosts, "task": task, "environment": "cloud"})
            members.append(started(container["command"], {"TF_CONFIG": text}))
            mounts = [each["mountPath"] for each in container.get("volumeMounts", [])]
            assert mounts == (["/runs"] if members[-1].is_chief else [])
    check_complete(members, ps=1, workers=4)


# -- Docker ----------------------------------------------------------------------------------------


def test_the_services_of_compose_are_a_cluster(started):
    services = load("compose.yaml")["services"]
    members = {name: started(service["command"]) for name, service in services.items()}
    check_complete(list(members.values()), ps=1, workers=2)
    for name, member in members.items():
        assert member.address == f"{name}:2222", "a service reaches another one by its name"
        assert ("volumes" in services[name]) == member.is_chief
        assert "ports" not in services[name], "no port is open to the outside"


def test_the_image_is_built_of_what_the_package_needs():
    compose = load("compose.yaml")
    built = [service for service in compose["services"].values() if "build" in service]
    assert len(built) == 1 and {each["image"] for each in compose["services"].values()} == {"mtl"}
    context = (FOLDER / built[0]["build"]["context"]).resolve()
    assert context == ROOT
    lines = (context / built[0]["build"]["dockerfile"]).read_text().splitlines()
    copied = [word for line in lines if line.startswith("COPY") for word in shlex.split(line)[1:-1]]
    assert set(copied) == {"setup.py", "README.md", "LICENSE", "mtl", "flags"}
    assert all((context / name).exists() for name in copied)
