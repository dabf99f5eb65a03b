"""Monitor: the progress line and TensorBoard."""
