"""The state of a conversion, saved so that an interrupted conversion can continue."""

import json
import os
import re
import shutil
from typing import Any

from mtl.data.records import manifest
from mtl.data.svhn import unpack
from mtl.errors import DataError, UsageError
from mtl.runs import files

PROGRESS = "progress.json"
UNPACKED = "unpacked"  # the folder for archives within the output folder

_SHARD = re.compile(r"(train|validation|test|extra)-\d{5}-of-\d{5}\.tfrecord")
_UNFINISHED = re.compile(_SHARD.pattern + r"\.tmp\d+|(progress|manifest)\.json\.tmp\d+")


class State:
    """The finished shards and the sources of a conversion. The manifest is made from it.

    Attributes:
      out: the output folder.
      options: dict name -> value of the options that must be equal in all runs.
      sources: dict name -> {"md5", "bytes", "url"}.
      splits: dict name -> {"shards": list of manifest entries, None for a missing one, "records",
        "skipped"}.
    """

    def __init__(self, out: str, options: dict[str, Any]):
        """Start a conversion, or read the state of an earlier run.

        Raises:
          UsageError: the earlier run had other options.
          DataError: the state is damaged, or another program wrote the shards in `out`.
        """
        self.out = out
        self.options = options
        path = self._find()
        if path is None:
            _check_no_shards(out)
            self.sources, self.splits = {}, {}
            return
        try:
            earlier = _parse(path, options)
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
            what = "damaged, or of another version of mtl"
            raise DataError(f"{path}: {what}; delete it, or choose another --out") from None
        for name, value in options.items():
            if earlier[name] != value:
                what = f"{out} was begun with --{name}={earlier[name]}"
                cure = "use this value, or choose another --out"
                raise UsageError(f"--{name}={value}: {what}; {cure}")
        self.sources, self.splits = earlier["sources"], earlier["splits"]

    def _find(self):
        """Return the path of the state of an earlier run, or None."""
        for name in (PROGRESS, manifest.MANIFEST):
            path = os.path.join(self.out, name)
            if os.path.exists(path):
                return path
        return None

    def is_unfinished(self) -> bool:
        """Return whether the manifest is missing or an earlier run was interrupted."""
        path = self._find()
        return path is None or os.path.basename(path) == PROGRESS

    def has_split(self, split: str) -> bool:
        """Return whether a split is finished and all its shards exist."""
        found = self.splits.get(split, {})
        return "records" in found and all(self.has_shard(shard) for shard in found["shards"])

    def has_shard(self, shard: dict[str, Any] | None) -> bool:
        """Return whether a shard exists with its size. Hashing gigabytes would take minutes."""
        if shard is None:
            return False
        path = os.path.join(self.out, shard["file"])
        return os.path.isfile(path) and os.path.getsize(path) == shard["bytes"]

    def add_source(self, name: str, facts: dict[str, Any]) -> None:
        """Add a source; raise DataError if an earlier run used another one of this name."""
        known = self.sources.setdefault(name, facts)
        if known["md5"] != facts["md5"]:
            what = f"md5 {facts['md5']}, but {self.out} was begun with {known['md5']}"
            raise DataError(f"{name}: {what}; restore that source, or choose another --out")

    def as_dict(self) -> dict[str, Any]:
        """Return the state for progress.json and the manifest."""
        return {**self.options, "sources": self.sources, "splits": self.splits}

    def save(self) -> None:
        """Write progress.json atomically."""
        os.makedirs(self.out, exist_ok=True)
        with files.whole(os.path.join(self.out, PROGRESS)) as unfinished:
            with open(unfinished, "w", encoding="utf-8") as file:
                json.dump(self.as_dict(), file)
            files.sync(unfinished)

    def drop_unfinished(self) -> None:
        """Drop the splits that an earlier run left unfinished: no manifest may list them."""
        splits = self.splits.items()
        self.splits = {name: split for name, split in splits if "records" in split}

    def finish(self, finished: dict[str, Any]) -> None:
        """Write the manifest; delete progress.json, old shards and unpacked archives."""
        self._delete_old_shards()
        manifest.write_manifest(self.out, finished)
        os.remove(os.path.join(self.out, PROGRESS))
        self._delete_unpacked()

    def _delete_old_shards(self):
        """Delete shards that are in no split, and unfinished files of killed runs."""
        shards = [shard for split in self.splits.values() for shard in split["shards"]]
        kept = {shard["file"] for shard in shards}
        for name in os.listdir(self.out):
            if _UNFINISHED.fullmatch(name) or (_SHARD.fullmatch(name) and name not in kept):
                os.remove(os.path.join(self.out, name))

    def _delete_unpacked(self):
        """Delete the unpacked archives, but nothing else in their folder."""
        folder = os.path.join(self.out, UNPACKED)
        for source in self.sources.values():
            for suffix in ("", unpack.UNFINISHED):
                shutil.rmtree(os.path.join(folder, source["md5"] + suffix), ignore_errors=True)
        if os.path.isdir(folder) and not os.listdir(folder):
            os.rmdir(folder)


def _check_no_shards(out):
    """Raise DataError if a folder without state has files that `finish` would delete."""
    names = sorted(os.listdir(out)) if os.path.isdir(out) else []
    foreign = [name for name in names if _SHARD.fullmatch(name)]
    if foreign:
        what = f"holds {foreign[0]} but no {manifest.MANIFEST}, so mtl did not write it"
        raise DataError(f"{out}: {what}; choose another --out")


def _parse(path, options):
    """Return the dict in a state file; raise ValueError, KeyError, ... if it is invalid."""
    state = json.loads(files.read_text(path, manifest.MAX_BYTES))
    if state.get("version", manifest.VERSION) != manifest.VERSION:
        raise ValueError("another version")
    if not isinstance(state["splits"], dict) or not state.keys() >= options.keys():
        raise ValueError("a part is missing")
    for source in state["sources"].values():
        # The md5 names a folder that is deleted in the end.
        if not re.fullmatch(r"[0-9a-f]{32}", source["md5"]):
            raise ValueError("a source without an md5")
    for split in state["splits"].values():
        for shard in filter(None, split["shards"]):
            _check_shard(shard)
    return state


def _check_shard(shard):
    """Raise KeyError or TypeError if the entry of a shard lacks a value that is needed."""
    os.fspath(shard["file"])
    shard["bytes"] + shard["records"] + sum(shard["skipped"].values())
