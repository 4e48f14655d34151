"""Rules that the values of a `CoreConfig` keep.

A size out of range is a `ConfigError` that names the key, the rule, the value and the preset.
"""

import re
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

from .axi import LONGEST_BURST, PAGE_BYTES
from .cfp8 import CFP8, OFFSETTABLE
from .errors import MakaluError
from .formats import CARRIED, INTEGERS, TENSOR_OPERANDS, TENSOR_RESULTS
from .loading import swap_lead
from .pairs import PAIRABLE
from .quads import QUAD_ELEMENTS
from .random_bits import STOCHASTIC
from .scales import GROUP_PARTITIONS, MOVING_ENTRIES, STATIONARY_BANKS, STATIONARY_ENTRIES, scale_words
from .sparsity import GROUP_SIZES, ROW_CANDIDATES, SPARSE, TAGS

if TYPE_CHECKING:
    from .config import CoreConfig, TensorConfig

__all__ = ["GENERATIONS", "KNOWN_FEATURES", "RATE_LIMIT", "ConfigError", "check"]


KNOWN_FEATURES: tuple[str, ...] = (STOCHASTIC, CFP8)
"""What a preset may list; what has sizes or types has keys of its own."""

GENERATIONS = ("none", "trn1", "trn2", "trn3")
"""What a preset may be a model of."""

RATE_LIMIT = (1 << 16) - 1
"""Largest numerator and denominator of the memory's bytes a cycle: the memory models count in 1/denominator byte."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""A preset's name is part of file names: no folder, nothing hidden."""
_FRACTION = re.compile(r"[0-9]{1,9}(/[0-9]{1,9}|\.[0-9]{1,9})?")
"""Narrower than what `Fraction` reads: "1e999999999" would be a number of a billion digits."""


class ConfigError(MakaluError, ValueError):
    """A preset or parameter breaks a rule; the message carries key, rule, value and preset."""


def _is_fraction(text: str) -> bool:
    try:
        return _FRACTION.fullmatch(text) is not None and Fraction(text) >= 0
    except ZeroDivisionError:
        return False


def _whole_partition(partition_bytes: int) -> int:
    """What no pattern exceeds that touches each byte of a partition once, however its sizes are rounded."""
    return 1 << (16 * partition_bytes - 1).bit_length()


def _check_formats(tensor: "TensorConfig", need: Callable[[bool, str, str, object], None]) -> None:
    built, names = [form.name for form in TENSOR_OPERANDS], list(tensor.formats)
    need(names == [name for name in built if name in names], "tensor.formats", f"some of {built}, in that order", names)
    need(built[0] in names, "tensor.formats", f"a list with {built[0]}, in which kernels' constants are written", names)
    written, results = [form.name for form in TENSOR_RESULTS], list(tensor.results)
    need(
        results == [name for name in written if name in results] and written[0] in results,
        "tensor.results",
        f"some of {written}, in that order, {written[0]} among them",
        results,
    )
    forms = tensor.operands
    need(
        tensor.subnormals == "keep" or not tensor.splits,
        "tensor.subnormals",
        "keep where a format of tensor.formats has a lower part, which is not normalised",
        tensor.subnormals,
    )
    need(
        tensor.products == 1 or tensor.subnormals == "keep",
        "tensor.products",
        "1 where subnormals are flushed, which pairs keep",
        tensor.products,
    )
    need(
        tensor.products == 1 or any(form in PAIRABLE for form in forms),
        "tensor.products",
        f"1 where tensor.formats has none of {[form.name for form in PAIRABLE]}",
        tensor.products,
    )
    need(
        (tensor.products == QUAD_ELEMENTS) == bool(tensor.quads),
        "tensor.products",
        f"{QUAD_ELEMENTS} where, and only where tensor.formats has packed formats",
        tensor.products,
    )
    _check_sparsity(tensor, need)
    some = [0, CARRIED.bits] if tensor.carries and tensor.add_stages > 1 else [0]
    need(
        tensor.background_bits in some,
        "tensor.background_bits",
        f"among {some}; a chain of bits is where sums carry bits ({CARRIED.name} in tensor.results) and L is above 1",
        tensor.background_bits,
    )
    late = [form.name for form in forms if swap_lead(tensor, form)]
    need(
        not late,
        "tensor.formats",
        f"without {late}: groups of {tensor.load_columns} columns come so slowly that the first moving column of"
        f" {tensor.columns} would overtake them",
        names,
    )


