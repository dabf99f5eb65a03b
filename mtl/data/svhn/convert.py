"""From SVHN as it is distributed to records: a few large files instead of hundreds of thousands of small ones, in the order of a shuffle.

The work is cut into shards, and what a shard holds follows from the names of the pictures and the seed alone. Each finished one is noted
in progress.json, so that a run which was stopped anywhere goes on from there; the manifest is written last.
"""

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable
from typing import Any

from mtl.data import images
from mtl.data.records import format as records, manifest
from mtl.data.svhn import archives, candidates
from mtl.data.svhn.reader import STRUCT
from mtl.errors import DataError, UsageError
from mtl.runs import files

PROGRESS = "progress.json"
UNPACKED = "unpacked"  # the folder for archives within the output
SHARD_SIZE = 2048  # pictures: of SVHN about 25 MB

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
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> tuple[dict[str, Any], bool]:
    """Convert splits of SVHN to records, or go on where an earlier call was stopped.

    Args:
      out: str, the directory to write; made where it is not there.
      splits: list of str, some of "train", "test", "extra". Of train, every tenth picture becomes the split "validation".
      prepare: function (split, folder to unpack to) -> (directory, name of the source, dict "md5", "bytes", "url"), called
        only for what has to be read; `archives.prepare` is one.
      seed: int, of the choice of validation and of the order of the records; 0 chooses as mtl.data.examples.held_out does.
      shard_size: int, pictures in a shard at most.
      extra_into_train: bool, extra's pictures go to train and validation, named "extra/17.png".
      say: called with one line for each thing that a person should know, such as pictures that are left out, and why.
      progress: called with (what is done, how much, of how much).

    Returns:
      (dict, the manifest; bool, whether there was anything to do).

    Raises:
      UsageError: `out` was begun with another seed, shard size or extra_into_train.
      DataError: a source is missing or broken, is another one than `out` was begun with, or no picture of it can be used.
    """
    state = _begin(
        out, {"seed": seed, "shard_size": shard_size, "extra_into_train": extra_into_train}
    )
    worked = os.path.exists(os.path.join(out, PROGRESS)) or not os.path.exists(
        os.path.join(out, manifest.MANIFEST)
    )
    for sources, targets in _plan(splits, extra_into_train):
        if all(_finished(out, state, target) for target in targets):
            continue
        files.check_folder(out, "--out")  # before the work, not after
        worked, ready = True, []
        for split in sources:
            directory, name, facts = prepare(split, os.path.join(out, UNPACKED))
            _same_source(out, state, name, facts)
            ready.append(
                candidates.Source(
                    directory, "extra/" if extra_into_train and split == "extra" else ""
                )
            )
        os.makedirs(out, exist_ok=True)
        _save(out, state)
        _convert(out, state, ready, targets, say, progress)
    finished = {
        "version": manifest.VERSION,
        "window": f"boxes grown to {images.GROWTH} times",
        **state,
    }
    if worked:
        _sweep(out, state)
        manifest.write_manifest(out, finished)
        os.remove(os.path.join(out, PROGRESS))
        _remove_unpacked(out, state)
    return finished, worked


def _plan(splits, extra_into_train):
    """List (splits to read, splits to write) in the order of the work; what is listed together is mixed."""
    train = ["train", "extra"] if extra_into_train else ["train"]
    plan = [(train, ["train", "validation"]), (["test"], ["test"]), (["extra"], ["extra"])]
    return [
        (sources, targets)
        for sources, targets in plan
        if sources[0] in splits and not (extra_into_train and sources == ["extra"])
    ]


# -- what is done already -----------------------------------------------------------------------------------------------------------


def _begin(out, options):
    """Return the state of the work, new or as an earlier run left it: the manifest in the making."""
    for name in (PROGRESS, manifest.MANIFEST):
        path = os.path.join(out, name)
        if os.path.exists(path):
            break
    else:
        names = sorted(os.listdir(out)) if os.path.isdir(out) else []
        foreign = [name for name in names if _OURS.fullmatch(name)]
        if foreign:
            what = f"holds {foreign[0]} but no {manifest.MANIFEST}, so mtl did not write it"
            raise DataError(f"{out}: {what}; choose another --out")
        return {**options, "sources": {}, "splits": {}}
    try:
        state = json.loads(files.read_text(path, manifest.MAX_BYTES))
        if state.pop("version", manifest.VERSION) != manifest.VERSION or not isinstance(
            state["splits"], dict
        ):
            raise ValueError("of another version")
        state.pop("window", None)
        old = {name: state[name] for name in options}
        # They name folders that are removed in the end.
        if not all(
            re.fullmatch(r"[0-9a-f]{32}", each["md5"]) for each in state["sources"].values()
        ):
            raise ValueError("a source without an md5")
        for split in state["splits"].values():
            for shard in filter(None, split["shards"]):
                (
                    os.path.join(out, shard["file"]),
                    shard["bytes"] + shard["records"] + sum(shard["skipped"].values()),
                )
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise DataError(
            f"{path}: damaged, or of another version of mtl: delete it, or choose another --out"
        ) from None
    for name, value in options.items():
        if old[name] != value:
            raise UsageError(
                f"--{name}={value}: {out} was begun with --{name}={old[name]}; repeat it so, or choose another --out"
            )
    return state


