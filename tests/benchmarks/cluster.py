"""Clusters on this machine, and the inputs and the error of the model of mtl/cluster/scale.py."""

import contextlib
import time

import numpy as np

from mtl import machine
from mtl.cluster import measured, scale
from tests.benchmarks import cluster_cases, cluster_inputs, cluster_sides, tables, traces

TITLE = "Clusters of processes on this machine, `light`, fp32"
ROUNDS = 3
SLOW_STEPS = 5  # of a turn
SLOW_GBITS = 0.4  # much less than TensorFlow's runtime can send
SLOW_LATENCY = 0.002  # seconds


def run(arguments):
    """Measure and print the tables."""
    since = time.monotonic()
    with cluster_cases.opened() as players:
        found = cluster_inputs.measure(players, cluster_cases.BATCH)
        cluster_inputs.show(found)
        _show_bytes(players)
        _show_phases(players)
        errors = [
            *_show_rates(players, found, min(ROUNDS, arguments.rounds)),
            *_show_slow(players, found),
        ]
    middle, largest = np.median(np.abs(errors)), max(errors, key=abs)
    print(f"Error of the model: {middle:.0%} in the median, at most {largest:+.0%}.\n")
    print(f"All of this took {time.monotonic() - since:.0f} s.")


def _show_bytes(players):
    """Print the bytes of a step."""
    print(
        "Bytes of a synchronous step, to and from all ps, for all workers. RunMetadata rounds them,"
    )
    print("and does not record every tensor:\n")
    rows = []
    for count, servers, objective in ((1, 1, "log_sum"), (2, 2, "log_sum"), (2, 2, "mgda")):
        case = cluster_cases.Case("bytes", tuple(range(count)), True, servers, objective=objective)
        with cluster_cases.started(players, case) as started:
            planned, steps = started.planned(), 10
            before = traces.loopback_bytes()
            started.turn(steps)
            counted = (traces.loopback_bytes() - before) / steps
            traced = traces.added([sent for sent, _ in started.traces()])
        model = _modelled_bytes(case)
        largest = max(_of(planned, f"ps{index}") for index in range(servers))
        row = [f"{count} workers, {servers} ps, `{objective}`"]
        numbers = (model, sum(planned.values()), sum(traced.values()), counted, largest)
        rows.append(row + [f"{number / 1e6:.2f}" for number in numbers])
    head = ["MB", "model", "graph", "RunMetadata", "counted at the interface", "largest ps"]
    tables.table(head, rows)


def _modelled_bytes(case):
    """Return the bytes of a step that the model of scale.py transfers."""
    by_task = case.objective == "mgda"
    setup = scale.Setup(len(case.tasks), case.servers, 1.0, 0.0, case.batch, by_task)
    found = 0.0
    for loads, workers in scale.transfers(measured.LIGHT, setup):
        found += workers * sum(size for size, _ in loads)
    return found


def _of(totals, name):
    """Return the bytes to and from a process."""
    return sum(size for ends, size in totals.items() if name in ends)


def _show_phases(players):
    """Print what the workers do in a step."""
    print(
        "Milliseconds of a synchronous step, mean of the workers and of 5 steps, one ps. Recording"
    )
    print("takes time itself:\n")
    rows = []
    for count in range(1, cluster_cases.WORKERS + 1):
        with cluster_cases.started(
            players, cluster_cases.Case("phases", tuple(range(count)), True)
        ) as started:
            found = [phases for _ in range(5) for _, phases in started.traces()]
        means = 1e3 * np.mean(found, axis=0)
        rows.append([str(count), *(f"{value:.1f}" for value in means)])
    head = ["workers", "receiving variables", "computing", "exchanging losses"]
    tables.table([*head, "sending gradients", "additions, update, waiting"], rows)


def _cases():
    """List the cases whose rates are measured."""
    found = []
    for sync in (True, False):
        kind = "synchronous" if sync else "asynchronous"
        found.append(
            cluster_cases.Case(f"1 worker with all cores, {kind}", (cluster_cases.WORKERS,), sync)
        )
        for count in range(1, cluster_cases.WORKERS + 1):
            found.append(
                cluster_cases.Case(f"{count} x 1 thread, {kind}", tuple(range(count)), sync)
            )
    return found


