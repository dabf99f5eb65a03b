"""The tables of mtl/cluster/SCALE.md, computed from mtl/cluster/measured.py.

python -m tests.benchmarks.scale_page     # writes them again
"""

import pathlib

from mtl.cluster import measured, scale, simulate
from tests.benchmarks import results

PAGE = pathlib.Path(scale.__file__).with_name("SCALE.md")
WORKERS = (1, 4, 16, 64, 1000)
GBITS = (1, 10, 100)
SERVERS = {"light": 2, "paper": 4}
CURED = 64  # workers for which the changes are computed
BOTH = {"sync": scale.synchronous, "async": scale.asynchronous}


def tables():
    """Return the text of each section, dict name -> text."""
    found = {"inputs": _inputs()}
    for network in measured.NETWORKS.values():
        found[network.name] = _predictions(network)
    found["limits"] = _limits()
    found["cures"] = _cures()
    return found


def _setup(network, gbits, workers=1):
    servers, batch = SERVERS[network.name], network.batch
    bandwidth, latency = gbits * simulate.GBIT, simulate.DEFAULT_LATENCY
    return scale.Setup(workers, servers, bandwidth, latency, batch)


def _inputs():
    """Return the measured inputs."""
    costs, rows = measured.MACHINE, []
    for network in measured.NETWORKS.values():
        size, count = sum(network.variables) / 1e6, len(network.variables)
        speed = f"{network.images:.0f} images/s, {1e3 * network.fixed:.1f} ms a step"
        name = f"gradients of `{network.name}`: {count} tensors, {size:.2f} MB, batches"
        rows.append([f"{name} of {network.batch}", speed])
    rows += [
        ["sending and receiving, without a limit of the network", f"{costs.copy / 1e9:.2f} GB/s"],
        ["each tensor that is sent", f"{1e6 * costs.message:.0f} us"],
        ["an empty message between processes, one way", f"{1e6 * costs.hop:.0f} us"],
        ["adding the gradients of one more worker", f"{costs.add / 1e9:.2f} GB/s"],
        ["Adam", f"{costs.update / 1e9:.2f} GB/s of variables"],
        ["spread of the time of a pass (standard deviation of its log)", f"{costs.spread:.3f}"],
    ]
    return f"Measured on: {costs.name}.\n\n" + _table(["input", "value"], rows)


def _predictions(network):
    """Return images/s for each number of workers."""
    rows = []
    for workers in WORKERS:
        row = [str(workers)]
        for predict in BOTH.values():
            for gbits in GBITS:
                row.append(f"{predict(network, _setup(network, gbits, workers)).images:.0f}")
        rows.append(row)
    head = ["workers", *(f"{mode}, {gbits}" for mode in BOTH for gbits in GBITS)]
    return _table(head, rows)


def _limits():
    """Return where twice the workers bring less than 10%, and what the limit is there."""
    rows = []
    for network in measured.NETWORKS.values():
        for mode, predict in BOTH.items():
            row = [f"`{network.name}`, {mode}"]
            for gbits in GBITS:
                setup = _setup(network, gbits)
                flat = scale.flat_from(predict, network, setup)
                workers = flat or scale.LARGEST
                found = predict(network, setup._replace(workers=workers))
                row.append(f"{'' if flat else 'over '}{workers}: {found.limit}")
            rows.append(row)
    return _table(["", *(f"{gbits} Gbit/s" for gbits in GBITS)], rows)


def _cures():
    """Return what each change brings."""
    rows = {}
    for network in measured.NETWORKS.values():
        setup = _setup(network, 10, CURED)
        for predict in BOTH.values():
            before = predict(network, setup).images
            for change, other in scale.cures(setup).items():
                gain = predict(network, other).images / before
                rows.setdefault(change, []).append(f"{gain:.1f}")
    head = [f"`{name}`, {mode}" for name in measured.NETWORKS for mode in BOTH]
    return _table(["times as fast with", *head], [[name, *row] for name, row in rows.items()])


def _table(head, rows):
    """Return a Markdown table."""
    lines = [f"| {' | '.join(row)} |" for row in [head, *rows]]
    lines.insert(1, f"|---|{'---:|' * (len(head) - 1)}")
    return "\n".join(lines)


def main():
    page = PAGE.read_text(encoding="utf-8")
    for name, text in tables().items():
        page = results.replace(page, name, text)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
