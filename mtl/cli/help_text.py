"""The help of a command: its flags, with their defaults, choices and ranges."""

from mtl import config

OWN = "module:function"  # the value of a field that names code of the user
# Headings in the help of a command that has all flags of a run, by the first flag below each.
GROUPS = {
    "tasks": "The network and its cost:",
    "dataset": "The data:",
    "batch_size": "The optimiser and the length of the run:",
    "log_every": "Reports, the best weights, and speed:",
    "sync": "Several workers:",
    "job_name": "This process of a cluster:",
    "only_check_args": "Every command:",
}


def render(usage, summary, values):
    """Return the help of a command. absl's help lists only flags of the main script, and exits 1.

    Args:
      usage: str, one line.
      summary: str, one line.
      values: FlagValues.
    """
    lines = [f"usage: {usage}", "", summary, ""]
    grouped = all(name in values for name in config.FIELDS)
    for name in values:
        flag = values[name]
        if grouped and name in GROUPS:
            lines += ["", GROUPS[name]]
        lines.append(f"  --{name}, --no{name}" if flag.boolean else f"  --{name}")
        first, *others = flag.help.splitlines()
        notes = "; ".join(_notes(name, flag))
        lines.append(f"      {first} ({notes})" if notes else f"      {first}")
        lines += [f"        {line}" for line in others]
    lines += [
        "  --flagfile",
        "      file of flags, one on each line; # begins a comment; later flags win; relative "
        "paths start from the current folder",
        "  --help",
        "      show this text",
    ]
    return "\n".join(lines)


def _notes(name, flag):
    """List the default, the choices and the range of a flag, as text."""
    notes = []
    if flag.default not in (None, ""):
        default = flag.default_as_str.strip("'")
        notes.append(f"default {default}")
    if flag.flag_type() == "int" and flag.parser.syntactic_help != "an integer":
        notes.append(flag.parser.syntactic_help)
    elif name in config.FIELDS and flag.flag_type() != "string enum":  # absl lists those choices
        choices, limits = config.choices(name), config.range_of(name)
        own = (OWN,) if config.FIELDS[name].metadata["own"] else ()
        if "\n" in flag.help:  # the lines below describe the choices
            notes.append(f"one of these, or {OWN}")
        elif choices:
            notes.append(f"one of {', '.join(map(str, choices + own))}")
        if limits:
            notes.append(limits.text())
    return notes
