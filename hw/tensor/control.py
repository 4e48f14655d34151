"""The control that rides down the partitions with the tensor wave, `add_stages` cycles a partition."""

from functools import cache

from amaranth.lib import data
from amaranth.utils import ceil_log2

from makalu.hw.lib.gated import GatedLayout
from makalu.hw.sbuf.layouts import word_address_bits
from makalu.hw.tensor.layouts import tag_bits
from makalu.spec.config import CoreConfig
from makalu.spec.formats import TENSOR_OPERANDS
from makalu.spec.isa import FIELDS
from makalu.spec.memory_map import INDEX_BITS

__all__ = [
    "GROUPS_OF_A_WORD",
    "OPERAND",
    "STATIONARY_BUFFERS",
    "buffer_bits",
    "column_control",
    "edge_control",
    "element_bits",
    "group_control",
    "read_control",
    "word_elements",
]

(OPERAND,) = TENSOR_OPERANDS
"""What the edge of the array reads. A second format brings its code into `group_control` and `column_control`."""
STATIONARY_BUFFERS = 2
"""Stationary words that a partition holds: one sends its groups while the other arrives."""
GROUPS_OF_A_WORD = 2
"""Groups of F elements in an SBUF word (the preset loader checks 4 F = word_bytes)."""


def word_elements(config: CoreConfig) -> int:
    """Moving elements in an SBUF word."""
    return config.sbuf.word_bytes // OPERAND.bytes


def element_bits(config: CoreConfig) -> int:
    """Width of an element's place in its word."""
    return ceil_log2(word_elements(config))


def buffer_bits(config: CoreConfig) -> int:
    """Width of a line buffer's number."""
    return ceil_log2(config.tensor.moving_buffers)


@cache
def read_control(config: CoreConfig) -> data.StructLayout:
    """Read this SBUF word in this cycle, into this buffer, in partitions start .. start + count - 1."""
    return GatedLayout(
        {
            "enable": 1,
            "moving": 1,  # else stationary
            "address": word_address_bits(config.sbuf),
            "buffer": buffer_bits(config),
            "start": INDEX_BITS,
            "count": FIELDS["partitions"].bits,
        },
        go="enable",
    )


@cache
def group_control(config: CoreConfig) -> data.StructLayout:
    """Half `half` of stationary buffer `buffer` is at the array's edge in this cycle, as group `tag`."""
    return GatedLayout({"valid": 1, "buffer": 1, "half": 1, "tag": tag_bits(config.tensor)}, go="valid")


@cache
def column_control(config: CoreConfig) -> data.StructLayout:
    """Element `element` of line buffer `buffer` is at the array's edge in this cycle."""
    fields = {"valid": 1, "swap": 1, "buffer": buffer_bits(config), "element": element_bits(config)}
    return GatedLayout(fields, go="valid")


@cache
def edge_control(config: CoreConfig) -> data.StructLayout:
    """Everything that an edge does in one cycle."""
    return data.StructLayout(
        {"read": read_control(config), "group": group_control(config), "column": column_control(config)}
    )
