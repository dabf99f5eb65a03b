"""The inputs of `mtl predict`: which images a command line names, and what is wrong with them."""

from absl import flags as absl_flags

from mtl.cli import inputs


def values_of(*arguments):
    """Return the FlagValues of a command line."""
    values = absl_flags.FlagValues()
    inputs.define(values)
    values(["predict", *arguments])
    return values


def test_lists_files_in_the_given_order():
    found = inputs.listed(values_of("--box=1,2,3,4"), ["b.png", "a.png"])
    assert [each.name for each in found] == ["b.png", "a.png"]
    assert {each.box for each in found} == {(1, 2, 4, 6)}
