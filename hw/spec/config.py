"""Frozen configuration of one core, and the rules that its values keep; `preset.py` reads it from a file.

A size out of range is a `ConfigError` that names the key, the rule, the value and the preset.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from fractions import Fraction

from .axi import LONGEST_BURST, PAGE_BYTES
from .errors import MakaluError
from .formats import FP32

__all__ = [
    "GENERATIONS",
    "RATE_LIMIT",
    "BusConfig",
    "ConfigError",
    "CoreConfig",
    "DmaConfig",
    "EngineConfig",
    "MemoryConfig",
    "ProductConfig",
    "PsumConfig",
    "SbufConfig",
    "SequencerConfig",
    "TensorConfig",
]


class ConfigError(MakaluError, ValueError):
    """A preset or parameter breaks a rule; the message carries key, rule, value and preset."""


@dataclass(frozen=True, kw_only=True)
class TensorConfig:
    """The PE array, its arithmetic and what feeds it."""

    rows: int
    """PE rows: contraction index k, SBUF partitions."""
    columns: int
    """PE columns: stationary free index m, PSUM partitions."""
    tile: int
    """Edge of the square PE tile that is emitted once [PEs]."""
    mul_stages: int
    """Registers of the product, outside the column chain [cycles]."""
    add_stages: int
    """L: registers of the adder, what each row adds to the column chain [cycles]."""
    load_columns: int
    """F: columns of a stationary tile captured a cycle."""
    moving_buffers: int
    """SBUF words that the moving stream may hold in each partition."""
    subnormals: str
    """`keep`: IEEE gradual underflow; `flush`: subnormal operands and results become zeros of their sign."""
    formats: tuple[str, ...]
    """Operand formats of stationary and moving."""


@dataclass(frozen=True, kw_only=True)
class PsumConfig:
    """The accumulation memory: in each partition, banks of fp32 elements."""

    banks: int
    """Banks of a partition: each has a read and a write port of its own."""
    bank_bytes: int
    """Of one bank of one partition [bytes]."""
    add_stages: int
    """Registers of the accumulating adder in front of the memory [cycles]."""

    @property
    def bank_elems(self) -> int:
        """fp32 elements of one bank of one partition."""
        return self.bank_bytes // FP32.bytes

    @property
    def partition_bytes(self) -> int:
        """All banks of a partition [bytes]."""
        return self.banks * self.bank_bytes


@dataclass(frozen=True, kw_only=True)
class SbufConfig:
    """The operand memory: in each partition, banks of words behind a port A and a port B."""

    banks: int
    """Banks of a partition, one behind the other in its addresses."""
    bank_bytes: int
    """Of one bank of one partition [bytes]."""
    word_bytes: int
    """What a port moves in a cycle [bytes]."""

    @property
    def partition_bytes(self) -> int:
        """All banks of a partition [bytes]."""
        return self.banks * self.bank_bytes

    @property
    def bank_words(self) -> int:
        """Words of one bank of one partition."""
        return self.bank_bytes // self.word_bytes

    @property
    def words(self) -> int:
        """Words of a partition, all banks together."""
        return self.banks * self.bank_words


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """The clock of Vector, Scalar or GpSimd, in relation to the tensor engine's."""

    rate: str
    """Engine cycles a tensor cycle, as a fraction: "2/5"."""

    @property
    def ratio(self) -> Fraction:
        """`rate` as a number, in (0, 1]."""
        return Fraction(self.rate)


@dataclass(frozen=True, kw_only=True)
class DmaConfig:
    """The DMA between the data port and SBUF."""

    engines: int
    """DMA engines of a core, each with a load and a store channel."""
    burst_bytes: int
    """Longest AXI burst, also the piece in which a row is walked across partitions [bytes]."""
    outstanding_reads: int
    """Read bursts that may be open: their AR is given, their last R has not come."""
    outstanding_writes: int
    """Write bursts that may be open: their AW is given, their B has not come."""
    queue: int
    """Descriptors that may wait in one direction's queue."""
    partition_lines: int
    """Lines of `bus.data_bytes` that a partition buffers on its way to or from its SBUF."""


@dataclass(frozen=True, kw_only=True)
class SequencerConfig:
    """The four queues and what they wait for."""

    buffer_instructions: int
    """Prefetched instructions a queue."""
    semaphores: int
    """Semaphores of the core; all queues share them."""


