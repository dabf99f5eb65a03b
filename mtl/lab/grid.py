"""The grid of runs: which values of which flags, and the Config of each run.

This module does not import TensorFlow, so that flags can be checked without it.
"""

import dataclasses
import difflib
import hashlib
import itertools
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from mtl import config as config_lib, tasks as tasks_lib
from mtl.config import Config
from mtl.errors import UsageError
from mtl.lab import objectives

SINGLE = objectives.SINGLE
SEED = "seed"

Pairs = tuple[tuple[str, Any], ...]  # of (flag, value)


class Run(NamedTuple):
    """One training run of the grid."""

    name: str  # of its directory; a function of its Config
    config: Config
    variant: Pairs  # what the page compares
    setting: Pairs  # of the flags that validation chooses
    task: str = ""  # the only task that a single-task network learns
    best_by: str = ""  # of the comparison; a single-task network has its task in its Config
    chooses: bool = True  # whether validation chooses the setting by this run, among others


# -- the values ------------------------------------------------------------------------------------


def varied(
    texts: Sequence[str],
    shorthands: Mapping[str, str],
    parse: Callable[[str, str], Any],
) -> dict[str, list]:
    """Return the values of each flag that varies.

    Args:
      texts: of --vary, such as "label_smoothing=0,0.1". A list with a semicolon is separated by
        semicolons, because some values contain commas.
      shorthands: dict flag -> list of values as text, of --objectives and --learning_rates.
      parse: function (flag, text) -> value; raises ValueError.

    Raises:
      UsageError: a flag is unknown, is named twice, or has no values, equal ones or a wrong one.
    """
    named = [_pair(text) for text in texts]
    found = {}
    for flag, values in [*shorthands.items(), *named]:
        if flag in found:
            raise UsageError(f"the values of {flag} are given twice; name each flag once")
        found[flag] = _values(flag, values, parse)
    return found


def _pair(text):
    """Return the flag and the values of a --vary."""
    flag, equals, values = text.partition("=")
    flag = flag.removeprefix("--")
    if not equals:
        raise UsageError(f"--vary={text} has no values; write --vary=label_smoothing=0,0.1")
    if flag not in config_lib.FIELDS:
        nearest = difflib.get_close_matches(flag, config_lib.FIELDS, n=1)
        hint = f"did you mean {nearest[0]}? " if nearest else ""
        what = f"--vary={text}: {flag} is not a setting of a run"
        raise UsageError(f"{what}; {hint}mtl train --help lists them")
    return flag, values


def _values(flag, text, parse):
    """Return the values in a list, as the type of their flag."""
    parts = [part.strip() for part in text.split(";" if ";" in text else ",")]
    if parts == [""]:
        raise UsageError(f"no values for {flag}; give some, separated by commas")
    values = []
    for part in parts:
        if flag == "objective" and part == SINGLE:
            value = part
        else:
            try:
                value = parse(flag, part)
                config_lib.check(flag, value)
            except ValueError as error:
                text = str(error)
                named = text if text.startswith(f"{flag}=") else f"{flag}={part}: {text}"
                raise UsageError(" ".join(named.split())) from None
        if value in values:
            raise UsageError(f"{flag}={part} is given twice; name each value once")
        values.append(value)
    return values


# -- the runs --------------------------------------------------------------------------------------


def runs(
    settings: Mapping[str, Any],
    values: Mapping[str, Sequence],
    choose: Collection[str],
    choosing: int = 0,
) -> list[Run]:
    """Return the runs of the grid: each combination of values, in order.

    A flag that an objective does not use, such as --clip_min for linear, has its default there, so
    combinations that differ only in it are one run.

    Args:
      settings: dict field -> value for all fields of Config, of the flags that do not vary.
      values: the result of `varied`, with the seeds.
      choose: flags of `values` that validation chooses.
      choosing: the number of seeds by which validation chooses, the first ones; 0 is all.

    Raises:
      UsageError: a combination does not work, or a setting has no effect on any objective.
    """
    found, used = {}, set()
    late = values[SEED][choosing:] if choosing else ()
    for combination in itertools.product(*values.values()):
        changed = dict(zip(values, combination))
        wanted = {**settings, **changed}
        for fitted, task in _networks(wanted):
            used |= objectives.parts(fitted)
            config = _config(fitted, changed)
            pairs = _pairs(fitted, changed, choose, task)
            chooses = changed.get(SEED) not in late
            run = Run(_name(config, task), config, *pairs, task, wanted["best_by"], chooses)
            found.setdefault(run.name, run)
    objectives.check_used(settings, values, used)
    return list(found.values())


def _networks(wanted):
    """Return the networks of a combination, (settings, task) each; see Run.task."""
    if wanted["objective"] != SINGLE:
        return [(objectives.fitted(wanted), "")]
    names = [task.name for task in tasks_lib.parse(wanted["tasks"])]
    return [(objectives.single(wanted, name), name) for name in names]


def _config(fitted, changed):
    """Return the Config of the settings of one network.

    Args:
      fitted: dict field -> value.
      changed: dict flag -> value of the combination that it is part of.
    """
    try:
        config = Config(**fitted)
        config_lib.check_data(config.dataset, config.data_dir)
    except ValueError as error:
        where = ", ".join(f"{flag}={value}" for flag, value in changed.items())
        texts = [flag for flag, value in changed.items() if isinstance(value, str)]
        named = any(f"--{flag}=" in str(error) for flag in texts)
        hint = "; separate values that contain commas by semicolons" if named else ""
        raise UsageError(f"{where}: {error}{hint}") from None
    return config


def _pairs(fitted, changed, choose, task):
    """Return the flags that vary, with their values: of the variant, and of the setting."""
    variant, setting = [], []
    for flag, value in changed.items():
        if flag in objectives.OPTIONAL:
            if task or not objectives.uses(fitted["objective"], flag):
                continue
            value = fitted[flag]
        if flag in choose:
            setting.append((flag, value))
        elif flag != SEED:
            variant.append((flag, value))
    return tuple(variant), tuple(setting)


def _name(config, task):
    """Return the name of the directory of a run. It depends on all settings and on nothing else."""
    record = dataclasses.asdict(config)
    seed = record.pop(SEED)
    digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:10]
    kind = f"{SINGLE}-{task}" if task else config.objective
    return f"{re.sub('[^A-Za-z0-9_.-]', '.', kind)}-{digest}-seed{seed}"


def label(pairs: Pairs) -> str:
    """Return flags with their values as text, "linear, label_smoothing=0.1"."""
    parts = []
    for flag, value in pairs:
        parts.append(value if flag == "objective" else f"{flag}={value}")
    return ", ".join(parts) or "all runs"


def arguments(config: Config) -> list[str]:
    """Return the flags of a Config that differ from the defaults, such as "--steps=100"."""
    default = Config()
    return [
        f"--{name}={getattr(config, name)}"
        for name in config_lib.FIELDS
        if getattr(config, name) != getattr(default, name)
    ]
