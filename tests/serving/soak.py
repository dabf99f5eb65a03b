"""Full load for minutes: no error, and memory, open files and threads do not grow. Linux only.

    python -m tests.serving.soak --minutes=10

It starts `mtl serve --model_dir=pretrained` and 32 clients that send pixels in JSON and in binary
data, encoded images and wrong requests. It fails if an answer has an unexpected status, or if the
server's memory at the end is over 1.02 times that after the first tenth.
"""

import argparse
import io
import os
import sys
import time

from PIL import Image

from tests.benchmarks import serving_load, serving_sides

CLIENTS = 32
MOST = 1.02  # times the memory after the first part
PARTS = 10  # of the time; one line each


def memory(pid):
    """Return the resident memory of a process in MB."""
    with open(f"/proc/{pid}/statm", encoding="utf-8") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def count(pid, what):
    """Return how many open files ("fd") or threads ("task") a process has."""
    return len(os.listdir(f"/proc/{pid}/{what}"))


def right():
    """Return requests that the server answers with 200."""
    found = []
    for image in serving_sides.images(8):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        found.append(serving_load.pixels_json(image[None]))
        found.append(serving_load.pixels_binary(image[None]))
        found.append(serving_load.encoded([file.getvalue()]))
        found.append(serving_load.request("/predict?seen=1", file.getvalue()))
    return found


def wrong():
    """Return requests that the server answers with 400."""
    return [
        serving_load.request("/predict", b"not an image"),
        serving_load.request("/v1/models/mtl:predict", b'{"instances": [NaN]}'),
        serving_load.request("/v2/models/mtl/infer", b"[" * 5000),
    ]


def run(minutes):
    """Load a server; print a line for each part; return the faults, list of str."""
    faults, memories, answers = [], [], 0
    with serving_sides.mtl("pretrained") as (port, process):
        serving_load.closed(port, right(), CLIENTS, 5.0)  # warm
        files, threads = count(process.pid, "fd"), count(process.pid, "task")
        for part in range(PARTS):
            start = time.monotonic()
            seconds = 60 * minutes / PARTS
            found = serving_load.closed(port, right(), CLIENTS, 0.97 * seconds)
            refused = serving_load.closed(port, wrong(), CLIENTS, 0.03 * seconds)
            answers += len(found.latencies) + refused.errors
            if found.errors:
                faults.append(f"part {part + 1}: {found.errors} errors")
            if refused.latencies:
                faults.append(f"part {part + 1}: {len(refused.latencies)} wrong requests accepted")
            memories.append(memory(process.pid))
            passed = time.monotonic() - start
            print(
                f"{part + 1:2}/{PARTS} {passed:4.0f} s  {found.rate:.0f} images/s  "
                f"p50 {found.quantile(0.5):.0f} ms  p99 {found.quantile(0.99):.0f} ms  "
                f"{memories[-1]:.1f} MB  {count(process.pid, 'fd')} files  "
                f"{count(process.pid, 'task')} threads",
                flush=True,
            )
        time.sleep(1.0)  # until the connections are closed
        grown = memories[-1] / memories[0]
        now = count(process.pid, "fd"), count(process.pid, "task")
    print(f"{answers:,} answers; memory {grown:.3f} times; open files {files} and {now[0]}")
    if grown > MOST:
        faults.append(f"memory grew {grown:.3f} times")
    if now[0] > files or now[1] > threads + 1:
        faults.append(f"open files {files} and {now[0]}, threads {threads} and {now[1]}")
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    faults = run(parser.parse_args().minutes)
    print("\n".join(faults) or "no error")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
