"""What `mtl explain` shows: which line of the source put which operation into the graph, the graph as a picture, and the numbers in it."""
