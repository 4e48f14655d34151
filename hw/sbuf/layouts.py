"""Struct layouts on the ports of SBUF slices and of the access arbiter; every width derives from the configuration."""

from functools import cache

from amaranth.lib import data
from amaranth.utils import ceil_log2

from makalu.hw.lib.gated import GatedLayout
from makalu.spec.config import CoreConfig, SbufConfig
from makalu.spec.isa import FIELDS
from makalu.spec.memory_map import ENGINES, GRANULE_BYTES, INDEX_BITS

__all__ = [
    "access_command",
    "access_commands",
    "access_request",
    "access_requests",
    "bank_port",
    "bank_select_bits",
    "bank_words_bits",
    "dma_port",
    "granule_count",
    "tensor_read",
    "word_address_bits",
    "words_of_engines",
    "written",
]

_COUNT_BITS = FIELDS["partitions"].bits


def granule_count(sbuf: SbufConfig) -> int:
    """32-bit granules a word: the unit of a write enable."""
    return sbuf.word_bytes // GRANULE_BYTES


def word_address_bits(sbuf: SbufConfig) -> int:
    """Width of a word index within a partition; bank = word index / bank_words, its upper bits."""
    return ceil_log2(sbuf.words)


def bank_words_bits(sbuf: SbufConfig) -> int:
    """Width of a word index within a bank."""
    return ceil_log2(sbuf.bank_words)


def bank_select_bits(sbuf: SbufConfig) -> int:
    """Width of a bank's number; 1 also for a single bank."""
    return max(1, ceil_log2(sbuf.banks))


@cache
def _access(config: CoreConfig, go: str) -> data.StructLayout:
    # only partitions in which scales lie: from `start` on the first ones of each quadrant
    scales = {"scales": 1} if config.tensor.quads else {}
    return GatedLayout(
        {
            go: 1,
            "write": 1,
            "address": word_address_bits(config.sbuf),
            "mask": config.sbuf.word_bytes,  # a bit a byte
            "start": INDEX_BITS,  # first partition
            "count": _COUNT_BITS,  # partitions
            **scales,
        },
        go=go,
    )


@cache
def access_request(config: CoreConfig) -> data.StructLayout:
    """What an engine asks the arbiter for."""
    return _access(config, "valid")


@cache
def access_command(config: CoreConfig) -> data.StructLayout:
    """What the slices do in the cycle in which they see it."""
    return _access(config, "enable")


@cache
def access_requests(config: CoreConfig, engines: int = ENGINES) -> data.ArrayLayout:
    return data.ArrayLayout(access_request(config), engines)


@cache
def access_commands(config: CoreConfig, engines: int = ENGINES) -> data.ArrayLayout:
    return data.ArrayLayout(access_command(config), engines)


@cache
def words_of_engines(config: CoreConfig) -> data.ArrayLayout:
    """One SBUF word an engine."""
    return data.ArrayLayout(8 * config.sbuf.word_bytes, ENGINES)


@cache
def tensor_read(config: CoreConfig) -> data.StructLayout:
    """Port B, slots 0 to 2."""
    return GatedLayout({"enable": 1, "address": word_address_bits(config.sbuf)}, go="enable")


@cache
def dma_port(config: CoreConfig) -> data.StructLayout:
    """Port B, slot 3."""
    return GatedLayout(
        {
            "enable": 1,
            "write": 1,
            "address": word_address_bits(config.sbuf),
            "granules": granule_count(config.sbuf),
            "data": 8 * config.sbuf.word_bytes,
        },
        go="enable",
        gates={"granules": ("write",), "data": ("write", "granules")},
    )


@cache
def bank_port(sbuf: SbufConfig) -> data.StructLayout:
    """One of the two ports of a bank: a read, or a write of the granules that are set."""
    return data.StructLayout(
        {
            "enable": 1,
            "write": 1,
            "address": bank_words_bits(sbuf),
            "granules": granule_count(sbuf),
            "data": 8 * sbuf.word_bytes,
        }
    )


@cache
def written(config: CoreConfig) -> data.StructLayout:
    """What a port commits in this cycle: merged data, and which granules of it."""
    return GatedLayout(
        {
            "enable": 1,
            "address": word_address_bits(config.sbuf),
            "granules": granule_count(config.sbuf),
            "data": 8 * config.sbuf.word_bytes,
        },
        go="enable",
        gates={"data": ("granules",)},
    )
