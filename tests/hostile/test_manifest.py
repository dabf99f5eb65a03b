"""manifest.json with any damage, and with any value in any place."""

import copy
import json
from collections import Counter

import pytest
from hypothesis import given, strategies as st

from mtl.data.records import manifest as manifests
from mtl.errors import DataError
from tests import record_sets
from tests.mutations import damaged, quick

pytestmark = pytest.mark.slow


def outcome(directory, split="train"):
    """Return "found", or "rejected" for an error of one line that names the folder."""
    try:
        shards = manifests.find_shards(str(directory), split)
    except DataError as error:
        message = str(error)
        assert str(directory) in message, message
        assert "\n" not in message and "\r" not in message, message
        assert len(message) < 1000 + len(str(directory)), message
        return "rejected"
    for shard in shards:
        assert shard.records >= 0
        assert shard.path.startswith(str(directory))
    return "found"


@pytest.fixture
def manifest(tmp_path):
    """The manifest of two splits, with their shards."""
    good = record_sets.some(["210", "", "7"])
    return record_sets.write(tmp_path, train=[good[:2], good[2:]], test=[good])


def test_damaged_manifest_is_read_or_rejected(tmp_path, manifest):
    seen, whole = Counter(), (tmp_path / "manifest.json").read_bytes()

    @quick(250)
    @given(damaged(whole))
    def check(data):
        (tmp_path / "manifest.json").write_bytes(data)
        seen[outcome(tmp_path)] += 1

    check()
    assert min(seen["found"], seen["rejected"]) > 5


def paths(value, at=()):
    """List the paths (tuples of keys) to all values in a value."""
    inner = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    found = [at]
    for key, each in inner:
        found += paths(each, (*at, key))
    return found


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from([10**4000, 2**63, -1, "x" * 100_000, "\ud800"]),
    st.sampled_from([[], {}, [[]], [{}], "..", "/etc/passwd", "a/b", "a\nb"]),
    st.sampled_from([{"records": 0, "shards": []}, {"records": 1, "shards": [{}]}]),
)


def changed(manifest, path, odd, as_key):
    """Put an odd value, or an odd key, at a path. An earlier change may have removed the path."""
    inner = manifest
    try:
        for key in path[:-1]:
            inner = inner[key]
        if as_key and isinstance(inner, dict):
            inner[str(odd)] = inner.pop(path[-1])
        else:
            inner[path[-1]] = odd
    except (KeyError, TypeError, IndexError):
        pass


def test_any_value_is_read_or_rejected(tmp_path, manifest):
    seen = Counter()
    changes_of = st.tuples(st.sampled_from(paths(manifest)[1:]), ODD, st.booleans())

    @quick(400)
    @given(st.lists(changes_of, min_size=1, max_size=2), st.sampled_from(["train", "no"]))
    def check(changes, split):
        made = copy.deepcopy(manifest)
        for change in changes:
            changed(made, *change)
        (tmp_path / "manifest.json").write_text(json.dumps(made))
        seen[outcome(tmp_path, split)] += 1

    check()
    assert min(seen["found"], seen["rejected"]) > 20


def test_error_shows_only_a_few_of_many_splits(tmp_path):
    splits = {f"{i:0200}": {"records": 0, "shards": []} for i in range(10_000)}
    (tmp_path / "manifest.json").write_text(json.dumps({"version": 1, "splits": splits}))
    with pytest.raises(DataError) as caught:
        manifests.find_shards(str(tmp_path), "train")
    assert len(str(caught.value)) < 2500
