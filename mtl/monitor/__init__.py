"""Monitor a training run: the progress line and TensorBoard."""
