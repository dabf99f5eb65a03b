"""Inference: the graph, a restored network, several views of an image, and decoding."""
