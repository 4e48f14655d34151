"""Struct layouts inside the DMA and between its engine and its lanes; every width derives from the configuration."""

from amaranth.hdl import signed
from amaranth.lib import data
from amaranth.utils import bits_for, ceil_log2, exact_log2

from makalu.hw.lib.element import LARGEST, SIZE_BITS
from makalu.hw.sbuf.layouts import word_address_bits
from makalu.spec.axi import LONGEST_BURST, PAGE_BYTES
from makalu.spec.config import CoreConfig
from makalu.spec.isa import AP_DIMS, FIELDS, MEMORY_DIMS
from makalu.spec.memory_map import INDEX_BITS

__all__ = [
    "OFFSET_BITS",
    "beat_bits",
    "burst",
    "descriptor",
    "flight_places",
    "lane_control",
    "lane_status",
    "line",
    "line_words",
    "page_bytes",
    "plan",
    "request",
    "slot_bits",
    "start",
    "unit_bits",
    "word_bits",
]

OFFSET_BITS = FIELDS["dst_offset"].bits
"""A byte offset within a partition's SBUF."""
_SIZE_BITS = FIELDS["dst_size0"].bits
_STRIDE_BITS = FIELDS["dst_stride0"].bits + LARGEST  # in bytes
_MEMORY_STRIDE_BITS = FIELDS["memory_stride0"].bits


def beat_bits(config: CoreConfig) -> int:
    """Width of a byte's number within a beat or line of `bus.data_bytes`."""
    return exact_log2(config.bus.data_bytes)


def word_bits(config: CoreConfig) -> int:
    """Width of a byte's number within an SBUF word."""
    return exact_log2(config.sbuf.word_bytes)


def line_words(config: CoreConfig) -> int:
    """SBUF words in a line of `bus.data_bytes`."""
    return config.bus.data_bytes // config.sbuf.word_bytes


def page_bytes(config: CoreConfig) -> int:
    """No burst crosses a multiple of this: AXI's 4 KiB, or less where that would be more than 256 beats."""
    return min(PAGE_BYTES, LONGEST_BURST * config.bus.data_bytes)


def flight_places(outstanding: int) -> int:
    """Depth of a queue of bursts; one of a single place would have an address of no bits."""
    return max(2, outstanding)


def slot_bits(config: CoreConfig) -> int:
    """Number of a descriptor's place in its channel's queue."""
    return ceil_log2(config.dma.queue)


def unit_bits(config: CoreConfig) -> int:
    """Count of lines or beats of one burst; an unaligned one has one more, and one step may go before."""
    return bits_for(config.dma.burst_bytes // config.bus.data_bytes + 2)


def descriptor(config: CoreConfig) -> data.StructLayout:
    """What the channels keep of an instruction; `lasts` are sizes - 1, strides count bytes."""
    return data.StructLayout(
        {
            "address": config.bus.address_bits,
            "offset": OFFSET_BITS,
            "partition": INDEX_BITS,
            "last_partition": INDEX_BITS,  # partitions - 1
            "row": _SIZE_BITS + LARGEST,  # bytes of dimension 0
            "lasts": data.ArrayLayout(_SIZE_BITS, AP_DIMS),
            "strides": data.ArrayLayout(signed(_STRIDE_BITS), AP_DIMS),
            "memory_strides": data.ArrayLayout(signed(_MEMORY_STRIDE_BITS), MEMORY_DIMS),
            "size": SIZE_BITS,  # log2 of an element's bytes
            "contiguous": 1,  # dimension 0 is one run of bytes on both sides
        }
    )


def start(config: CoreConfig) -> data.StructLayout:
    return data.StructLayout({"descriptor": descriptor(config), "slot": slot_bits(config)})


def burst(config: CoreConfig) -> data.StructLayout:
    """One AXI burst: `length` bytes between memory `address` and byte `offset` of `partition`."""
    return data.StructLayout(
        {
            "address": config.bus.address_bits,
            "offset": OFFSET_BITS,
            "length": bits_for(config.dma.burst_bytes),
            "partition": INDEX_BITS,
            "slot": slot_bits(config),
            "last": 1,  # of its descriptor
        }
    )


def plan(config: CoreConfig) -> data.StructLayout:
    """How the aligner turns a burst's units of one side into units of the other."""
    bits, units = beat_bits(config), unit_bits(config)
    return data.StructLayout(
        {
            "shift": bits,  # a byte goes up by this many places, around the end of the unit
            "single": 1,  # one unit in, one unit out
            "prefill": 1,  # the first unit alone makes no unit of the other side
            "units_in": units,
            "units_out": units,
            "low": bits,  # first byte of the first unit that goes out
            "high": bits + 1,  # end of the last unit that goes out
        }
    )


def line(config: CoreConfig) -> data.StructLayout:
    """Bytes low .. high-1 of `data` belong into the words from `address` on; `low` is in the first word."""
    return data.StructLayout(
        {
            "slot": slot_bits(config),
            "address": word_address_bits(config.sbuf),
            "low": word_bits(config),
            "high": beat_bits(config) + 1,
            "data": 8 * config.bus.data_bytes,
        }
    )


def request(config: CoreConfig) -> data.StructLayout:
    """Words that a store burst needs: `words` of them from `address` on."""
    most = config.dma.burst_bytes // config.sbuf.word_bytes + 1
    return data.StructLayout({"address": word_address_bits(config.sbuf), "words": bits_for(most)})


def lane_control(config: CoreConfig) -> data.StructLayout:
    """Engine to all lanes; a lane looks at what names its partition."""
    return data.StructLayout(
        {
            "line_valid": 1,
            "line_partition": INDEX_BITS,
            "line": line(config),
            "request_valid": 1,
            "request_partition": INDEX_BITS,
            "request": request(config),
            "pop": 1,
            "pop_partition": INDEX_BITS,
            "drop": 1,  # every lane forgets the stores that it has read ahead
        }
    )


def lane_status(config: CoreConfig) -> data.StructLayout:
    """One lane to the engine; nothing follows from `lane_control`, so that no path goes from the engine to itself."""
    return data.StructLayout(
        {
            "room": 1,  # for a line
            "room_two": 1,  # for two
            "busy": 1,  # a line is in the lane
            "oldest": slot_bits(config),  # its descriptor, if busy
            "request_room": 1,
            "line_valid": 1,
            "data": 8 * config.bus.data_bytes,  # the line, if valid
            "load_access": 1,  # a load of the lane reads or writes SBUF in this cycle
            "store_access": 1,  # a store of the lane reads it
        }
    )
