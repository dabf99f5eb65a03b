"""The help of a command."""

from absl import flags as absl_flags

from mtl import config
from mtl.cli import flags, help_text


def shown(*names):
    """Return the help of a command with the flags of some fields, and those of every command."""
    values = absl_flags.FlagValues()
    for name in names:
        flags.define_field(values, name)
    flags.define(values)
    return help_text.render("mtl x", "does x", values)


def row(text, name):
    """Return the line below a flag."""
    lines = text.splitlines()
    return lines[lines.index(f"  --{name}") + 1]


def test_flag_shows_its_default_choices_and_range():
    text = shown("steps", "schedule", "bottom", "init_from")
    assert row(text, "steps").endswith(" (default 1900; at least 1)")
    assert row(text, "schedule").endswith(" (default linear; one of constant, linear, cosine)")
    names = "mlp, tiny, light, small, base, paper, module:function"
    assert row(text, "bottom").endswith(f"one of {names})")
    assert row(text, "init_from").endswith("with --bottom=base")
    assert "  --only_check_args, --noonly_check_args\n" in text


def test_each_objective_has_a_line_below_its_flag():
    lines = shown("objective", "steps").splitlines()
    start, end = lines.index("  --objective"), lines.index("  --steps")
    first, *others, last = lines[start + 1 : end]
    assert first.endswith(" (default log_sum; one of these, or module:function)")
    assert [line.split()[0] for line in others] == list(config.OBJECTIVES)
    assert all(line.startswith(" " * 8) and len(line) <= 100 for line in others)
    assert "--objective=list" in last


def test_flags_of_a_run_have_headings():
    text = shown(*config.FIELDS)
    of_train = {"job_name"}  # tests/cli/test_cluster_flags.py
    assert set(help_text.GROUPS) <= {*config.FIELDS, *of_train, "only_check_args"}
    for name in set(help_text.GROUPS) - of_train:
        heading = help_text.GROUPS[name]
        assert text.count(f"\n\n{heading}\n  --{name}") == 1


def test_a_command_with_some_of_these_flags_has_no_headings():
    text = shown("tasks", "dataset")
    assert not [heading for heading in help_text.GROUPS.values() if heading in text]
