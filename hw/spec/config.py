"""Frozen configuration of one core, and the strict loader of the YAML presets.

A preset has every key below, none is optional, none is inherited. An unknown or missing key, a wrong type or a size
out of range is a `ConfigError` that names the key, the rule, the value and the preset. So is a key that is given twice.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, fields, is_dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml

from .errors import MakaluError

__all__ = [
    "PRESETS",
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
    "load_preset",
    "parse_preset",
]


class ConfigError(MakaluError, ValueError):
    """A preset or parameter breaks a rule; the message carries key, rule, value and preset."""


@dataclass(frozen=True, kw_only=True)
class TensorConfig:
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
    banks: int
    bank_bytes: int
    """Per partition."""
    add_stages: int
    """Registers of the accumulating adder in front of the memory [cycles]."""

    @property
    def bank_elems(self) -> int:
        return self.bank_bytes // 4

    @property
    def partition_bytes(self) -> int:
        return self.banks * self.bank_bytes


@dataclass(frozen=True, kw_only=True)
class SbufConfig:
    banks: int
    bank_bytes: int
    """Per partition."""
    word_bytes: int

    @property
    def partition_bytes(self) -> int:
        return self.banks * self.bank_bytes

    @property
    def bank_words(self) -> int:
        return self.bank_bytes // self.word_bytes

    @property
    def words(self) -> int:
        return self.banks * self.bank_words


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    rate: str
    """Engine cycles a tensor cycle, as a fraction: "2/5"."""

    @property
    def ratio(self) -> Fraction:
        return Fraction(self.rate)


@dataclass(frozen=True, kw_only=True)
class DmaConfig:
    engines: int
    burst_bytes: int
    """Longest AXI burst, also the piece in which a row is walked across partitions."""
    outstanding_reads: int
    outstanding_writes: int
    queue: int
    """Descriptors that may wait in one direction's queue."""
    partition_lines: int
    """Lines of `bus.data_bytes` that a partition buffers on its way to or from its SBUF."""


@dataclass(frozen=True, kw_only=True)
class SequencerConfig:
    buffer_instructions: int
    """Prefetched instructions a queue."""
    semaphores: int


@dataclass(frozen=True, kw_only=True)
class BusConfig:
    address_bits: int
    data_bytes: int
    instruction_bytes: int


@dataclass(frozen=True, kw_only=True)
class MemoryConfig:
    bytes_per_cycle: str
    """Bytes that the memory moves a tensor cycle on the data port, reads and writes together, as a fraction."""

    @property
    def rate(self) -> Fraction:
        return Fraction(self.bytes_per_cycle)


@dataclass(frozen=True, kw_only=True)
class ProductConfig:
    """What is multiplied on top of a core's cycles when generations are compared; no RTL depends on it."""

    generation: str
    tensor_clock_hz: int
    cores_per_chip: int
    full_partitions: int
    """Partitions of the generation that this preset is a scale model of."""


@dataclass(frozen=True, kw_only=True)
class CoreConfig:
    name: str
    partitions: int
    tensor: TensorConfig
    psum: PsumConfig
    sbuf: SbufConfig
    vector: EngineConfig
    scalar: EngineConfig
    gpsimd: EngineConfig
    dma: DmaConfig
    sequencer: SequencerConfig
    bus: BusConfig
    memory: MemoryConfig
    product: ProductConfig
    features: tuple[str, ...]

    def __post_init__(self) -> None:
        _validate(self)

    @property
    def digest(self) -> str:
        """SHA-256 of the values: two presets with the same digest are the same hardware and the same memory."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


KNOWN_FEATURES: tuple[str, ...] = ()
"""Performance modes that a preset may list; empty until the generations' modes are built."""


