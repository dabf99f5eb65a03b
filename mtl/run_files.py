"""The text files of a run directory: config.json and metrics.jsonl. Also checks the directory."""

import errno
import json
import math
import os
from typing import NamedTuple, Tuple

from mtl import checkpoint, config as config_lib, inputs as inputs_lib, tasks as tasks_lib
from mtl.config import Config
from mtl.data import batches
from mtl.errors import DataError
from mtl.inputs import Inputs
from mtl.tasks import Task

TEMPERATURE = "temperature"  # the key in config.json and metrics.jsonl
# Fields that may change when a run continues: its length, what it reports, how fast it is, paths.
MAY_CHANGE = (
    "steps",
    "log_every",
    "save_every",
    "workers",
    "views",
    "patience",
    "threads",
    "backup_workers",
    "data_dir",
    "init_from",
    "on_nonfinite",
)


class Run(NamedTuple):
    """What config.json says about a run: what evaluate and predict rebuild the network from."""

    config: Config
    tasks: Tuple[Task, ...]  # with the scales of train
    inputs: Inputs
    temperature: float = 1.0

    def check_batch(self, inputs, labels):
        """Raise ValueError if a batch does not fit the network."""
        batches.check_inputs(inputs, self.inputs)
        if not len(inputs):
            raise ValueError("a batch has no examples; a source must yield at least one")
        tasks_lib.check_labels(labels, self.tasks, len(inputs))


def check_directory(model_dir):
    """Check that a run can start or continue in a directory. Changes nothing.

    Args:
      model_dir: str; it may be missing or empty.

    Raises:
      DataError: the directory holds files of another program, or a run whose checkpoints are gone.
        Such a run must not start over: it would replace its best weights and its metrics.
    """
    names = sorted(os.listdir(model_dir)) if os.path.isdir(model_dir) else []
    if checkpoint.CONFIG not in names:
        foreign = [name for name in names if checkpoint.RUN_FILE.fullmatch(name)]
        if foreign:
            cure = f"choose another --model_dir, or restore its {checkpoint.CONFIG} from a copy"
            what = f"holds {foreign[0]} but no {checkpoint.CONFIG}, so it is not a run of mtl"
            raise DataError(f"{model_dir}: {what}; {cure}")
        return
    read(model_dir)
    signs = [] if checkpoint.all_of(model_dir) else _signs_of_saves(model_dir, names)
    if signs:
        cure = f"restore {checkpoint.PREFIX}-* from a copy, or choose another --model_dir"
        what = f"{', '.join(signs)} show that steps were saved, but no checkpoint is left"
        raise DataError(f"{model_dir}: {what}; {cure}")


def _signs_of_saves(model_dir, names):
    """List the files that prove that a run without a checkpoint once had one."""
    best = os.path.join(model_dir, checkpoint.BEST)
    metrics = os.path.join(model_dir, checkpoint.METRICS)
    signs = [checkpoint.STATE] if checkpoint.STATE in names else []
    if checkpoint.METRICS in names and os.path.getsize(metrics):
        signs.append(checkpoint.METRICS)
    if os.path.isdir(best) and os.listdir(best):
        signs.append(f"{checkpoint.BEST}/")
    data = [name for name in names if checkpoint.PART.fullmatch(name)]
    if len(data) > 1:  # a first save that was killed leaves one
        signs.append(data[0])
    return signs


def write_records(model_dir, texts, metrics):
    """Write text files of a run. Each file is replaced atomically.

    Args:
      model_dir: str, created if missing.
      texts: dict file name -> text.
      metrics: list of dict, all evaluations so far; they replace the content of metrics.jsonl.

    Raises:
      DataError: the directory cannot be written.
    """
    try:
        os.makedirs(model_dir, exist_ok=True)
        lines = [json.dumps(row) + "\n" for row in metrics]
        checkpoint.write_texts(model_dir, {**texts, checkpoint.METRICS: "".join(lines)})
    except OSError as error:
        cure = f"{checkpoint.cure_of(error)}, or choose another --model_dir"
        raise DataError(f"{model_dir}: cannot be written ({error.strerror}); {cure}") from error


