"""A SavedModel that `mtl export` wrote, as a model of the server."""

import json
import os
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import inputs as inputs_lib, tasks as tasks_lib
from mtl.checkpoint import first_line
from mtl.errors import DataError
from mtl.runs import files
from mtl.serving import signatures
from mtl.serving.batching import Run

RECORD = "mtl.json"
MOST_BYTES = 1 << 22  # of the record
_WRONG_FORM = (AttributeError, OverflowError, RecursionError)  # of a record that is not ours


def versions(folder: str) -> list[int]:
    """Return the numbers of the exports in a folder, in order."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    numbers = [int(name) for name in names if name.isascii() and name.isdigit()]
    return sorted(n for n in numbers if os.path.exists(os.path.join(folder, str(n), RECORD)))


def newest(folder: str) -> str:
    """Return the path of the export with the highest number; raise DataError without one."""
    found = versions(folder)
    if not found:
        cure = f"write one with: mtl export --out={folder}"
        raise DataError(f"{folder}: no exported model in this folder; {cure}")
    return os.path.join(folder, str(found[-1]))


class Exported:
    """A SavedModel in a session. Its version is the number of its folder."""

    def __init__(self, path: str):
        """Load a version.

        Args:
          path: its folder, such as DIR/1.

        Raises:
          DataError: it cannot be read, or has another format.
        """
        record = _record(path)
        self.tasks, self.inputs, self.views = record
        self.version = int(os.path.basename(path))
        found = signatures.of(self.tasks, self.inputs)
        name = signatures.PIXELS if self.inputs.is_images else signatures.DEFAULT
        graph = tf.Graph()
        # The runtime divides one operation among all cores. A run serves more images, because
        # its batches are divided.
        self._session = tf.Session(graph=graph, config=tf.ConfigProto())
        try:
            with graph.as_default():
                meta = tf.saved_model.load(self._session, ["serve"], path)
            # As dicts: a map of a protocol buffer has an empty value for a missing key.
            defined = dict(meta.signature_def)[name]
            taken = dict(defined.inputs)[found[name].input.name].name
            made = dict(defined.outputs)
            wanted = {each.name: made[each.name].name for each in found[name].outputs}
            self._call = self._session.make_callable(wanted, [taken])
        except (OSError, ValueError, KeyError, RuntimeError, tf.errors.OpError) as error:
            self._session.close()
            cure = "export the run again"
            raise DataError(f"{path}: cannot be loaded ({first_line(error)}); {cure}") from None
        self._text = [each.name for each in found[name].outputs if each.dtype == signatures.STRING]

    def lanes(self) -> list[Run]:
        """See models.Model: there is one graph, so one lane."""
        return [self.run]

    def run(self, inputs: np.ndarray) -> dict[str, Any]:
        """See models.Model."""
        found = self._call(inputs)
        for name in self._text:
            found[name] = [text.decode() for text in found[name]]
        return found

    def close(self) -> None:
        """Close the session."""
        self._session.close()


def _record(path):
    """Return the tasks, the inputs and the views of an export."""
    name = os.path.join(path, RECORD)
    try:
        record = json.loads(files.read_text(name, MOST_BYTES))
        if record["format"] != "saved_model":
            what = f"is a model of the format {record['format']}"
            raise DataError(f"{path}: {what}; serve one of --format=saved_model")
        tasks = tasks_lib.parse(record["tasks"])
        return tasks, inputs_lib.from_json(record["inputs"]), int(record["views"])
    except (OSError, ValueError, KeyError, TypeError, *_WRONG_FORM) as error:
        cure = "export the run again"
        raise DataError(f"{name}: cannot be read ({first_line(error)}); {cure}") from None
