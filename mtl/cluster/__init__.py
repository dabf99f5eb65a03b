"""Training on many machines, with TensorFlow's own distributed runtime."""
