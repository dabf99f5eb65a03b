"""Combinations of settings that do not work together, with the cure."""

from mtl import catalogue, kinds, tasks as tasks_lib
from mtl.fields import declared, hidden_units

# Datasets with the line OWN_TASKS = True also have other tasks than numbers.
OWN_TASKS = tuple(sorted(declared("data/**/*.py", r'^DATASET = "(\w+)"\nOWN_TASKS = True$')))


def check(config) -> None:
    """Raise ValueError if the fields of a config.Config, each valid alone, do not fit together."""
    if config.pool % config.reuse:
        raise ValueError(f"--pool={config.pool} must be a multiple of --reuse={config.reuse}")
    if config.augment and config.dataset == "synthetic":
        cure = "synthetic images differ already; remove the flag"
        raise ValueError(f"--augment={config.augment} does not apply to synthetic; {cure}")
    if config.objective == "answer" and (config.absent != "x" or not config.is_numbers):
        what = f"--absent={config.absent}" if config.is_numbers else f"--tasks={config.tasks}"
        cure = "use --objective=log_sum, the same cost for any tasks"
        raise ValueError(f"{what} does not work with --objective=answer; {cure}")
    catalogue.check(config, tuple(task.name for task in tasks_lib.parse(config.tasks)))
    hidden_units(config.top_units)
    if config.top_dropout and not config.top_units:
        what = f"--top_dropout={config.top_dropout} needs hidden layers"
        raise ValueError(f"{what}; add --top_units=128, or remove the flag")
    if config.backup_workers and config.sync != "all":
        what = f"--backup_workers={config.backup_workers} needs --sync=all, not {config.sync}"
        raise ValueError(f"{what}; with none, no worker waits for another; remove the flag")
    if config.window and config.crop > config.window:
        what = f"--crop={config.crop} is larger than --window={config.window}"
        raise ValueError(f"{what}; use a smaller crop, or 0")
    _check_tasks(config)


def _check_tasks(config):
    """Raise ValueError for own tasks with a setting that only numbers have, or a wrong best_by."""
    if config.is_numbers:
        names = ("", *(task.name for task in tasks_lib.NUMBER_TASKS))
    else:
        own = tasks_lib.parse(config.tasks)
        # A real number is never exactly correct.
        exact = ("exact_match",) if all(kinds.find(task.kind).EXACT for task in own) else ()
        names = ("", *exact, *(task.name for task in own))
        numbers_only = {"absent": "x", "views": 1}
        for name, value in numbers_only.items():
            if getattr(config, name) != value:
                what = f"--{name}={getattr(config, name)} applies only to --tasks=numbers"
                raise ValueError(f"{what}; remove the flag")
        if config.dataset not in OWN_TASKS:
            what = f"--dataset={config.dataset} has only numbers, not the tasks {config.tasks}"
            raise ValueError(f"{what}; use --dataset={'|'.join(OWN_TASKS)}")
    if config.best_by not in names:
        known = ", ".join(filter(None, names))
        raise ValueError(f"--best_by={config.best_by} must be one of {known}; or remove the flag")
