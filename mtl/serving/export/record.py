"""mtl.json beside an exported model: what is needed to use it without the run."""

import json

from mtl import inputs as inputs_lib, tasks as tasks_lib
from mtl.serving.export.freeze import Frozen
from mtl.serving.signatures import Signature, Tensor

NAME = "mtl.json"


def text(
    frozen: Frozen,
    *,
    format: str,
    count: int,
    temperature: float,
    signatures: dict[str, Signature],
    **others,
) -> str:
    """Return the content of mtl.json.

    It has no times and no paths, so that the same run gives the same bytes.

    Args:
      frozen: the network.
      format: that of the model.
      count: views of each image.
      temperature: of the probabilities of a number.
      signatures: of the model.
      others: more entries, of the format.
    """
    run = frozen.run
    is_numbers = tasks_lib.is_numbers(run.tasks)
    record = {
        "format": format,
        "step": frozen.step,
        "is_numbers": is_numbers,
        "tasks": tasks_lib.text(run.tasks),
        "inputs": inputs_lib.to_json(run.inputs),
        **({"views": count, "temperature": temperature} if is_numbers else {"views": 1}),
        **others,
        "signatures": {name: _signature(each) for name, each in signatures.items()},
    }
    return json.dumps(record, indent=2) + "\n"


def _signature(signature):
    """Return a signature for JSON."""
    return {
        "input": _tensor(signature.input),
        "outputs": [_tensor(each) for each in signature.outputs],
    }


def _tensor(tensor: Tensor):
    return {"name": tensor.name, "type": tensor.dtype, "shape": [-1, *tensor.shape]}
