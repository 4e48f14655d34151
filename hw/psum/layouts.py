"""Struct layouts on the ports of PSUM slices; every width derives from the configuration."""

from functools import cache

from amaranth.lib import data
from amaranth.utils import ceil_log2

from makalu.hw.lib.gated import GatedLayout
from makalu.spec.config import CoreConfig, PsumConfig
from makalu.spec.isa import FIELDS
from makalu.spec.memory_map import ENGINES, INDEX_BITS, PSUM_HALVES, PSUM_WORD_BITS

__all__ = [
    "background_wave",
    "bank_elems_bits",
    "commit",
    "element_address_bits",
    "elements_of_engines",
    "halves_bits",
    "psum_command",
    "psum_commands",
    "psum_request",
    "psum_requests",
    "wave",
]


def halves_bits(config: CoreConfig) -> int:
    """A bit for each half of a word, where halves are written alone."""
    return PSUM_HALVES if config.tensor.halves else 0


def element_address_bits(psum: PsumConfig) -> int:
    """Width of a word's index within a partition; bank = index / bank_elems, its upper bits."""
    return ceil_log2(psum.banks * psum.bank_elems)


def bank_elems_bits(psum: PsumConfig) -> int:
    """Width of a word's index within a bank."""
    return ceil_log2(psum.bank_elems)


@cache
def _read(psum: PsumConfig, go: str) -> data.StructLayout:
    return GatedLayout(
        {
            go: 1,
            "address": element_address_bits(psum),
            "start": INDEX_BITS,  # first partition
            "count": FIELDS["partitions"].bits,  # partitions
        },
        go=go,
    )


@cache
def psum_request(psum: PsumConfig) -> data.StructLayout:
    """What an engine asks the arbiter for: a read of one word in every partition."""
    return _read(psum, "valid")


@cache
def psum_command(psum: PsumConfig) -> data.StructLayout:
    """What the slices do in the cycle in which they see it."""
    return _read(psum, "enable")


@cache
def psum_requests(psum: PsumConfig, engines: int = ENGINES) -> data.ArrayLayout:
    return data.ArrayLayout(psum_request(psum), engines)


@cache
def psum_commands(psum: PsumConfig, engines: int = ENGINES) -> data.ArrayLayout:
    return data.ArrayLayout(psum_command(psum), engines)


@cache
def elements_of_engines() -> data.ArrayLayout:
    """One word an engine."""
    return data.ArrayLayout(PSUM_WORD_BITS, ENGINES)


@cache
def wave(config: CoreConfig) -> data.StructLayout:
    """Destination of one moving column; rides from slice to slice, one a cycle."""
    return GatedLayout(
        {
            "valid": 1,
            "address": element_address_bits(config.psum),
            # all of a word: the sum goes there; one: the shorter sum, or what it carries, as `carried` says where there
            # are both
            "halves": halves_bits(config),
            "carried": int(config.tensor.carries and config.tensor.rounds),
            "rounding": int(config.stochastic_sums),  # of the shorter sum: a `Rounding`
            "accumulate": 1,
            "first": INDEX_BITS,
            "columns": FIELDS["columns"].bits,  # M: slices first .. first + M - 1 take part
        },
        go="valid",
    )


@cache
def background_wave(config: CoreConfig) -> data.StructLayout:
    """Destination of one element a column of a background transpose: `address` counts halves of words."""
    return GatedLayout(
        {
            "valid": 1,
            "address": element_address_bits(config.psum) + ceil_log2(PSUM_HALVES),
            "first": INDEX_BITS,
            "columns": FIELDS["columns"].bits,
        },
        go="valid",
    )


@cache
def commit(config: CoreConfig) -> data.StructLayout:
    """What the memory writes in this cycle; one half alone has the same data as the other."""
    fields = {"address": element_address_bits(config.psum), "halves": halves_bits(config), "data": PSUM_WORD_BITS}
    return GatedLayout({"valid": 1} | fields, go="valid")
