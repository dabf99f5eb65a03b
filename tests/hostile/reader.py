"""A process that reads what may kill it: [kind, path] comes in as a line of JSON, and what came of it goes out as one."""

import contextlib
import ctypes
import gc
import json
import math
import os
import sys
import time


def digitstruct(path):
    from mtl.data.svhn import digit_struct

    found = list(digit_struct.entries(path))
    for entry in found:
        assert entry.name == os.path.basename(entry.name) != ""
        assert len(entry.boxes) == len(entry.number) and set(entry.number) <= set("0123456789")
        assert all(math.isfinite(side) for box in entry.boxes for side in box)
    return len(found)


def picture(path):
    from mtl.data import images

    read = images.read(path)
    assert read.mode == "RGB" and 0 < read.width * read.height <= images.MAX_PIXELS
    assert images.window(read).shape == (64, 64, 3)
    return list(read.size)


def examples(found):
    assert found.images.shape == (len(found.numbers), 64, 64, 3) and len(found.names) == len(
        found.numbers
    )
    assert all(set(number) <= set("0123456789") for number in found.numbers)
    return len(found.numbers)


def records(path):
    from mtl.data.records import reader

    return examples(reader.load(path, "train"))


def training(path):
    """Take one batch as training does, which reads in another way."""
    from mtl.data.records import reader

    windows, numbers = next(reader.windows(path, "train", 2, 0, workers=1)(0))
    assert windows.shape == (2, 64, 64, 3)
    return numbers


def labels(path):
    from mtl.data import folder

    return len(folder.read_labels(path))


def labelled(path):
    from mtl.data import folder

    return examples(folder.load(path, "train"))


def numpy(path):
    from mtl.data import npz

    return examples(npz.read(path))


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
    """Parse the flags of `mtl train`, next to the file."""
    from absl import flags as absl_flags

    from mtl.cli import flags, train

    os.chdir(os.path.dirname(path))
    values = absl_flags.FlagValues()
    train.define(values)
    flags.define(values)
    rest = flags.parse(values, ["train", f"--flagfile={path}"])
    assert rest == [] and type(values.steps) is int
    return values.steps


def status(field):
    """Return a field of /proc/self/status, in MB."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(field))


def tidy():
    """Give back what earlier readings left, so that it is not taken again unseen, and let the peak of memory begin anew."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def called(function, path):
    """Call a reader and say what came of it, how much more memory lay at its peak than before, and how long it took."""
    from mtl.errors import MtlError

    before, begun = status("VmRSS"), time.monotonic()
    try:
        outcome, told = "read", function(path)
    except MtlError as error:
        outcome, told = "refused", str(error)
    except BaseException as error:
        outcome, told = "raised", f"{type(error).__name__}: {error}"[:500]
    return {
        "outcome": outcome,
        "told": told,
        "mb": status("VmHWM") - before,
        "seconds": time.monotonic() - begun,
    }


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is no answer
    for line in sys.stdin:
        name, path, measured = json.loads(line)
        function = globals()[name]
        if measured:
            with contextlib.suppress(Exception):
                function("/nowhere")  # imports what it needs
            tidy()
        print(json.dumps(called(function, path)), file=answers, flush=True)
