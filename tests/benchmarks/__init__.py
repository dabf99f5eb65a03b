"""Benchmarks: `python -m tests.benchmarks`. They print speeds and ratios; pytest runs none."""

import os

# Read once, when TensorFlow is first imported; child processes inherit them.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