def _check_sparsity(tensor: "TensorConfig", need: Callable[[bool, str, str, object], None]) -> None:
    some = (1, *(ROW_CANDIDATES * rows for rows in GROUP_SIZES if rows <= tensor.tile))
    need(tensor.candidates in some, "tensor.candidates", f"among {list(some)}", tensor.candidates)
    if not tensor.sparse:
        return
    buffers = 2 * ROW_CANDIDATES
    need(
        tensor.moving_buffers >= buffers,
        "tensor.moving_buffers",
        f"at least {buffers} where weights have tags",
        tensor.moving_buffers,
    )
    late = [form.name for form in tensor.operands if form in SPARSE and swap_lead(tensor, form, sparse=True)]
    need(
        not late,
        "tensor.candidates",
        f"1: groups of {tensor.load_columns} columns of {late} come so slowly that the first moving column of"
        f" {tensor.columns} would overtake them",
        tensor.candidates,
    )


def check(config: "CoreConfig") -> None:
    """Raise `ConfigError` for the first rule that a value of `config` breaks."""

    def need(ok: bool, key: str, rule: str, value: object) -> None:
        if not ok:
            raise ConfigError(f"{key} must be {rule}, not {value!r} (preset {config.name})")

    def power_of_two(key: str, value: int, low: int, high: int) -> None:
        good = low <= value <= high and value & (value - 1) == 0
        need(good, key, f"a power of two from {low} to {high}", value)

    def between(key: str, value: int, low: int, high: int) -> None:
        need(low <= value <= high, key, f"from {low} to {high}", value)

    tensor, psum, sbuf, dma, bus = config.tensor, config.psum, config.sbuf, config.dma, config.bus
    need(
        _NAME.fullmatch(config.name) is not None,
        "name",
        "a letter or digit, then letters, digits, _ . - (up to 64 in all)",
        config.name,
    )
    power_of_two("partitions", config.partitions, 4, 128)
    need(tensor.rows == config.partitions, "tensor.rows", f"partitions ({config.partitions})", tensor.rows)
    need(tensor.columns == config.partitions, "tensor.columns", f"partitions ({config.partitions})", tensor.columns)
    power_of_two("tensor.tile", tensor.tile, 2, min(tensor.rows, 32))
    between("tensor.mul_stages", tensor.mul_stages, 1, 3)
    between("tensor.add_stages", tensor.add_stages, 1, 3)
    power_of_two("tensor.load_columns", tensor.load_columns, 2, tensor.tile)
    power_of_two("tensor.moving_buffers", tensor.moving_buffers, 4, 8)
    power_of_two("tensor.products", tensor.products, 1, QUAD_ELEMENTS)
    need(tensor.subnormals in ("keep", "flush"), "tensor.subnormals", "keep or flush", tensor.subnormals)
    _check_formats(tensor, need)
    integers, given = [form.name for form in INTEGERS], list(config.integers)
    some = given == [name for name in integers if name in given]
    need(some, "integers", f"some of {integers}, in that order", given)
    need(not tensor.sparse or TAGS.name in given, "integers", f"with {TAGS.name}, which holds tags", given)
    need(psum.banks == 8, "psum.banks", "8", psum.banks)
    if tensor.quads:
        of_load, every = scale_words(config, tensor.columns), scale_words(config, psum.bank_elems)
        need(
            config.partitions >= GROUP_PARTITIONS and STATIONARY_BANKS * of_load <= STATIONARY_ENTRIES,
            "partitions",
            f"at least {GROUP_PARTITIONS} for MX, whose scales of a load take {STATIONARY_ENTRIES // STATIONARY_BANKS}"
            " words of SBUF at most",
            config.partitions,
        )
        most = f"such that scales of its elements take {MOVING_ENTRIES} words at most"
        need(every <= MOVING_ENTRIES, "psum.bank_bytes", most, psum.bank_bytes)
    power_of_two("psum.bank_bytes", psum.bank_bytes, 64, 2048)
    between("psum.add_stages", psum.add_stages, 1, 3)
    between("sbuf.banks", sbuf.banks, 1, 8)
    power_of_two("sbuf.bank_bytes", sbuf.bank_bytes, 1024, 32768)
    power_of_two("sbuf.word_bytes", sbuf.word_bytes, 8, 16)
    # two groups of F columns a word: slots 0 and 1 of four keep the load at F columns a cycle
    need(
        4 * tensor.load_columns == sbuf.word_bytes,
        "tensor.load_columns",
        f"sbuf.word_bytes / 4 ({sbuf.word_bytes // 4})",
        tensor.load_columns,
    )
    for key in ("vector", "scalar", "gpsimd"):
        text = getattr(config, key).rate
        need(_is_fraction(text), f"{key}.rate", 'a fraction such as "2/5"', text)
        ratio = Fraction(text)
        need(0 < ratio <= 1 and ratio.denominator <= 16, f"{key}.rate", "in (0, 1] with a denominator up to 16", text)
    need(dma.engines == 1, "dma.engines", "1 (more are not built yet)", dma.engines)
    power_of_two("bus.data_bytes", bus.data_bytes, sbuf.word_bytes, 64)
    power_of_two("bus.instruction_bytes", bus.instruction_bytes, 8, 64)
    between("bus.address_bits", bus.address_bits, 20, 64)
    power_of_two("dma.burst_bytes", dma.burst_bytes, bus.data_bytes, min(PAGE_BYTES, LONGEST_BURST * bus.data_bytes))
    power_of_two("dma.outstanding_reads", dma.outstanding_reads, 1, 64)
    power_of_two("dma.outstanding_writes", dma.outstanding_writes, 1, 64)
    power_of_two("dma.queue", dma.queue, 2, 16)
    power_of_two("dma.partition_lines", dma.partition_lines, 2, 64)
    power_of_two("sequencer.buffer_instructions", config.sequencer.buffer_instructions, 2, 64)
    power_of_two("sequencer.semaphores", config.sequencer.semaphores, 8, 256)
    # 16: four sizes are rounded up, each by less than two; a byte is the smallest element
    power_of_two("sequencer.elements", config.sequencer.elements, _whole_partition(sbuf.partition_bytes), 1 << 32)
    text = config.memory.bytes_per_cycle
    need(_is_fraction(text), "memory.bytes_per_cycle", 'a fraction such as "377/10"', text)
    rate = config.memory.rate
    need(
        0 < rate and rate.numerator <= RATE_LIMIT and rate.denominator <= 1000,
        "memory.bytes_per_cycle",
        f"positive, in lowest terms with a numerator up to {RATE_LIMIT} and a denominator up to 1000",
        str(rate),
    )
    product = config.product
    need(product.generation in GENERATIONS, "product.generation", f"among {list(GENERATIONS)}", product.generation)
    between("product.tensor_clock_hz", product.tensor_clock_hz, 1_000_000, 10_000_000_000)
    between("product.cores_per_chip", product.cores_per_chip, 1, 1024)
    power_of_two("product.full_partitions", product.full_partitions, config.partitions, 128)
    for feature in config.features:
        need(feature in KNOWN_FEATURES, "features", f"among {list(KNOWN_FEATURES)}", feature)
    need(
        not config.cfp8 or any(form in OFFSETTABLE for form in tensor.operands),
        "features",
        f"without {CFP8} where tensor.formats has none of {[form.name for form in OFFSETTABLE]}",
        list(config.features),
    )
