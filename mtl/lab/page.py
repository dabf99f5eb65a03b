"""The page of a comparison, index.html. It is self-contained."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mtl.lab import sections, training_sections
from mtl.lab.grid import SEED, label
from mtl.lab.sections import TEXT, shown
from mtl.lab.statistics import Mean
from mtl.lab.summary import Comparison, score_spec
from mtl.reports.page import Html, document, escape, sectioned, table, words

STYLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "compare.css")
RESULTS = "results.csv"


class About(NamedTuple):
    """What the page says about the comparison itself."""

    command: str  # the command line that repeats it
    flags: Sequence[str]  # flags of all runs that differ from the defaults
    values: Mapping[str, Sequence[Any]]  # flag -> its values
    choose: Sequence[str]  # flags that validation chooses
    tested: int = 0  # runs of the folder, of any comparison, that were evaluated on test
    versions: Mapping[str, Any] = {}  # of the software and the machine; empty if unknown


def html(comparison: Comparison, about: About) -> str:
    """Return the page, a whole HTML document."""
    title = f"Comparison: {', '.join(_names(about))}"
    weights = training_sections.weights(comparison)
    parts = [
        ("results", "Results", sections.results(comparison)),
        ("tasks", "Tasks", sections.tasks(comparison)),
        ("training", "Learning curves", training_sections.training(comparison)),
        *([("weights", "Weights of the tasks", weights)] if weights else []),
        ("cost", "Time and memory", _cost(comparison)),
        ("choice", "How settings were chosen", _choice(comparison, about)),
        ("failed", "Runs without a result", _failed(comparison)),
        ("again", "Reproduce", _again(about)),
    ]
    body = sectioned(title, _facts(comparison, about), parts)
    with open(STYLE, encoding="utf-8") as file:
        return document(f"mtl compare: {title}", body, style=file.read())


def _names(about):
    """Return the flags that tell the variants apart; without any, those that vary at all."""
    names = [name for name in about.values if name not in (*about.choose, "seed")]
    return names or list(about.values)


def _facts(comparison, about):
    """Return the main facts as a list."""
    config = comparison.results[0].run.config
    count = len(comparison.results)
    done = sum(not result.error for result in comparison.results)
    facts = {
        "dataset": config.dataset,
        "tasks": f"{len(comparison.tasks):,}",
        "variants": f"{len(comparison.variants):,}",
        "seeds": f"{len(about.values.get('seed', [0])):,}",
        "steps": " or ".join(f"{steps:,}" for steps in about.values.get("steps", [config.steps])),
        "runs with a result": f"{done:,} of {count:,}",
    }
    items = [f"<div><dt>{name}</dt><dd>{escape(fact)}</dd></div>" for name, fact in facts.items()]
    return f'<dl class="facts">{"".join(items)}</dl>'


# -- sections --------------------------------------------------------------------------------------


def _cost(comparison):
    """Return the table of the costs of a step."""
    ended = [result.ended for variant in comparison.variants for result in variant.chosen]
    beside = sorted({each.beside for each in ended if each})
    together = f"{' or '.join(map(str, beside))} runs at a time"
    hint = f"They slow each other down; for exact times use {words('--jobs=1')}. "
    if beside in ([], [1]):
        together, hint = "one run at a time", ""
    text = (
        f"Measured with {together}. {hint}The time is the median over the progress lines of a "
        "run, without evaluations and without the first step; the memory is the most that a "
        "process had resident, with TensorFlow and the data. Ratios are relative to "
        f"<b>{escape(comparison.reference)}</b>. Single-task networks add up the times of all "
        "networks."
    )
    columns = {
        "variant": "",
        "ms a step": TEXT,
        "time": TEXT,
        "memory, MB": ",.0f",
        "memory": TEXT,
        "steps at the floor": TEXT,
    }
    rows = []
    for variant, cost in zip(comparison.variants, comparison.costs):
        seconds = cost.seconds
        if seconds:
            half = None if seconds.half is None else 1000 * seconds.half
            seconds = Mean(1000 * seconds.mean, half, seconds.count)
        ratios = [_ratio(cost.ratio), cost.memory, _ratio(cost.memory_ratio)]
        rows.append((variant.label, shown(seconds, ".2f"), *ratios, shown(cost.floor, ".1%")))
    caption = "Cost of a training step, and steps with a task at the floor of the clip"
    return f"<p>{text}</p>\n{table(columns, rows, caption)}"


def _ratio(value):
    return sections.NOTHING if value is None else f"{value:.2f} x"


def _choice(comparison, about):
    """Return the scores on validation of all settings."""
    flags = [name for name in about.choose if len(about.values.get(name, ())) > 1]
    name, spec = score_spec(comparison)
    tested = (
        f"{about.tested:,} runs of this folder have been evaluated on test so far, of this "
        "comparison and of earlier ones. Each further choice after a look at test makes its "
        "figures too high."
    )
    if not about.tested:
        flag = words("--test")
        tested = f"The test split has not been used; {flag} evaluates the chosen settings on it."
    if not flags:
        return f"<p>No flag was chosen: each variant has one setting. {tested}</p>"
    text = (
        f"For each variant, validation chooses {escape(' and '.join(flags))}: the highest mean "
        f"{escape(name)} over {_choosing(comparison)}. A setting with a failed run is chosen only "
        f"if all settings have one. {tested}"
    )
    rows = []
    for variant in comparison.variants:
        for network in variant.networks:
            for setting in network.settings:
                whole = sum(not result.error for result in setting.choosing)
                chosen = "yes" if setting is network.chosen else ""
                of_task = f"{variant.label}, {network.task}" if network.task else variant.label
                mean = shown(setting.score, spec)
                done = f"{whole} of {len(setting.choosing)}"
                rows.append((of_task, label(setting.pairs), mean, done, chosen))
    columns = {"variant": "", "setting": "", name: TEXT, "seeds": TEXT, "chosen": ""}
    if any(variant.is_single for variant in comparison.variants):
        text += " A single-task network is chosen by the score of its task."
    return f"<p>{text}</p>\n{table(columns, rows, 'Score on validation of each setting')}"


def _choosing(comparison):
    """Return in words which seeds choose."""
    chooses = {getattr(each.run.config, SEED): each.run.chooses for each in comparison.results}
    if all(chooses.values()):
        return "the seeds"
    seeds = ", ".join(str(seed) for seed in sorted(chooses) if chooses[seed])
    return f"the seeds {seeds}; the others are trained only with the chosen setting"


def _failed(comparison):
    """Return the runs without a result, and why."""
    rows = []
    for result in comparison.results:
        run = result.run
        for what, why in (("training", result.error), ("test", result.test_error)):
            if why:
                pairs = label((*run.variant, *run.setting))
                rows.append((run.name, why, what, run.config.seed, pairs))
    if not rows:
        return "<p>None: all runs have a result.</p>"
    columns = {"run": "", "why": "", "of": "", "seed": "d", "flags": ""}
    return table(columns, rows, "Runs without a result")


def _again(about):
    """Return the command, the flags of all runs, and the versions."""
    parts = [f"<h3>This comparison</h3>\n<pre>{words(about.command)}</pre>"]
    flags = words("\n".join(about.flags)) or "none"
    parts.append(f"<h3>Flags of all runs that differ from the defaults</h3>\n<pre>{flags}</pre>")
    if about.versions:
        columns = {"name": "", "value": ""}
        rows = [(name, str(value)) for name, value in about.versions.items()]
        parts.append(table(columns, rows, "Versions and machine of the first run"))
    parts.append(
        f'<p><a href="{RESULTS}">{RESULTS}</a> has a line for each run. The run directories are '
        "in <code>runs</code>; each has its log beside it.</p>"
    )
    return Html("\n".join(parts))
