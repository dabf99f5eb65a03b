"""The server under load: against the network in its own process, and against other servers."""

import contextlib
import io
import os
import tempfile

import numpy as np
from PIL import Image

from tests.benchmarks import serving_load, serving_sides, tables, turns

TITLE = "`mtl serve --model_dir=pretrained`: 64 x 64 pixels, four views"
CLIENTS = 32
SECONDS = 6.0  # of a turn
ROUNDS = 3
BATCH = 256  # of the network in its own process
SLOW = 1000  # clients that send one byte a second
OTHERS = {"LitServe": "serving_litserve", "BentoML": "serving_bentoml"}


def run(arguments):
    """Measure and print the tables."""
    rounds = min(ROUNDS, arguments.rounds)
    with contextlib.ExitStack() as stack:
        direct = stack.enter_context(turns.Player("in process", serving_sides.in_process))
        port, _ = stack.enter_context(serving_sides.mtl("pretrained"))
        capacity = _show_rates(direct, port, rounds)
        _show_single(direct, port, rounds)
        _show_half(port, capacity / 2)
        _show_slow(port)
    _show_others(arguments.servers, rounds)


def _requests():
    """Return the requests of one image, dict name -> list of bytes."""
    given = serving_sides.images(CLIENTS)
    files = []
    for image in given:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        files.append(file.getvalue())
    return {
        "pixels, JSON": [serving_load.pixels_json(image[None]) for image in given],
        "pixels, binary": [serving_load.pixels_binary(image[None]) for image in given],
        "PNG, base64": [serving_load.encoded([file]) for file in files],
        "PNG, /predict": [serving_load.request("/predict", file) for file in files],
    }


def _show_rates(direct, port, rounds):
    """Print images/s; return those of pixels in JSON."""
    print(f"Images/s. Each of {CLIENTS} clients sends one image and waits for the answer. The")
    print(f"clients run on the same cores. Medians of {rounds} turns of {SECONDS:.0f} s:\n")
    requests = _requests()
    batch = serving_sides.images(BATCH)
    one, rates = [], {name: [] for name in requests}
    for name in requests:  # warm
        serving_load.closed(port, requests[name], CLIENTS, 1.0)
    direct.ask("predict", batch, 2.0)
    for _ in range(rounds):
        one.append(BATCH / np.median(direct.ask("predict", batch, SECONDS)))
        for name, data in requests.items():
            found = serving_load.closed(port, data, CLIENTS, SECONDS)
            if found.errors:
                raise SystemExit(f"benchmarks: {found.errors} errors of {name}")
            rates[name].append(found.rate)
    rows = [[f"in process, batches of {BATCH}", f"{np.median(one):.0f}", "1.00"]]
    tables.record("serving", "in process", "mtl", one, "images/s")
    for name, values in rates.items():
        tables.record("serving", name, "mtl serve", values, "images/s")
        ratio = np.median(np.array(values) / one)
        rows.append([name, f"{np.median(values):.0f}", f"{ratio:.2f}"])
    tables.table(["", "images/s", "in process = 1"], rows)
    return float(np.median(rates["pixels, JSON"]))


def _show_single(direct, port, rounds):
    """Print the time of one image."""
    print("Milliseconds of one image, one client:\n")
    requests, given = _requests(), serving_sides.images(1)
    kept = {"in process": [], **{name: [] for name in requests}}
    for number in range(rounds + 1):  # the first is warm-up
        found = {"in process": direct.ask("predict", given, 3.0)}
        for name, data in requests.items():
            found[name] = serving_load.closed(port, data[:1], 1, 3.0).latencies
        for name, values in found.items():
            kept[name] += values if number else []
    rows, base = [], np.median(kept["in process"])
    for name, values in kept.items():
        middle, high = np.quantile(values, [0.5, 0.99])
        more = f"{1e3 * (middle - base):+.1f}" if name != "in process" else ""
        rows.append([name, f"{1e3 * middle:.1f}", f"{1e3 * high:.1f}", more])
    tables.table(["", "p50", "p99", "p50 more than in process"], rows)


