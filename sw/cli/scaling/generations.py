"""From cycles of a core to rates of chips and machines, and what a ratio of two generations is the product of.

    measured rate of a machine = PEs * products * utilisation * 2 * clock * cores * chips             [operations/s]
    printed rate of a machine  = PEs * products * 2 * clock * cores * chips * chip's page * machine's page

    measured bytes of a machine = rate * port * reached * clock * cores * chips                             [bytes/s]
    printed bytes of a machine  = rate * clock * cores * chips * chip's page * machine's page

The two last factors are what the printed number has beyond the product of the facts before it: their cause is not
public. A ratio of two generations is the product of the ratios of these factors, and so is what lies between a measured
and a printed ratio: nothing is left over.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

from makalu.spec.config import CoreConfig
from makalu.spec.preset import load_preset
from makalu.spec.products import ANNOUNCED, CLASSES, FACTS
from makalu.sw.cli.scaling.kinds import best
from makalu.sw.cli.scaling.runs import Run, found

__all__ = [
    "GENERATIONS",
    "GROUPS",
    "LEVELS",
    "MEASURED",
    "MEMORY",
    "PRINTED",
    "Comparison",
    "Factor",
    "State",
    "comparisons",
    "states",
]

GENERATIONS = ("trn1", "trn2", "trn3")
MEMORY = "memory"
GROUPS = (*CLASSES, MEMORY)
LEVELS = ("core", "chip", "machine")
_OPERATIONS = 2
"""Of a multiply-accumulate."""
BOTH, MEASURED, PRINTED = "both", "measured", "printed"


@dataclass(frozen=True)
class Factor:
    """One number of a generation's rate."""

    name: str
    value: float
    origin: str
    """A measurement, or a fact and its source."""
    side: str = BOTH
    """`both`, or only in the measured or the printed rate."""
    level: str = "core"
    """From which one on it counts."""


@dataclass(frozen=True)
class State:
    """A generation's rate of one class or of memory, by factors; from a core of full or of quarter size."""

    generation: str
    group: str
    kind: str
    by: str
    factors: tuple[Factor, ...]
    base: float
    """Operations of a step; 1 for bytes."""
    rate: float
    """Of a machine, from cycles and clock directly: what `measured` must be."""

    def measured(self, level: str) -> float:
        """Operations or bytes a second."""
        return self.base * prod(f.value for f in self._of(MEASURED, level))

    def printed(self, level: str) -> float | None:
        """The same, as documents have it; nothing is printed of a core."""
        fact = {"chip": "chip", "machine": "server"}.get(level)
        return None if fact is None else FACTS[self.generation, f"{fact}_{self.group}"].value

    def product(self, level: str) -> float:
        """`printed`, as the product of its factors."""
        return self.base * prod(f.value for f in self._of(PRINTED, level))

    def _of(self, side: str, level: str) -> list[Factor]:
        levels = LEVELS[: LEVELS.index(level) + 1]
        return [f for f in self.factors if f.side in (BOTH, side) and f.level in levels]


@dataclass(frozen=True)
class Comparison:
    """A later generation over an earlier one, by factors."""

    earlier: State
    later: State

    @property
    def name(self) -> str:
        a, b = self.earlier, self.later
        if a.group == b.group:
            return f"{b.generation} over {a.generation}, {b.group}"
        return f"{b.generation} {b.group} over {a.generation} {a.group}"

    @cached_property
    def factors(self) -> list[tuple[Factor, Factor, float]]:
        """(earlier, later, ratio), in the order of the product."""
        pairs = zip(self.earlier.factors, self.later.factors, strict=True)
        return [(a, b, b.value / a.value) for a, b in pairs]

    def ratio(self, side: str, level: str = LEVELS[-1]) -> float:
        """Measured or printed, as the product of its factors' ratios."""
        levels = LEVELS[: LEVELS.index(level) + 1]
        return prod(r for a, _, r in self.factors if a.side in (BOTH, side) and a.level in levels)

    def unexplained(self) -> float:
        """Largest distance of a product of factors from the ratio that it must be: rounding, or a wrong factor."""
        rates = {MEASURED: (self.earlier.rate, self.later.rate)}
        rates[PRINTED] = (self.earlier.printed(LEVELS[-1]) or 0.0, self.later.printed(LEVELS[-1]) or 0.0)
        ratios = {side: later / earlier for side, (earlier, later) in rates.items()}
        apart = prod(self.causes().values()) / (ratios[MEASURED] / ratios[PRINTED])
        products = [self.ratio(side) / ratio for side, ratio in ratios.items()]
        return max(abs(each - 1) for each in (*products, apart))

    def causes(self) -> dict[str, float]:
        """What measured over printed is the product of: all factors that only one of them has, by name."""
        return {a.name: r if a.side == MEASURED else 1 / r for a, _, r in self.factors if a.side != BOTH}

    @property
    def announced(self) -> float | None:
        """What trn3 was announced to be over trn2."""
        fact = ANNOUNCED.get(self.later.group)
        pair = self.earlier.generation, self.later.generation, self.earlier.group
        return fact.printed if fact is not None and pair == ("trn2", fact.generation, fact.quantity) else None