def _is_fraction(text: str) -> bool:
    try:
        Fraction(text)
    except (ValueError, ZeroDivisionError):
        return False
    return True


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
        rate = getattr(config, key).rate
        need(_is_fraction(rate), f"{key}.rate", 'a fraction such as "2/5"', rate)
        ratio = Fraction(rate)
        need(0 < ratio <= 1 and ratio.denominator <= 16, f"{key}.rate", "in (0, 1] with a denominator up to 16", ratio)
    need(dma.engines == 1, "dma.engines", "1 (more are not built yet)", dma.engines)
    power_of_two("bus.data_bytes", bus.data_bytes, sbuf.word_bytes, 64)
    power_of_two("bus.instruction_bytes", bus.instruction_bytes, 8, 64)
    between("bus.address_bits", bus.address_bits, 20, 64)
    power_of_two("dma.burst_bytes", dma.burst_bytes, bus.data_bytes, min(4096, 256 * bus.data_bytes))
    power_of_two("dma.outstanding_reads", dma.outstanding_reads, 1, 64)
    power_of_two("dma.outstanding_writes", dma.outstanding_writes, 1, 64)
    power_of_two("dma.queue", dma.queue, 2, 16)
    power_of_two("dma.partition_lines", dma.partition_lines, 2, 64)
    power_of_two("sequencer.buffer_instructions", config.sequencer.buffer_instructions, 2, 64)
    power_of_two("sequencer.semaphores", config.sequencer.semaphores, 8, 256)
    text = config.memory.bytes_per_cycle
    need(_is_fraction(text), "memory.bytes_per_cycle", 'a fraction such as "377/10"', text)
    need(
        config.memory.rate > 0 and config.memory.rate.denominator <= 1000,
        "memory.bytes_per_cycle",
        "positive with a denominator up to 1000",
        config.memory.rate,
    )
    for feature in config.features:
        need(feature in KNOWN_FEATURES, "features", f"among {list(KNOWN_FEATURES)}", feature)


def _build(cls: type, data: Any, place: str, preset: str) -> Any:
    if not isinstance(data, dict):
        raise ConfigError(f"{place or 'the file'} must be a mapping, not {data!r} (preset {preset})")
    prefix = f"{place}." if place else ""
    known = {f.name: f for f in fields(cls)}
    for key in data:
        if key not in known:
            raise ConfigError(f"{prefix}{key} is not a known key; known are {sorted(known)} (preset {preset})")
    values: dict[str, Any] = {}
    for key, field in known.items():
        if key not in data:
            raise ConfigError(f"{prefix}{key} is missing; every preset has every key (preset {preset})")
        value, kind = data[key], field.type
        if is_dataclass(kind):
            value = _build(kind, value, f"{prefix}{key}", preset)  # type: ignore[arg-type]
        elif kind in (int, str):
            if type(value) is not kind:
                raise ConfigError(f"{prefix}{key} must be of type {kind.__name__}, not {value!r} (preset {preset})")
        else:  # tuple[str, ...]
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                raise ConfigError(f"{prefix}{key} must be a list of names, not {value!r} (preset {preset})")
            value = tuple(value)
        values[key] = value
    return cls(**values)


class _Loader(yaml.SafeLoader):
    """YAML lets a second value of a key win in silence; here it is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key must be a word", problem_mark=key.start_mark)
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"key {key.value!r} must be given once", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def parse_preset(text: str, *, source: str) -> CoreConfig:
    """The configuration that `text` (YAML) describes; `source` names it in errors."""
    try:
        data = yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError) as error:  # a date that is none is a ValueError
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(f"{problem} (preset {source}{place})") from error
    try:
        config: CoreConfig = _build(CoreConfig, data, "", source)
    except ConfigError as error:
        if f"(preset {source})" in str(error):
            raise
        raise ConfigError(f"{error} in {source}") from error  # the name inside may be another preset's
    return config


_FOLDER = Path(__file__).parent / "presets"
PRESETS: tuple[str, ...] = tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def load_preset(name: str) -> CoreConfig:
    """A shipped preset by name, or a user's own by path (anything that ends in `.yaml`)."""
    if name.endswith(".yaml"):
        path = Path(name)
        if not path.is_file():
            raise ConfigError(f"preset file {name} does not exist")
    elif name in PRESETS:
        path = _FOLDER / f"{name}.yaml"
    else:
        raise ConfigError(f"preset must be one of {list(PRESETS)} or a path that ends in .yaml, not {name!r}")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"a preset must be UTF-8 text: {error} (preset {name})") from error
    return parse_preset(text, source=name)
