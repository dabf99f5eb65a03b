"""An exported SavedModel in LitServe: python -m tests.benchmarks.serving_litserve PORT EXPORT."""

import sys

import litserve
import numpy as np


class Api(litserve.LitAPI):
    """The signature `pixels`, with LitServe's batches."""

    def setup(self, device):
        import tensorflow.compat.v1 as tf

        self._session = tf.Session(graph=tf.Graph())
        with self._session.graph.as_default():
            meta = tf.saved_model.load(self._session, ["serve"], sys.argv[2])
        signature = meta.signature_def["pixels"]
        outputs = {name: each.name for name, each in signature.outputs.items()}
        self._call = self._session.make_callable(outputs, [signature.inputs["pixels"].name])

    def decode_request(self, request):
        return np.asarray(request["instances"][0], np.uint8)

    def batch(self, inputs):
        return np.stack(inputs)

    def predict(self, images):
        return self._call(images)

    def unbatch(self, outputs):
        count = len(outputs["number"])
        return [{name: each[i] for name, each in outputs.items()} for i in range(count)]

    def encode_response(self, output):
        return {
            "number": output["number"].decode(),
            "confidence": float(output["confidence"]),
            "length": output["length"].tolist(),
            "digits": output["digits"].tolist(),
        }


if __name__ == "__main__":
    api = Api(max_batch_size=32, batch_timeout=0.002)
    litserve.LitServer(api, accelerator="cpu").run(
        host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="error"
    )
