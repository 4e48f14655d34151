"""Handwritten digits: a small network trained in numpy, run on the core."""
