"""TensorFlow Lite, for phones and small devices; without encoded images and text."""

import os
import shutil

from mtl.errors import DataError

FORMAT = "tflite"
FILE = "model.tflite"
TEXT = False
QUANTIZE = ("none", "float16", "dynamic", "int8")


def write(exported, folder, options):
    """Convert the graph; see mtl.serving.formats."""
    import tensorflow.compat.v1 as tf

    from mtl.checkpoint import first_line
    from mtl.serving.formats import saved_model

    source = os.path.join(folder, "source")
    saved_model.write(exported, source, options)
    # The converter of compat.v1 gives a model no signature.
    lite = tf.compat.v2.lite
    converter = lite.TFLiteConverter.from_saved_model(
        source, signature_keys=list(exported.signatures)
    )
    if options.quantize != "none":
        converter.optimizations = [lite.Optimize.DEFAULT]
    if options.quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if options.quantize == "int8":
        examples = options.examples()

        def ranges():
            return ([each[None]] for each in examples)

        converter.representative_dataset = ranges
        if examples.dtype == "uint8":
            converter.inference_input_type = tf.uint8
    try:
        content = converter.convert()
    except Exception as error:  # the converter raises many types
        what = f"TensorFlow Lite cannot convert this network ({first_line(error)})"
        raise DataError(f"{what}; use --format=saved_model") from error
    shutil.rmtree(source)
    with open(os.path.join(folder, FILE), "wb") as file:
        file.write(content)
