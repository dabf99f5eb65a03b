"""Benchmarks: `python -m tests.benchmarks` from the root of the repository. They print ratios and decide no test."""

import os

os.environ.setdefault(
    "TF_CPP_MIN_LOG_LEVEL", "2"
)  # read once, when TensorFlow is first imported; child processes inherit it
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