def open_text(path):
    """Open a text file of a run for reading; raise OSError for a pipe or a device."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(errno.EINVAL, "not a file", path)
    return open(path, encoding="utf-8-sig")


def to_json(run):
    """Return what config.json says about the tasks and the inputs of a Run, as a dict."""
    scales = {}
    for task in run.tasks:
        if (task.mean, task.std) != (0.0, 1.0):
            scales[task.name] = {"mean": task.mean, "std": task.std}
    return {
        "tasks": [[task.name, _spec(task)] for task in run.tasks],
        **({"scales": scales} if scales else {}),
        "inputs": inputs_lib.to_json(run.inputs),
    }


def _spec(task):
    """Return tasks.spec of a task, as an int if it is a number of classes."""
    spec = tasks_lib.spec(task)
    return int(spec) if spec.isdigit() else spec


def read(model_dir):
    """Return the Run of a run directory. Its temperature is 1.0 if none was fitted yet.

    Raises:
      DataError: config.json is missing or damaged, or has tasks that this version does not build.
    """
    path = os.path.join(model_dir, checkpoint.CONFIG)
    try:
        with open_text(path) as file:
            return _parsed(json.load(file))
    except FileNotFoundError:
        cure = f"train a run with: mtl train --model_dir={model_dir}"
        raise DataError(f"{path}: no such file, so this is not a run directory; {cure}") from None
    except OSError as error:
        cure = "make it a readable file, or choose another --model_dir"
        raise DataError(f"{path}: cannot be read ({error.strerror}); {cure}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        cure = "restore it from a copy, or choose another --model_dir"
        what = f"not the record of a run of mtl ({checkpoint.first_line(error)})"
        raise DataError(f"{path}: {what}; {cure}") from None


def differences(old, new):
    """List the fields of two Configs that differ, beyond MAY_CHANGE, as "--field=old (now new)"."""
    changed = []
    for name in config_lib.FIELDS:
        before, after = getattr(old, name), getattr(new, name)
        if name not in MAY_CHANGE and before != after:
            changed.append(f"--{name}={before} (now {after})")
    return changed


def read_config(model_dir):
    """Return the config.Config of a run directory; raise DataError as `read`."""
    return read(model_dir).config


def _parsed(record):
    """Return the Run in the JSON object of config.json."""
    # Before the field existed, runs had no warmup. Now the default has one.
    config = Config.from_dict({"warmup_steps": 0, **record["config"]})
    tasks = tasks_lib.parse(config.tasks)
    names = [[task.name, _spec(task)] for task in tasks]
    if record.get("tasks", names) != names:
        found, built = json.dumps(record["tasks"]), json.dumps(names)
        raise ValueError(f'"tasks" is {found:.200}, but this version builds {built:.200}')
    scales = record.get("scales", {})
    tasks = tuple(task._replace(**scales.get(task.name, {})) for task in tasks)
    tasks_lib.check(tasks, config.absent)
    temperature = record.get(TEMPERATURE, 1.0)
    if not _is_temperature(temperature):
        text = config_lib.TEMPERATURE.text()
        raise ValueError(f"{TEMPERATURE} is {temperature!r:.40}, not a number {text}")
    return Run(config, tasks, _inputs(record), float(temperature))


def _inputs(record):
    """Return the Inputs of a record; earlier versions called them "image"."""
    if "inputs" in record or "image" not in record:
        return inputs_lib.from_json(record.get("inputs", {}))
    image = record["image"]
    shape = [image["window"], image["window"], image["channels"]]
    return inputs_lib.from_json({"shape": shape, "crop": image["crop"]})


def _is_temperature(value):
    return type(value) in (int, float) and config_lib.TEMPERATURE.contains(value)


def temperature_of(history):
    """Return the temperature of the best evaluation; 1.0 if no evaluation has a valid one.

    If the best has none, such as one of an earlier version of mtl, the newest that has one counts.

    Args:
      history: list of dict, the evaluations.
    """
    rows = [best(history) or {}, *reversed(history)]
    valid = (row[TEMPERATURE] for row in rows if _is_temperature(row.get(TEMPERATURE)))
    return next(valid, 1.0)


def read_metrics(model_dir, up_to):
    """Return the evaluations of a run (list of dict) up to and including a step.

    The list ends at the first damaged line.

    Raises:
      DataError: the file exists and cannot be read.
    """
    rows, path = [], os.path.join(model_dir, checkpoint.METRICS)
    try:
        with open_text(path) as file:
            for line in file:
                row = json.loads(line)
                if row["step"] > up_to:
                    break
                rows.append(row)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); make it readable") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return rows


def score(row):
    """Return the score of an evaluation, the larger the better; None if it has none.

    Rows of earlier versions have only a sequence accuracy.
    """
    value = row.get("score", row.get("sequence_accuracy"))
    known = type(value) in (int, float) and math.isfinite(value)
    return value if known else None


def outcome(row):
    """Return the result of an evaluation in words."""
    if "sequence_accuracy" in row:
        return f"validation sequence accuracy {row['sequence_accuracy']:.1%}"
    value = score(row)
    return "validation has no score" if value is None else f"validation score {value:.4f}"


def has_valid_score(row):
    """Return whether a value is an evaluation with a score, which is None without labels for it."""
    if not isinstance(row, dict):
        return False
    value = score(row)
    if "score" in row:
        return value is not None or row["score"] is None
    return value is not None and 0.0 <= value <= 1.0  # a sequence accuracy


def best(history):
    """Return the evaluation of the highest score, the first of equals; None without any."""
    scored = [row for row in history if score(row) is not None]
    return max(scored, key=score, default=None)


def is_exhausted(history, patience):
    """Return whether the last `patience` evaluations brought no new best; 0 is never."""
    first = best(history)
    if not patience or first is None:
        return False
    return len([row for row in history if row["step"] > first["step"]]) >= patience
