"""A process that reads files which may kill it.

It reads [kind, path, measured] as JSON from each line of stdin, and writes the answer as one line.
"""

import contextlib
import ctypes
import gc
import json
import math
import os
import sys
import time

DIGITS = set("0123456789")


def digitstruct(path):
    from mtl.data.svhn import digit_struct

    found = list(digit_struct.entries(path))
    for entry in found:
        assert entry.name == os.path.basename(entry.name) != ""
        assert len(entry.boxes) == len(entry.number)
        assert set(entry.number) <= DIGITS
        assert all(math.isfinite(side) for box in entry.boxes for side in box)
    return len(found)


def image(path):
    from mtl.data import images

    found = images.read(path)
    assert found.mode == "RGB"
    assert 0 < found.width * found.height <= images.MAX_PIXELS
    assert images.window(found).shape == (64, 64, 3)
    return list(found.size)


def examples(found):
    assert found.inputs.shape == (len(found.numbers), 64, 64, 3)
    assert len(found.names) == len(found.numbers)
    assert all(set(number) <= DIGITS for number in found.numbers)
    return len(found.numbers)


def records(path):
    from mtl.data.records import reader

    return examples(reader.load(path, "train"))


def training(path):
    """Read one training batch of records, which goes another way."""
    from mtl import tasks
    from mtl.data.records import reader

    windows, labels = next(reader.windows(path, "train", 2, 0, workers=1)(0))
    assert windows.shape == (2, 64, 64, 3)
    return [tasks.decode(dict(zip(labels, row))) for row in zip(*labels.values())]


def labels(path):
    from mtl.data import folder

    return len(folder.read_labels(path))


def labelled(path):
    from mtl.data import folder

    return examples(folder.load(path, "train"))


def numpy(path):
    from mtl.data import npz

    found = npz.read(path)
    assert found.inputs.dtype in ("uint8", "float32") and found.inputs.ndim == 4
    assert len(found.inputs) == len(found.names) == len(found.numbers)
    return len(found.names)


OWN = "kind:3,size:real"


def own(found):
    """Check examples of own tasks; return their number."""
    from mtl import tasks

    assert found.inputs.dtype in ("uint8", "float32")
    tasks.check_labels(found.labels, tasks.parse(OWN), len(found.inputs))
    assert len(found.names) == len(found.inputs)
    return len(found.names)


def own_numpy(path):
    from mtl import tasks
    from mtl.data import npz

    return own(npz.read(path, tasks.parse(OWN)))


def own_table(path):
    from mtl import tasks
    from mtl.data import table

    found = table.load(path, "train", tasks=tasks.parse(OWN))
    assert found.inputs.shape == (len(found.names), len(found.columns))
    return own(found)


def manifest(path):
    from mtl.data.records import manifest

    return sorted(manifest.read_manifest(path)["splits"])


def checksums(path):
    from mtl.data.svhn import checksums

    return len(checksums.read(path))


def archive(path):
    from mtl.data.svhn import unpack

    unpack.unpack(path, "train", f"{path}.out", lambda line: None, lambda *done: None)


def flagfile(path):
    """Parse the flags of `mtl train` in the folder of a flagfile."""
    from absl import flags as absl_flags

    from mtl.cli import flags, train

    os.chdir(os.path.dirname(path))
    values = absl_flags.FlagValues()
    train.define(values)
    flags.define(values)
    rest = flags.parse(values, ["train", f"--flagfile={path}"])
    assert rest == []
    assert type(values.steps) is int
    return values.steps


def status(field):
    """Return a field of /proc/self/status in MB."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(field))


def reset_memory():
    """Return free memory to the system, and reset the peak."""
    gc.collect()
    # Freed memory that stays with the process would hide the same amount later.
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def called(function, path):
    """Call a reader and return the answer; "mb" is the peak of the additional memory."""
    from mtl.errors import MtlError

    before, start = status("VmRSS"), time.monotonic()
    try:
        outcome, result = "read", function(path)
    except MtlError as error:
        outcome, result = "rejected", str(error)
    except BaseException as error:
        outcome, result = "raised", f"{type(error).__name__}: {error}"[:500]
    return {
        "outcome": outcome,
        "result": result,
        "mb": status("VmHWM") - before,
        "seconds": time.monotonic() - start,
    }


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # output of libraries must not mix with the answers
    for line in sys.stdin:
        name, path, measured = json.loads(line)
        function = globals()[name]
        if measured:
            with contextlib.suppress(Exception):
                function("/nowhere")  # imports its modules
            reset_memory()
        print(json.dumps(called(function, path)), file=answers, flush=True)
