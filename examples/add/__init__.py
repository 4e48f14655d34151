"""Tensor addition: two loads, one operation and a store a tile."""