def _show_rates(players, found, rounds):
    """Print images/s of local clusters, and what the model predicts; return its errors."""
    batch = cluster_cases.BATCH
    print(f"Images/s. Synchronous workers share a batch of {batch}, asynchronous ones have {batch}")
    print(f"each. Medians of {rounds} rounds of {cluster_cases.IMAGES} images in turns; one ps:\n")
    player = players[cluster_inputs.LARGE]
    with contextlib.ExitStack() as stack:
        listed = [stack.enter_context(cluster_cases.started(players, case)) for case in _cases()]
        rates, one = {each.case: [] for each in listed}, []
        for number in range(rounds):
            seconds = player.ask(
                "train",
                cluster_inputs.ALONE,
                cluster_cases.IMAGES // cluster_cases.BATCH,
                cluster_cases.BATCH,
            )
            one.append(cluster_cases.BATCH / np.mean(seconds))
            for started in listed if number % 2 == 0 else reversed(listed):
                case = started.case
                rates[case].append(case.steps * case.images / started.turn(case.steps))
    rows, errors = [["one process", f"{np.median(one):.0f}", "1.00", "", ""]], []
    tables.record("cluster", "one process", "mtl", one, "images/s")
    for case, values in rates.items():
        setup = scale.Setup(len(case.tasks), 1, 1e15, 0.0, case.batch, cores=machine.cores())
        predicted, error = _predicted(case, values, setup, found)
        ratio = np.median(np.array(values) / one)
        cells = (f"{np.median(values):.0f}", f"{ratio:.2f}", f"{predicted:.0f}", f"{error:+.0%}")
        rows.append([case.name, *cells])
        errors.append(error)
    tables.table(["", "images/s", "one process = 1", "model", "error"], rows)
    return errors


def _show_slow(players, found):
    """Print images/s of local clusters with slow links; return the errors of the model."""
    print(f"The same over a proxy: {SLOW_GBITS} Gbit/s for each process in each direction, and a")
    print(f"latency of {1e3 * SLOW_LATENCY:.0f} ms one way; {SLOW_STEPS} steps:\n")
    players["links"].ask("set", SLOW_GBITS * 1e9 / 8.0, SLOW_LATENCY)
    rows, errors, link = [], [], (SLOW_GBITS * 1e9 / 8.0, SLOW_LATENCY)
    for case in _slow_cases():
        with cluster_cases.started(players, case) as started:
            seconds = [started.turn(SLOW_STEPS) for _ in range(2)]
        values = [SLOW_STEPS * case.images / each for each in seconds]
        setup = scale.Setup(len(case.tasks), case.servers, *link, case.batch, cores=machine.cores())
        predicted, error = _predicted(case, values, setup, found)
        rows.append([case.name, f"{np.median(values):.0f}", f"{predicted:.0f}", f"{error:+.0%}"])
        errors.append(error)
    tables.table(["", "images/s", "model", "error"], rows)
    return errors


def _slow_cases():
    """List the cases with slow links."""
    found = []
    for kind in ("synchronous", "asynchronous"):
        for count, servers in ((1, 1), (2, 1), (4, 1), (4, 2)):
            name, tasks = f"{count} x 1 thread, {servers} ps, {kind}", tuple(range(count))
            found.append(
                cluster_cases.Case(name, tasks, kind == "synchronous", servers, cluster_sides.SLOW)
            )
    return found


def _predicted(case, values, setup, found):
    """Return the images/s that the model predicts, and its error; values: measured."""
    tables.record("cluster", case.name, "mtl", values, "images/s")
    predict = scale.synchronous if case.sync else scale.asynchronous
    network = found.light if case.tasks[0] == cluster_cases.WORKERS else found.thread
    predicted = predict(network, setup, found.machine).images
    return predicted, predicted / np.median(values) - 1.0
