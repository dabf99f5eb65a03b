"""Data sets and the way their images reach the network."""
