"""Frozen configuration of one core; `config_rules.py` has the rules of its values, `preset.py` reads it from a file."""

import hashlib
import json
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cached_property

from .cfp8 import CFP8
from .chain import OPERAND_BITS
from .config_rules import check
from .formats import ACCUMULATOR, CARRIED, E8M0, FORMATS, FP32, LANE_ELEMENTS, SINGLES, SUMS, Format
from .quads import QUAD_BITS, QUAD_ELEMENTS, QUADS
from .random_bits import GENERATORS, STOCHASTIC
from .sparsity import ROW_CANDIDATES, TAGS
from .tensor_modes import MODES, Mode
from .tensor_types import TRANSPOSES, Part

__all__ = [
    "BusConfig",
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

COLUMN_TILES = 4
"""Places in the array, at most, where a stationary tile may begin."""


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
    products: int
    """Of a PE and cycle: 1, or of short elements 2 (`spec/pairs.py`) or 4 (`spec/quads.py`)."""
    candidates: int
    """Moving elements among which the tag of a sparse weight chooses: 4, 8 or 16; 1: none (`spec/sparsity.py`)."""
    background_bits: int
    """Of the chain that transposes beside matmuls: 16; 0: none (`spec/background.py`)."""
    subnormals: str
    """`keep`: IEEE gradual underflow; `flush`: subnormal operands and results become zeros of their sign."""
    formats: tuple[str, ...]
    """Operand formats of stationary and moving."""
    results: tuple[str, ...]
    """What a matmul writes to PSUM: fp32 sums; bf16, sums rounded to it; uint16, the bits that they carry: exact
    transposes."""

    @cached_property
    def operands(self) -> tuple[Format, ...]:
        """`formats` as records."""
        return tuple(FORMATS[name] for name in self.formats)

    @cached_property
    def singles(self) -> tuple[Format, ...]:
        """Those of `operands` that are multiplied one by one."""
        return tuple(form for form in self.operands if form in SINGLES)

    @cached_property
    def quads(self) -> tuple[Format, ...]:
        """Those of `operands` that are multiplied in fours."""
        return tuple(form for form in self.operands if form in QUADS)

    @property
    def operand_bits(self) -> int:
        """Width of an operand inside the array."""
        return QUAD_BITS if self.products == QUAD_ELEMENTS else OPERAND_BITS

    @cached_property
    def smallest(self) -> int:
        """log2 of the bytes of the smallest operand: places in a word are counted in these."""
        return min(form.size_log2 for form in self.operands)

    @cached_property
    def splits(self) -> bool:
        """Some operand format has a lower part."""
        return any(form.splits for form in self.operands)

    @cached_property
    def modes(self) -> tuple[Mode, ...]:
        """Those that the array has, in the order of their numbers."""
        rows = (row for row in MODES.values() if row.products <= self.products)
        return tuple(row.mode for row in rows if self.sparse or not row.tagged)

    @property
    def column_tile(self) -> int:
        """PE columns of the smallest column tile: 32 of 128, a quarter of fewer, but whole groups of a load."""
        return max(self.load_columns, self.columns // COLUMN_TILES)

    @property
    def sparse(self) -> bool:
        """Weights may have tags."""
        return self.candidates > 1

    @property
    def group_rows(self) -> int:
        """Partitions whose moving elements a tag chooses among."""
        return max(1, self.candidates // ROW_CANDIDATES)

    @cached_property
    def outputs(self) -> tuple[Format, ...]:
        """`results` as records."""
        return tuple(FORMATS[name] for name in self.results)

    @property
    def carries(self) -> bool:
        """Sums carry bits."""
        return CARRIED in self.outputs

    @property
    def background(self) -> tuple[Format, ...]:
        """What a transpose beside matmuls writes: one type, or none."""
        return (CARRIED,) if self.background_bits else ()

    @cached_property
    def sums(self) -> tuple[Format, ...]:
        """Those of `outputs` that a matmul may add to."""
        return tuple(form for form in self.outputs if form in SUMS)

    @cached_property
    def rounds(self) -> bool:
        """Sums are rounded to a half of PSUM's word."""
        return self.sums != (ACCUMULATOR,)

    @cached_property
    def halves(self) -> bool:
        """PSUM is written by halves of a word too."""
        return self.rounds or self.carries

    @cached_property
    def smallest_result(self) -> int:
        """Bytes that an element of PSUM takes at least."""
        return min(form.bytes for form in self.outputs)

    @cached_property
    def parts(self) -> int:
        """The last of the parts that an operand may be."""
        last = Part.LOWER if self.splits else Part.UPPER
        return max(TRANSPOSES) if self.carries else last


@dataclass(frozen=True, kw_only=True)
class PsumConfig:
    """The accumulation memory: in each partition, banks of words, a sum each."""

    banks: int
    """Banks of a partition: each has a read and a write port of its own."""
    bank_bytes: int
    """Of one bank of one partition [bytes]."""
    add_stages: int
    """Registers of the accumulating adder in front of the memory [cycles]."""

    @property
    def bank_elems(self) -> int:
        """Words of one bank of one partition: fp32 elements."""
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
    """The queues and what they wait for."""

    buffer_instructions: int
    """Prefetched instructions a queue."""
    semaphores: int
    """Semaphores of the core; all queues share them."""
    elements: int
    """Most elements a partition of one instruction, each size rounded up to a power of two: so each one ends."""


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
    integers: tuple[str, ...]
    """Integer types that Vector, Scalar and the DMA have beside fp32 and the array's."""
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
    """What else the core has, each one of `KNOWN_FEATURES`."""

    def __post_init__(self) -> None:
        check(self)

    @property
    def stochastic(self) -> bool:
        """Results may be rounded stochastically (`random_bits.py`)."""
        return STOCHASTIC in self.features

    @property
    def cfp8(self) -> bool:
        """Exponent biases of fp8 operands may be moved (`cfp8.py`)."""
        return CFP8 in self.features

    @cached_property
    def generators(self) -> tuple[str, ...]:
        """Who has a generator of random bits in each partition: PSUM where it rounds sums."""
        sums = self.tensor.rounds
        return tuple(name for name in GENERATORS if self.stochastic and (sums or name != "psum"))

    @property
    def stochastic_sums(self) -> bool:
        """A matmul may round its sums so."""
        return "psum" in self.generators

    @cached_property
    def elements(self) -> tuple[Format, ...]:
        """Types that Vector, Scalar and DMA have: PSUM's, those that the array multiplies singly, and integers."""
        names = (ACCUMULATOR.name, *self.tensor.formats, *self.integers)
        return tuple(form for form in LANE_ELEMENTS if form.name in names)

    @cached_property
    def storable(self) -> tuple[Format, ...]:
        """Types of tensors: `elements`, and those that DMA and copies move as bits: packed ones and their scales."""
        return (*self.elements, *self.tensor.quads, *((E8M0,) if self.tensor.quads else ()))

    @cached_property
    def kinds(self) -> dict[str, frozenset[Format]]:
        """Types by what operands are among (`operand.py`)."""
        tensor = self.tensor
        return {
            "elements": frozenset(self.elements),
            "operands": frozenset(tensor.operands),
            "outputs": frozenset(tensor.outputs),
            "scales": frozenset({E8M0} if tensor.quads else ()),
            "background": frozenset(tensor.background),
            "tags": frozenset({TAGS} if tensor.sparse else ()),
        }

    @property
    def digest(self) -> str:
        """SHA-256 of the values: two presets with the same digest are the same hardware and the same memory."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