@dataclass(frozen=True, kw_only=True)
class BusConfig:
    """Widths of the two AXI4 ports."""

    address_bits: int
    """Byte address on both ports [bits]."""
    data_bytes: int
    """A beat of the data port [bytes]."""
    instruction_bytes: int
    """A beat of the instruction port [bytes]."""


@dataclass(frozen=True, kw_only=True)
class MemoryConfig:
    """The memory behind the data port, as far as simulations and models slow it down; no RTL depends on it."""

    bytes_per_cycle: str
    """Bytes that the memory moves a tensor cycle on the data port, reads and writes together, as a fraction."""

    @property
    def rate(self) -> Fraction:
        """`bytes_per_cycle` as a number."""
        return Fraction(self.bytes_per_cycle)


@dataclass(frozen=True, kw_only=True)
class ProductConfig:
    """What is multiplied on top of a core's cycles when generations are compared; no RTL depends on it."""

    generation: str
    """What the preset is a model of: one of `GENERATIONS`."""
    tensor_clock_hz: int
    """Clock of the tensor engine [Hz]."""
    cores_per_chip: int
    """Cores of one chip of the generation."""
    full_partitions: int
    """Partitions of the generation that this preset is a scale model of."""


@dataclass(frozen=True, kw_only=True)
class CoreConfig:
    """One core: every value that its RTL, its models and its programs depend on.

    Errors: `ConfigError` when it is made from values that break a rule.
    """

    name: str
    """The preset's; part of file names."""
    partitions: int
    """Partitions of SBUF and PSUM, and lanes of Vector and Scalar."""
    tensor: TensorConfig
    """PE array."""
    psum: PsumConfig
    """Accumulation memory."""
    sbuf: SbufConfig
    """Operand memory."""
    vector: EngineConfig
    """Clock of Vector."""
    scalar: EngineConfig
    """Clock of Scalar."""
    gpsimd: EngineConfig
    """Clock of GpSimd, an engine that is not built yet."""
    dma: DmaConfig
    """Data port to SBUF and back."""
    sequencer: SequencerConfig
    """Queues and semaphores."""
    bus: BusConfig
    """AXI4 ports."""
    memory: MemoryConfig
    """What lies behind the data port."""
    product: ProductConfig
    """What generations are compared by."""
    features: tuple[str, ...]
    """Performance modes, each one of `KNOWN_FEATURES`."""

    def __post_init__(self) -> None:
        _validate(self)

    @property
    def digest(self) -> str:
        """SHA-256 of the values: two presets with the same digest are the same hardware and the same memory."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


KNOWN_FEATURES: tuple[str, ...] = ()
"""Performance modes that a preset may list; empty until the generations' modes are built."""

GENERATIONS = ("none", "trn1", "trn2", "trn3")
"""What a preset may be a model of."""

RATE_LIMIT = (1 << 16) - 1
"""Largest numerator and denominator of the memory's bytes a cycle: the memory models count in 1/denominator byte."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""A preset's name is part of file names: no folder, nothing hidden."""
_FRACTION = re.compile(r"[0-9]{1,9}(/[0-9]{1,9}|\.[0-9]{1,9})?")
"""Narrower than what `Fraction` reads: "1e999999999" would be a number of a billion digits."""


def _is_fraction(text: str) -> bool:
    try:
        return _FRACTION.fullmatch(text) is not None and Fraction(text) >= 0
    except ZeroDivisionError:
        return False


def _validate(config: CoreConfig) -> None:
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
    between("tensor.mul_stages", tensor.mul_stages, 1, 2)
    between("tensor.add_stages", tensor.add_stages, 1, 3)
    power_of_two("tensor.load_columns", tensor.load_columns, 2, tensor.tile)
    power_of_two("tensor.moving_buffers", tensor.moving_buffers, 4, 8)
    need(tensor.subnormals in ("keep", "flush"), "tensor.subnormals", "keep or flush", tensor.subnormals)
    need(tensor.formats == ("bf16",), "tensor.formats", "[bf16] (no other format is built yet)", list(tensor.formats))
    need(psum.banks == 8, "psum.banks", "8", psum.banks)
    power_of_two("psum.bank_bytes", psum.bank_bytes, 64, 2048)
    between("psum.add_stages", psum.add_stages, 1, 3)
    between("sbuf.banks", sbuf.banks, 1, 8)
    power_of_two("sbuf.bank_bytes", sbuf.bank_bytes, 1024, 32768)
    power_of_two("sbuf.word_bytes", sbuf.word_bytes, 8, 16)
    # two groups of F bf16 columns a word: slots 0 and 1 of four keep the load at F columns a cycle
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
