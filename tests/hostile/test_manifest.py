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


def found(directory, split="train"):
    """Return "found" where the shards of a split are, "refused" where the error is one line that names the manifest or a shard."""
    try:
        shards = manifests.find_shards(str(directory), split)
        assert all(shard.records >= 0 and shard.path.startswith(str(directory)) for shard in shards)
        return "found"
    except DataError as error:
        assert str(directory) in str(error) and "\n" not in str(error) and "\r" not in str(error), (
            str(error)
        )
        assert len(str(error)) < 1000 + len(str(directory)), str(error)
        return "refused"


@pytest.fixture
def manifest(tmp_path):
    """The manifest of two splits, whose shards are there."""
    good = record_sets.some(["210", "", "7"])
    return record_sets.write(tmp_path, train=[good[:2], good[2:]], test=[good])


def test_no_damage_makes_it_crash(tmp_path, manifest):
    seen, whole = Counter(), (tmp_path / "manifest.json").read_bytes()

    @quick(250)
    @given(damaged(whole))
    def property(data):
        (tmp_path / "manifest.json").write_bytes(data)
        seen[found(tmp_path)] += 1

    property()
    assert min(seen["found"], seen["refused"]) > 5


def places(value, at=()):
    """List the ways to all values within a value."""
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [at, *(place for key, one in inner for place in places(one, (*at, key)))]


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6),
    st.sampled_from([10**4000, 2**63, -1, "x" * 100_000, "\ud800"]),
    st.sampled_from([[], {}, [[]], [{}], {"records": 0, "shards": []}, {"records": 1, "shards": [{}]}, "..", "/etc/passwd", "a/b", "a\nb"]),
)  # fmt: skip


def test_no_value_in_any_place_makes_it_crash(tmp_path, manifest):
    seen = Counter()

    @quick(400)
    @given(
        st.lists(
            st.tuples(st.sampled_from(places(manifest)[1:]), ODD, st.booleans()),
            min_size=1,
            max_size=2,
        ),
        st.sampled_from(["train", "no"]),
    )
    def property(changes, split):
        changed = copy.deepcopy(manifest)
        for place, odd, as_key in changes:
            inner = changed
            try:
                for key in place[:-1]:
                    inner = inner[key]
                if as_key and isinstance(inner, dict):
                    inner[str(odd)] = inner.pop(place[-1])
                else:
                    inner[place[-1]] = odd
            except (KeyError, TypeError, IndexError):
                continue  # the change before this one took its place away
        (tmp_path / "manifest.json").write_text(json.dumps(changed))
        seen[found(tmp_path, split)] += 1

    property()
    assert min(seen["found"], seen["refused"]) > 20


def test_of_very_many_splits_a_few_are_shown(tmp_path):
    splits = {f"{i:0200}": {"records": 0, "shards": []} for i in range(10_000)}
    (tmp_path / "manifest.json").write_text(json.dumps({"version": 1, "splits": splits}))
    with pytest.raises(DataError) as caught:
        manifests.find_shards(str(tmp_path), "train")
    assert len(str(caught.value)) < 2500
