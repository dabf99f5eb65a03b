"""The embedded data set: images of numbers, drawn as they are needed."""
