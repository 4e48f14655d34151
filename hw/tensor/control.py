"""The control that rides down the partitions with the tensor wave, `add_stages` cycles a partition."""

from functools import cache

from amaranth.hdl import ShapeLike, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from makalu.hw.arith.operand import part_bits
from makalu.hw.lib.element import code_bits
from makalu.hw.lib.gated import GatedLayout
from makalu.hw.lib.instruction import INSTRUCTION
from makalu.hw.sbuf.layouts import word_address_bits
from makalu.hw.tensor.layouts import tag_bits
from makalu.spec.cfp8 import OFFSET_BITS
from makalu.spec.config import CoreConfig
from makalu.spec.frame import SLOT_BITS
from makalu.spec.isa import FIELDS
from makalu.spec.loading import WORD_GROUPS
from makalu.spec.memory_map import INDEX_BITS
from makalu.spec.quads import SCALE_BITS
from makalu.spec.scales import ENTRIES, MOVING_ENTRIES, STATIONARY_ENTRIES
from makalu.spec.sparsity import RATIO_LIMIT, TAGS

__all__ = [
    "RATIO_BITS",
    "STATIONARY_BUFFERS",
    "buffer_bits",
    "column_control",
    "edge_control",
    "group_control",
    "group_place_bits",
    "lookup_control",
    "operand_type",
    "place_bits",
    "read_control",
    "scale_word",
    "scales",
    "turn_control",
    "unit_ports",
    "word_units",
]

RATIO_BITS = RATIO_LIMIT.bit_length()
STATIONARY_BUFFERS = 2
"""Stationary words that a partition holds: one sends its groups while the other arrives."""


def word_units(config: CoreConfig) -> int:
    """Places of the smallest operand in an SBUF word."""
    return config.sbuf.word_bytes >> config.tensor.smallest


def place_bits(config: CoreConfig) -> int:
    """Width of an element's place in its word."""
    return ceil_log2(word_units(config))


def group_place_bits(config: CoreConfig) -> int:
    """Width of a group's place in its word, in groups of the smallest operand."""
    return ceil_log2(WORD_GROUPS >> config.tensor.smallest)


def buffer_bits(config: CoreConfig) -> int:
    """Width of a line buffer's number."""
    return ceil_log2(config.tensor.moving_buffers)


def operand_type(config: CoreConfig) -> dict[str, ShapeLike]:
    """What an operand is: its format's code, the part of the element, if it is a pair, of how many candidates it is
    one (0: of none), and with cFP8 what its exponent is moved by; as many bits as it takes.
    """
    tensor = config.tensor
    kind = {"dtype": code_bits(tensor.operands), "part": part_bits(tensor.parts), "paired": int(tensor.products > 1)}
    kind["ratio"] = RATIO_BITS if tensor.sparse else 0
    return kind | ({"offset": signed(OFFSET_BITS)} if config.cfp8 else {})


@cache
def read_control(config: CoreConfig) -> data.StructLayout:
    """Read this SBUF word in this cycle, into this buffer, in partitions start .. start + count - 1.

    A word of `scale` goes to its groups, as their word `entry`; of the partitions those have one that lie less than a
    quadrant's groups above `start` in their quadrant. A word of `tags`, of which so many `units` are some of a tile
    with this `ratio`, is tag word number `buffer`.
    """
    fields = {
        "enable": 1,
        "moving": 1,  # else stationary
        "address": word_address_bits(config.sbuf),
        "buffer": buffer_bits(config),
        "start": INDEX_BITS,
        "count": FIELDS["partitions"].bits,
    }
    gates: dict[str, tuple[str, ...]] = {}
    if config.tensor.sparse:
        fields |= {"tags": 1, "ratio": RATIO_BITS, "units": ceil_log2(config.sbuf.word_bytes // TAGS.bytes + 1)}
        gates |= {"ratio": ("tags",), "units": ("tags",)}
    if config.tensor.quads:
        fields |= {"scale": 1, "entry": ceil_log2(ENTRIES)}
        gates |= {"moving": ("~scale",), "buffer": ("~scale",), "entry": ("scale",)}
    return GatedLayout(fields, go="enable", gates=gates)


def unit_ports(config: CoreConfig) -> dict[str, wiring.Member]:
    """Of each unit of the head that reads words: the instruction that starts it, partition 0's slot, its read."""
    read = Out(read_control(config))
    return {"start": In(1), "instruction": In(INSTRUCTION), "slot": In(SLOT_BITS), "read": read}


@cache
def lookup_control(config: CoreConfig) -> data.StructLayout:
    """Scales that the next cycle's column and group have: in which word of each kind, and where in it."""
    inside = config.sbuf.word_bytes
    column = {"valid": 1, "entry": ceil_log2(MOVING_ENTRIES), "place": ceil_log2(inside)}
    group = {
        "valid": 1,
        "entry": ceil_log2(STATIONARY_ENTRIES),
        "place": ceil_log2(inside // config.tensor.load_columns),
    }
    return data.StructLayout({"column": GatedLayout(column, go="valid"), "group": GatedLayout(group, go="valid")})


@cache
def scale_word(config: CoreConfig) -> data.StructLayout:
    """A word of scales on its way to a group."""
    fields = {"valid": 1, "entry": ceil_log2(ENTRIES), "data": 8 * config.sbuf.word_bytes}
    return GatedLayout(fields, go="valid")


@cache
def scales(config: CoreConfig) -> data.StructLayout:
    """Those of the column and of the group that are at this row's edge; of others they mean nothing."""
    return data.StructLayout({"column": SCALE_BITS, "group": SCALE_BITS * config.tensor.load_columns})


@cache
def group_control(config: CoreConfig) -> data.StructLayout:
    """The group at `place` in stationary buffer `buffer` is at the array's edge in this cycle, as group `tag`; its
    `number` in the load says which tags of weights it has; `apart`: in rows outside of the tile it is neutral.
    """
    bits = tag_bits(config.tensor)
    fields = {"valid": 1, "buffer": 1, "place": group_place_bits(config), "tag": bits, "apart": 1}
    fields["number"] = bits if config.tensor.sparse else 0
    return GatedLayout(fields | operand_type(config), go="valid")


@cache
def column_control(config: CoreConfig) -> data.StructLayout:
    """The element at `place` in line buffer `buffer` is at the array's edge in this cycle."""
    fields = {"valid": 1, "swap": 1, "buffer": buffer_bits(config), "place": place_bits(config)}
    return GatedLayout(fields | operand_type(config), go="valid")


@cache
def turn_control(config: CoreConfig) -> data.StructLayout:
    """The turn of a background transpose is at this row's edge; the row is in it if start <= index < start + count."""
    return GatedLayout({"valid": 1, "start": INDEX_BITS, "count": FIELDS["partitions"].bits}, go="valid")


@cache
def edge_control(config: CoreConfig) -> data.StructLayout:
    """Everything that an edge does in one cycle, and its group of partitions in the next."""
    fields = {"read": read_control(config), "group": group_control(config), "column": column_control(config)}
    if config.tensor.quads:
        fields["lookup"] = lookup_control(config)
    if config.tensor.background_bits:
        fields["turn"] = turn_control(config)
    return data.StructLayout(fields)
