"""Exported models: the graph of a network without variables, and the folder it is written to."""
