"""Write a network as a model of one of mtl/serving/formats, into a new version of a folder."""

import os
from typing import NamedTuple

from mtl.serving import formats
from mtl.serving.export import allowed, folder, graph, record
from mtl.serving.export.freeze import Frozen
from mtl.serving.signatures import Signature


class Written(NamedTuple):
    """A version that was written."""

    path: str  # of the model, OUT/N/FILE
    size: int  # of the model in bytes
    signatures: dict[str, Signature]


def write(
    frozen: Frozen,
    out: str,
    format: str,
    *,
    where: str,
    count: int = 1,
    temperature: float = 1.0,
    options: formats.Options | None = None,
) -> Written:
    """Write a new version of a model, whole or not at all.

    Args:
      frozen: the network.
      out: the folder of all versions; created if missing.
      format: one of formats.NAMES.
      where: the run, for errors.
      count: views of each image to average. Only for numbers.
      temperature: calibrates the probabilities. Only for numbers.
      options: of the format.

    Raises:
      DataError: the network has an operation that no model may have, or the format cannot have it.
      OSError: the folder cannot be written.
    """
    found = formats.find(format)
    options = options or formats.Options()
    exported = graph.build(frozen, count=count, temperature=temperature, text=found.TEXT)
    allowed.check(exported.graph_def, where)
    text = record.text(
        frozen,
        format=format,
        count=count,
        temperature=temperature,
        signatures=exported.signatures,
        file=found.FILE,
        quantize=options.quantize,
    )
    with folder.whole(out) as unfinished:
        found.write(exported, unfinished, options)
        with open(os.path.join(unfinished, record.NAME), "w", encoding="utf-8") as file:
            file.write(text)
        path = os.path.join(folder.finish(unfinished, out), found.FILE)
    return Written(path, os.path.getsize(path), exported.signatures)
