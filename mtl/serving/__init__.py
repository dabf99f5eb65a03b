"""Serving: exported models, and a server with TensorFlow Serving's and KServe's protocols."""