def _save(out, state):
    """Note the state; a run that is stopped leaves the old one or the new one."""
    path = os.path.join(out, PROGRESS)
    with files.whole(path) as unfinished:
        with open(unfinished, "w", encoding="utf-8") as file:
            json.dump(state, file)
        manifest.sync(unfinished)


def _there(out, shard):
    """Tell whether a shard (dict of the state, or None) is on the disk; by its size: to hash gigabytes again would take minutes."""
    path = os.path.join(out, shard["file"]) if shard else ""
    return os.path.isfile(path) and os.path.getsize(path) == shard["bytes"]


def _finished(out, state, target):
    split = state["splits"].get(target, {})
    return "records" in split and all(_there(out, shard) for shard in split["shards"])


def _same_source(out, state, name, facts):
    """Note a source, or raise DataError where it is another than what shards were made of."""
    known = state["sources"].setdefault(name, facts)
    if known["md5"] != facts["md5"]:
        raise DataError(
            f"{name}: md5 {facts['md5']}, and {out} was begun with {known['md5']}: bring that back, or choose another --out"
        )


# -- the work -----------------------------------------------------------------------------------------------------------------------


def _convert(out, state, sources, targets, say, progress):
    """Write the shards that are missing of the targets, which are splits made of the same sources."""
    skips = candidates.Skips()
    found = candidates.read(sources, targets, state["seed"], skips, progress)
    for target in targets:
        chosen, size = found[target], state["shard_size"]
        starts = range(0, len(chosen), size)
        split = state["splits"].setdefault(target, {"shards": []})
        if len(split["shards"]) != len(starts):  # nothing is done yet, or pictures came or went
            split["shards"] = [None] * len(starts)
        for i, start in enumerate(starts):
            if _there(out, split["shards"][i]):
                skips.counts[target].update(split["shards"][i]["skipped"])
            else:
                before = Counter(skips.counts[target])
                path = os.path.join(out, records.shard_name(target, i, len(starts)))
                made = records.write_shard(
                    path, candidates.usable(chosen[start : start + size], target, skips)
                )
                split["shards"][i] = {**made, "skipped": dict(skips.counts[target] - before)}
                _save(out, state)
            progress(f"converting {target}", min(start + size, len(chosen)), len(chosen))
        split["records"] = sum(shard["records"] for shard in split["shards"])
        split["skipped"] = dict(skips.counts[target])
        skips.report(target, say)
        if not split["records"] and target != "validation":
            struct = os.path.join(sources[0].directory, STRUCT)
            raise DataError(
                f"{struct}: no picture can be used for {target}: bring more of those that it names"
            )
        if not split["records"]:
            say("validation: empty, for no picture falls to it; it takes more of them")
    _save(out, state)


_OURS = re.compile(r"(train|validation|test|extra)-\d{5}-of-\d{5}\.tfrecord")
_UNFINISHED = re.compile(_OURS.pattern + r"\.tmp\d+|(progress|manifest)\.json\.tmp\d+")


def _sweep(out, state):
    """Delete the shards in `out` that no split has any more, and what a killed run left of one half written."""
    kept = {shard["file"] for split in state["splits"].values() for shard in split["shards"]}
    for name in os.listdir(out):
        if _UNFINISHED.fullmatch(name) or (_OURS.fullmatch(name) and name not in kept):
            os.remove(os.path.join(out, name))


def _remove_unpacked(out, state):
    """Delete what was unpacked of the sources; a folder of this name may hold other things."""
    folder = os.path.join(out, UNPACKED)
    for source in state["sources"].values():
        for suffix in ("", archives.UNFINISHED):
            shutil.rmtree(os.path.join(folder, source["md5"] + suffix), ignore_errors=True)
    if os.path.isdir(folder) and not os.listdir(folder):
        os.rmdir(folder)
