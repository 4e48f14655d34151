"""Shapes at the edges of the PE array."""

from functools import cache

from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from makalu.hw.arith.words import OPERAND, operand_word
from makalu.spec.chain import CHAIN_BITS
from makalu.spec.config import CoreConfig, TensorConfig
from makalu.spec.sparsity import ROW_CANDIDATES, TAG_BITS

__all__ = ["CHAIN_BITS", "OPERAND", "bits_ports", "bits_word", "group", "group_of", "tag_bits", "x_edge", "x_operand"]


def _x(tensor: TensorConfig, candidates: int) -> data.StructLayout:
    fields = {"operand": operand_word(tensor.products), "active": 1, "swap": 1, "paired": int(tensor.products > 1)}
    fields |= {"turn": int(tensor.background_bits > 0)}
    if tensor.sparse:
        fields |= {"sparse": 1, "candidates": data.ArrayLayout(OPERAND, candidates)}
    return data.StructLayout(fields)


@cache
def x_operand(tensor: TensorConfig) -> data.StructLayout:
    """A moving element: `active`, it belongs to a tile (else it adds nothing); `swap`, the stationary shadow registers
    that it meets become active with it; `paired`, it is a pair or quad, as is what it meets; `turn`, whatever the
    element is: the bits of shadow registers go to the chain of background transposes; `sparse`, it is that of
    `candidates` which the weight's tag says, four of each row of the group.
    """
    return _x(tensor, tensor.candidates)


@cache
def x_edge(tensor: TensorConfig) -> data.StructLayout:
    """The same at a partition's edge, which has candidates of its own row only."""
    return _x(tensor, ROW_CANDIDATES)


def bits_word(tensor: TensorConfig) -> int:
    """Width of a word on a column's chain of bits: an element, above it whether there is one; 0: no chain."""
    return tensor.background_bits + 1 if tensor.background_bits else 0


def bits_ports(tensor: TensorConfig, columns: int) -> dict[str, wiring.Member]:
    """Of a block of so many columns: chain of bits, column 0 lowest, upper and lower edge; none where there is none."""
    width = columns * bits_word(tensor)
    return {"bits_in": In(width), "bits_out": Out(width)} if tensor.background else {}


def tag_bits(tensor: TensorConfig) -> int:
    """Width of a group's number among the C / F groups of a row."""
    return ceil_log2(tensor.columns // tensor.load_columns)


@cache
def group_of(tensor: TensorConfig) -> data.StructLayout:
    """F stationary operands on their way to columns tag * F and up; operand 0 is the lowest column's. Each has a pick,
    which of the candidates it meets: the tag that memory has of it.
    """
    operands = data.ArrayLayout(operand_word(tensor.products), tensor.load_columns)
    fields = {"operands": operands, "tag": tag_bits(tensor), "valid": 1}
    if tensor.sparse:
        fields["picks"] = data.ArrayLayout(TAG_BITS, tensor.load_columns)
    return data.StructLayout(fields)


@cache
def group(config: CoreConfig) -> data.StructLayout:
    """`group_of` the configuration's array."""
    return group_of(config.tensor)
