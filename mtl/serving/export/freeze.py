"""A trained network as a GraphDef: its weights are constants, so it needs no files."""

from typing import Any, NamedTuple

import tensorflow.compat.v1 as tf

from mtl import checkpoint, model, run_files
from mtl.inference import graph as inference_graph
from mtl.inference.network import check_own_bottom
from mtl.runs import find


class Frozen(NamedTuple):
    """A network with constant weights."""

    run: run_files.Run
    step: int
    graph_def: Any  # tf.GraphDef, without variables
    taken: str  # the tensor of the inputs, inputs.dtype [n, *inputs.network_shape]
    outputs: dict[str, str]  # task name -> the tensor of its outputs, see mtl/kinds


def network(model_dir: str, which: str = "best") -> Frozen:
    """Freeze the network of a run.

    Args:
      model_dir: a run directory, or "pretrained".
      which: "best" (the newest if there is no best), "last", or the path of a checkpoint.

    Raises:
      DataError: there is no such run or checkpoint, it is broken, or the run has a bottom of the
        user's that cannot be imported.
      UsageError: the bottom of the user fails.
    """
    run = run_files.read(find.directory(model_dir))
    path = find.checkpoint(model_dir, which)
    check_own_bottom(model_dir, run)
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        built = inference_graph.build(
            tasks=run.tasks, inputs=run.inputs, **model.network_settings(run.config)
        )
        # An operation of each output: that of two tasks could be the same tensor.
        outputs = {name: tf.identity(each) for name, each in built.outputs.items()}
        variables = {variable.op.name: variable for variable in tf.global_variables()}
        checkpoint.restore(session, variables, path)
        frozen = tf.graph_util.convert_variables_to_constants(
            session, graph.as_graph_def(), [each.op.name for each in outputs.values()]
        )
    names = {name: each.name for name, each in outputs.items()}
    return Frozen(run, checkpoint.step_of(path), frozen, built.placeholder.name, names)
