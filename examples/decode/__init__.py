"""One decode step of a transformer layer, as its matmuls."""