def states(runs: Sequence[Run], presets: Mapping[str, str]) -> dict[tuple[str, str], State]:
    """By generation and group, for those of `presets` (by generation) whose runs are there."""
    out = {}
    for generation, preset in presets.items():
        config = load_preset(preset)
        for group in GROUPS:
            kind = best(config, CLASSES[1] if group == MEMORY else group).name
            run = found(runs, preset, "copy" if group == MEMORY else "dense", kind)
            if run is not None:
                out[generation, group] = _state(generation, group, config, run)
    return out


def _state(generation: str, group: str, config: CoreConfig, run: Run) -> State:
    product, scale = config.product, config.product.full_partitions / config.partitions
    where = f"{run.by}, {run.preset}, {run.kernel} {run.kind}"
    scaled = "" if scale == 1 else f"; {scale:g} times those of {run.preset}"
    if group == MEMORY:
        rate = float(config.memory.rate)
        port = min(1.0, 2 * config.bus.data_bytes / rate)
        core = [
            Factor(
                "memory of a core [bytes a cycle]", rate * scale, f"cited: H1, H2, H3, over cores and clock{scaled}"
            ),
            Factor("one data port of a core", port, "choice: 64 bytes a cycle each way", MEASURED),
            Factor("reached of it", run.bytes_per_cycle / (rate * port), f"measured: {where}", MEASURED),
        ]
    else:
        pes = config.tensor.rows * config.tensor.columns
        core = [
            Factor("PEs of a core", pes * scale**2, f"cited: A1{scaled} each way" if scaled else "cited: A1"),
            Factor("products a PE and cycle", run.ceiling / pes, "cited: A1, A2, A3 (tensor modes)"),
            Factor("utilisation", run.utilisation, f"measured: {where}", MEASURED),
        ]
    core += [Factor("clock [Hz]", float(product.tensor_clock_hz), "cited: A1, A2, A3")]
    base = 1.0 if group == MEMORY else float(_OPERATIONS)
    cores = Factor("cores of a chip", float(product.cores_per_chip), "cited: A1, A2, A3", level="chip")
    chips = FACTS[generation, "chips"]
    chip, server = (FACTS[generation, f"{level}_{group}"] for level in ("chip", "server"))
    known = base * prod(f.value for f in (*core, cores) if f.side == BOTH)
    factors = (
        *core,
        cores,
        Factor(
            "chip's page over the product",
            chip.value / known,
            f"cited: {chip.source}; cause not public",
            PRINTED,
            "chip",
        ),
        Factor("chips of a machine", chips.value, f"cited: {chips.source}", level="machine"),
        Factor(
            "machine's page over its chips",
            server.value / (chip.value * chips.value),
            f"cited: {server.source}; rounded in print",
            PRINTED,
            "machine",
        ),
    )
    step = run.bytes_per_cycle * scale if group == MEMORY else _OPERATIONS * run.macs_per_cycle * scale**2
    rate = step * product.tensor_clock_hz * product.cores_per_chip * chips.value
    return State(generation, group, run.kind, where, factors, base, rate)


def comparisons(by: Mapping[tuple[str, str], State]) -> Iterator[Comparison]:
    """Each generation over the one before; the last one's fp8 over bf16: a model that changes its format."""
    for earlier, later in zip(GENERATIONS, GENERATIONS[1:], strict=False):
        for group in GROUPS:
            if (earlier, group) in by and (later, group) in by:
                yield Comparison(by[earlier, group], by[later, group])
    *_, earlier, later = GENERATIONS
    if (earlier, "bf16") in by and (later, "fp8") in by:
        yield Comparison(by[earlier, "bf16"], by[later, "fp8"])
