"""An exported SavedModel in BentoML: python -m tests.benchmarks.serving_bentoml PORT EXPORT."""

import os
import sys

import bentoml
import numpy as np

EXPORT = "MTL_BENCHMARK_EXPORT"


@bentoml.service(workers=1)
class Served:
    """The signature `pixels`, with BentoML's batches."""

    def __init__(self):
        import tensorflow.compat.v1 as tf

        self._session = tf.Session(graph=tf.Graph())
        with self._session.graph.as_default():
            meta = tf.saved_model.load(self._session, ["serve"], os.environ[EXPORT])
        signature = meta.signature_def["pixels"]
        outputs = [signature.outputs[name].name for name in ("confidence", "length", "digits")]
        self._call = self._session.make_callable(outputs, [signature.inputs["pixels"].name])

    @bentoml.api(batchable=True, max_batch_size=32, max_latency_ms=2000)
    def predict(self, instances: np.ndarray) -> np.ndarray:
        confidence, length, digits = self._call(instances.astype(np.uint8))
        flat = digits.reshape(len(digits), -1)
        return np.concatenate([confidence[:, None], length, flat], axis=1)


if __name__ == "__main__":
    os.environ[EXPORT] = sys.argv[2]
    command = [sys.executable, "-m", "bentoml", "serve", "tests.benchmarks.serving_bentoml:Served"]
    os.execv(sys.executable, [*command, "--host", "127.0.0.1", "--port", sys.argv[1]])
