"""Numbers that everything around SBUF and PSUM shares and that no preset changes."""

from .engines import ACCESS_ENGINES
from .formats import FP32

__all__ = ["ENGINES", "GRANULE_BITS", "GRANULE_BYTES", "INDEX_BITS", "PSUM_HALVES", "PSUM_WORD_BITS"]

GRANULE_BYTES = 4
"""Unit of an SBUF write enable; writing less takes a read, a merge and a write."""
GRANULE_BITS = 8 * GRANULE_BYTES

PSUM_WORD_BITS = FP32.bits
"""PSUM has a sum a word."""
PSUM_HALVES = 2
"""Elements of 16 bits in a word, each written alone where sums carry bits or are rounded to bf16."""

INDEX_BITS = 7
"""Partition numbers, as in the instruction's `*_partition` fields: up to 128 partitions in every preset."""

ENGINES = len(ACCESS_ENGINES)
"""Engines behind port A of SBUF and on PSUM's read side."""
