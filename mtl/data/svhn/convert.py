"""Convert SVHN to records: a few large files (shards) in shuffled order.

The images in a shard depend only on the names of all images and the options. Each finished shard is
recorded in progress.json. The manifest is written last.
"""

import functools
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

from mtl.data import images
from mtl.data.records import format as records, manifest
from mtl.data.svhn import candidates
from mtl.data.svhn.checksums import Progress
from mtl.data.svhn.digit_struct import STRUCT
from mtl.data.svhn.skips import Skips
from mtl.data.svhn.state import UNPACKED, State
from mtl.errors import DataError
from mtl.runs import files

SHARD_SIZE = 2048  # images, about 25 MB of SVHN

Say = Callable[[str], None]


def convert(
    out: str,
    splits: list[str],
    prepare: Callable[[str, str], tuple[str, str, dict]],
    *,
    seed: int = 0,
    shard_size: int = SHARD_SIZE,
    extra_into_train: bool = False,
    say: Say,
    progress: Progress = lambda what, done, total: None,
) -> tuple[dict[str, Any], bool]:
    """Convert splits of SVHN to records, or continue an interrupted conversion.

    Args:
      out: the folder to write; created if missing.
      splits: some of "train", "test", "extra". One tenth of train becomes the split "validation".
      prepare: function (split, folder to unpack to) -> the result of archives.prepare. It is called
        only for a split that has to be read.
      seed: for the order of the records and the choice of validation; see examples.held_out.
      shard_size: the largest number of images in a shard.
      extra_into_train: whether the images of extra, named "extra/17.png", go into train and
        validation.
      say: function str -> None, called with one-off messages, such as the number of skipped images.
      progress: called during the work.

    Returns:
      The manifest, and whether there was anything to do.

    Raises:
      UsageError: an earlier run on `out` had another seed, shard size or extra_into_train.
      DataError: a source is missing or broken, differs from that of the earlier run, or has no
        usable image.
    """
    options = {"seed": seed, "shard_size": shard_size, "extra_into_train": extra_into_train}
    state = State(out, options)
    worked = state.is_unfinished()
    for sources, targets in _plan(splits, extra_into_train):
        if all(state.has_split(target) for target in targets):
            continue
        worked = True
        files.check_folder(out, "--out")  # before the work
        ready = [_prepared(state, split, prepare, extra_into_train) for split in sources]
        state.save()
        _convert(state, ready, targets, say, progress)
    if worked:
        state.drop_unfinished()
    finished = {
        "version": manifest.VERSION,
        "window": f"boxes grown to {images.GROWTH} times",
        **state.as_dict(),
    }
    if worked:
        state.finish(finished)
    return finished, worked


def _plan(splits, extra_into_train):
    """List (splits to read, splits to write) in the order of the work.

    The images of splits that are read together are mixed.
    """
    plan = []
    if "train" in splits:
        sources = ["train", "extra"] if extra_into_train else ["train"]
        plan.append((sources, ["train", "validation"]))
    if "test" in splits:
        plan.append((["test"], ["test"]))
    if "extra" in splits and not extra_into_train:
        plan.append((["extra"], ["extra"]))
    return plan


def _prepared(state, split, prepare, extra_into_train):
    """Return the Source of a split, and add it to the state."""
    directory, name, facts = prepare(split, os.path.join(state.out, UNPACKED))
    state.add_source(name, facts)
    prefix = "extra/" if extra_into_train and split == "extra" else ""
    return candidates.Source(directory, prefix)


def _convert(state, sources, targets, say, progress):
    """Write the missing shards of the splits that share some sources."""
    skips = Skips()
    found = candidates.read(sources, targets, state.options["seed"], skips, progress)
    for target in targets:
        _write_shards(state, target, found[target], skips, progress)
        split = state.splits[target]
        split["records"] = sum(shard["records"] for shard in split["shards"])
        split["skipped"] = dict(skips.counts[target])
        skips.report(target, say)
        if split["records"]:
            continue
        if target != "validation":
            struct = os.path.join(sources[0].directory, STRUCT)
            what = f"no image can be used for {target}"
            raise DataError(f"{struct}: {what}; add images that it names")
        say("validation: empty, because no image was chosen for it; add more images")
    state.save()


def _write_shards(state, target, chosen, skips, progress):
    """Write the missing shards of a split; chosen: its Candidates."""
    size = state.options["shard_size"]
    starts = range(0, len(chosen), size)
    shards = state.splits.setdefault(target, {"shards": []})["shards"]
    if len(shards) != len(starts):  # nothing is done yet, or images were added or removed
        shards[:] = [None] * len(starts)
    for index, start in enumerate(starts):
        if state.has_shard(shards[index]):
            skips.counts[target].update(shards[index]["skipped"])
            continue
        before = Counter(skips.counts[target])
        path = os.path.join(state.out, records.shard_name(target, index, len(starts)))
        part = _reported(chosen, start, size, functools.partial(progress, f"converting {target}"))
        written = records.write_shard(path, candidates.usable(part, target, skips))
        shards[index] = {**written, "skipped": dict(skips.counts[target] - before)}
        state.save()


def _reported(chosen, start, count, report):
    """Yield up to `count` items of a list, and report (done, total) around each."""
    end = min(start + count, len(chosen))
    for index in range(start, end):
        report(index, len(chosen))
        yield chosen[index]
    report(end, len(chosen))
