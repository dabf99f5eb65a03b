"""The settings that only some objectives use, and the pseudo-objective of single-task networks."""

from collections.abc import Mapping, Sequence
from typing import Any

from mtl import catalogue, config as config_lib, tasks as tasks_lib
from mtl.errors import UsageError
from mtl.fields import names_function

SINGLE = "single"  # one network for each task, trained on it alone
OPTIONS = "objective_options"
# The fields of Config that an objective may not use; see catalogue.check.
OPTIONAL = ("task_weights", "clip_min", "clip_max", OPTIONS)


def uses(objective: str, flag: str) -> bool:
    """Return whether an objective uses one of OPTIONAL."""
    if names_function("objective", objective):
        return False
    entry = catalogue.entry(objective)
    return bool(entry.options) if flag == OPTIONS else flag in entry.uses


def fitted(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with the default of each flag, and without the options, that have no use.

    Args:
      settings: dict field -> value for all fields of Config.
    """
    objective, found = settings["objective"], dict(settings)
    for flag in OPTIONAL:
        if not uses(objective, flag):
            found[flag] = config_lib.FIELDS[flag].default
    if found[OPTIONS]:
        known = catalogue.entry(objective).options
        parts = [each for each in found[OPTIONS].split(",") if each.partition(":")[0] in known]
        found[OPTIONS] = ",".join(parts)
    return found


def single(settings: Mapping[str, Any], task: str) -> dict[str, Any]:
    """Return the settings of a network that learns one task.

    It is the plain sum with the weight 1 for the task and 0 for the others, whose tops get no
    gradient. The data and its readers stay the same: without the other tasks, the reader of a table
    would take their labels for features. The score of the task alone selects the best weights.
    """
    names = [each.name for each in tasks_lib.parse(settings["tasks"])]
    weights = ",".join("1" if name == task else "0" for name in names)
    return fitted({**settings, "objective": "linear", "task_weights": weights, "best_by": task})


def parts(settings: Mapping[str, Any]) -> set[tuple[str, Any]]:
    """Return the settings of OPTIONAL that are not defaults, (flag, value) each; all options."""
    found = set()
    for flag in OPTIONAL:
        value = settings[flag]
        if value == config_lib.FIELDS[flag].default:
            continue
        for each in value.split(",") if flag == OPTIONS else [value]:
            found.add((flag, each))
    return found


def check_used(
    settings: Mapping[str, Any], values: Mapping[str, Sequence], used: set[tuple[str, Any]]
) -> None:
    """Raise UsageError if a setting of OPTIONAL has no effect on any run of a grid.

    Args:
      settings, values: as grid.runs.
      used: the `parts` of all runs.
    """
    for flag in OPTIONAL:
        for value in values.get(flag, [settings[flag]]):
            given = parts({**settings, flag: value})
            unused = [each for each in given - used if each[0] == flag]
            if unused:
                what = f"{flag}={unused[0][1]} has no effect on any objective of the comparison"
                raise UsageError(f"{what}; --objective={catalogue.LIST} shows what each one uses")
