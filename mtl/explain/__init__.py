"""What `mtl explain` shows: the source of each operation, the diagram, and real steps."""
