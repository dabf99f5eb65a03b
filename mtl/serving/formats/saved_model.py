"""TensorFlow's SavedModel, for TensorFlow Serving, and for TensorFlow 2 and 1."""

import os

FORMAT = "saved_model"
FILE = "saved_model.pb"
TEXT = True
_TAG = "serve"


def write(exported, folder, options):
    """Write a SavedModel without variables; see mtl.serving.formats."""
    import tensorflow.compat.v1 as tf

    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        tf.graph_util.import_graph_def(exported.graph_def, name="")
        found = {}
        for name, signature in exported.signatures.items():
            found[name] = tf.saved_model.build_signature_def(
                {signature.input.name: _info(graph, signature.input)},
                {each.name: _info(graph, each) for each in signature.outputs},
                tf.saved_model.PREDICT_METHOD_NAME,
            )
        # The builder refuses a folder that exists and is not empty.
        builder = tf.saved_model.Builder(folder)
        builder.add_meta_graph_and_variables(
            session, [_TAG], signature_def_map=found, strip_default_attrs=True
        )
        builder.save()
    variables = os.path.join(folder, "variables")
    if os.path.isdir(variables):  # empty
        os.rmdir(variables)


def _info(graph, tensor):
    """Return the TensorInfo of an input or output."""
    import tensorflow.compat.v1 as tf

    return tf.saved_model.build_tensor_info(graph.get_tensor_by_name(f"{tensor.name}:0"))