def _show_half(port, rate):
    """Print latencies at half of the capacity."""
    print(f"Milliseconds at {rate:.0f} images/s, half of what the {CLIENTS} clients reached with")
    print("JSON. A time counts from the arrival:\n")
    data = _requests()["pixels, JSON"][0]
    rows = []
    for number in range(3):
        for name, seed in (("equal", None), ("random (Poisson)", number)):
            found = serving_load.arriving(port, data, rate, 12.0, seed)
            p50, p99 = found.quantile(0.5), found.quantile(0.99)
            cells = (f"{found.rate:.0f}", f"{p50:.1f}", f"{p99:.1f}", f"{p99 / p50:.2f}")
            rows.append([name, *cells, str(found.errors)])
    head = ["distances of arrivals", "images/s", "p50", "p99", "p99 / p50", "errors"]
    tables.table(head, sorted(rows))


def _show_slow(port):
    """Print the time of a quick client beside slow ones."""
    print(f"Milliseconds of one image, PNG to /predict, beside {SLOW:,} clients that each send one")
    print("byte of a request a second:\n")
    data = _requests()["PNG, /predict"][:1]
    alone = serving_load.closed(port, data, 1, 5.0)
    with serving_load.slow(port, SLOW):
        beside = serving_load.closed(port, data, 1, 5.0)
    rows = []
    for name, found in (("alone", alone), (f"beside {SLOW:,} slow clients", beside)):
        cells = [f"{found.quantile(share):.1f}" for share in (0.5, 0.99)]
        rows.append([name, *cells, str(found.errors)])
    tables.table(["", "p50", "p99", "errors"], rows)


def _show_others(python, rounds):
    """Print images/s of the same SavedModel in several servers."""
    if not python:
        print("Other servers: skipped; name a Python that has them with --servers.\n")
        return
    print(
        f"Images/s of the same SavedModel, pixels in JSON, {CLIENTS} clients, medians of {rounds}"
    )
    print(f"turns of {SECONDS:.0f} s. Only the server of the turn runs. LitServe and BentoML have")
    print("batches of at most 32 and are not tuned further; BentoML sends no number:\n")
    given = serving_sides.images(CLIENTS)
    rates, times, errors = {}, {}, {}
    with tempfile.TemporaryDirectory() as out:
        serving_sides.export(out)
        version = os.path.join(out, "1")
        for _ in range(rounds):
            for name in ("mtl serve, run", "mtl serve, SavedModel", *OTHERS):
                with _started(name, python, out, version) as (port, path):
                    data = [serving_load.pixels_json(image[None], path) for image in given]
                    serving_load.closed(port, data, CLIENTS, 4.0)
                    found = serving_load.closed(port, data, CLIENTS, SECONDS)
                    single = serving_load.closed(port, data[:1], 1, 3.0)
                errors[name] = errors.get(name, 0) + found.errors + single.errors
                rates.setdefault(name, []).append(found.rate)
                times.setdefault(name, []).append(single.quantile(0.5))
    rows = []
    for name, values in rates.items():
        tables.record("serving others", name, name, values, "images/s")
        cells = (f"{np.median(values):.0f}", f"{np.median(times[name]):.1f}")
        rows.append([name, *cells, str(errors[name])])
    tables.table(["", "images/s", "p50 of one image, ms", "errors"], rows)


@contextlib.contextmanager
def _started(name, python, out, version):
    """Start one server; yield its port and the path of its predictions."""
    if name in OTHERS:
        with serving_sides.other(python, OTHERS[name], version) as (port, _):
            yield port, "/predict"
    else:
        model_dir = out if "SavedModel" in name else "pretrained"
        with serving_sides.mtl(model_dir) as (port, _):
            yield port, "/v1/models/mtl:predict"
