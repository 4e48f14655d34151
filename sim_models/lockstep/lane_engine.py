"""Lockstep model of the central part of Vector or Scalar: the same ports as `LaneEngine`."""

from fractions import Fraction
from typing import Any

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.engines import ACCESS_ENGINES
from makalu.spec.isa import Function
from makalu.spec.lane_programs import grouping
from makalu.spec.lanes import ELEMENT_BUFFER, LANE_STAGES, SOURCES, STEPS
from makalu.spec.quantize import GROUP_ELEMENTS

from .lane_plan import DestinationPlan, LanePlan, SourcePlan, lane_plan

__all__ = ["LaneEngineModel"]

_NO_REQUEST = {"valid": 0, "write": 0, "address": 0, "mask": 0}
_EMPTY_SETUP: dict[str, int | tuple[int, ...]] = {
    **dict.fromkeys(("psum", "dtype"), (0,) * len(SOURCES)),
    **dict.fromkeys(("op", "reverse", "operand", "immediate"), (0,) * STEPS),
    **dict.fromkeys(("dst_dtype", "data", "start", "count"), 0),
    "function": int(Function.IDENTITY),
}

_EMPTY_SCALING = {"grouped": 0, "dropped": 0, "scale_start": 0}


class _Source:
    """One source operand: elements asked for, on their way, in the lanes' buffer."""

    def __init__(self) -> None:
        self.plan: SourcePlan | None = None
        self.way: list[tuple[int, bool] | None] = [None, None]
        """Elements one and two cycles after their step: (element, it brings a word)."""
        self.stepped = 0
        self.arrived = 0
        self.popped = 0
        self.pushed = 0

    def begin(self, plan: SourcePlan | None) -> None:
        """An absent operand leaves the counters where they are, as the RTL does."""
        self.plan = plan
        if plan is None:
            return
        self.stepped = 0
        self.arrived = 0
        self.popped = 0
        self.pushed = 0

    def wants(self) -> int | None:
        """Address of the read that the next element needs and that may be asked for."""
        return self.plan.reads[self.stepped] if self.plan is not None and self._room() else None

    def _room(self) -> bool:
        assert self.plan is not None
        return self.stepped < len(self.plan.reads) and self.stepped - self.popped < ELEMENT_BUFFER

    def available(self) -> bool:
        return self.arrived > self.popped

    def orders(self) -> dict[str, int]:
        """push, load, position, push_index of this cycle; the last two are meaningful with `push`."""
        now = self.way[1]
        if now is None or self.plan is None:
            return {"push": 0, "load": 0, "position": 0, "push_index": self.pushed % ELEMENT_BUFFER}
        element, load = now
        position = self.plan.positions[element]
        return {"push": 1, "load": int(load), "position": position, "push_index": self.pushed % ELEMENT_BUFFER}

    def tick(self, granted: bool, pop: bool) -> None:
        new = None
        if self.plan is not None and self._room() and (self.wants() is None or granted):
            new = (self.stepped, self.wants() is not None and not self.plan.psum)
            self.stepped += 1
        self.pushed += self.way[1] is not None
        self.arrived += self.way[0] is not None
        self.popped += pop
        self.way = [new, self.way[0]]


class _Combiner:
    """One destination: which of its plan's writes is being combined, and which asks for its grant."""

    def __init__(self) -> None:
        self.plan: DestinationPlan | None = None
        self.placed = 0
        self.combining: int | None = None
        self.waiting: int | None = None

    def begin(self, plan: DestinationPlan) -> None:
        self.plan, self.placed = plan, 0

    @property
    def count(self) -> int:
        """Elements in all."""
        return 0 if self.plan is None else len(self.plan.write_of)

    @property
    def ended(self) -> bool:
        """Every element has been placed."""
        return self.plan is not None and self.placed == len(self.plan.write_of)

    @property
    def idle(self) -> bool:
        return self.ended and self.combining is None and self.waiting is None

    def moves_on(self) -> bool:
        """The next element begins another word than the one that is combined."""
        assert self.plan is not None
        return self.combining is not None and self.combining != self.plan.write_of[self.placed]

    def blocked(self, leaving: bool, written: bool) -> bool:
        return leaving and self.moves_on() and self.waiting is not None and not written

    def done(self, written: bool) -> bool:
        return self.ended and self.combining is None and written

    def tick(self, place: bool, written: bool) -> tuple[int, int]:
        """(move, position of what is placed, 0 without)."""
        free = self.waiting is None or written
        move = (place and self.moves_on()) or (self.ended and self.combining is not None and free)
        position = 0
        if written:
            self.waiting = None
        if move:
            self.waiting, self.combining = self.combining, None
        if place:
            assert self.plan is not None
            position, self.combining = self.plan.positions[self.placed], self.plan.write_of[self.placed]
            self.placed += 1
        return int(move), position

    def request(self) -> dict[str, int]:
        assert self.plan is not None and self.waiting is not None
        return {"write": 1, "address": self.plan.words[self.waiting], "mask": self.plan.masks[self.waiting]}


class LaneEngineModel:
    """dst = cast(f(sources)): orders to the lanes and requests to the arbiter, without data.

    Inputs: `command` (an `Instruction`, or None while not valid), `grant`, `psum_grant` (0 or 1). Outputs: `ready`,
    `request`, `psum_request` (dicts), `to_lanes` (dict; fields of `setup` in `setup`), `finish`, `active`, `stalled`.
    All but `stalled` follow from the state alone: `registered()`.
    """

    def __init__(self, config: CoreConfig, *, engine: str) -> None:
        if engine not in ACCESS_ENGINES:
            raise ValueError(f"engine must be one of {list(ACCESS_ENGINES)}, not {engine!r}")
        self.config = config
        self.ratio: Fraction = getattr(config, engine).ratio
        self.cycle = 0
        self.plan: LanePlan | None = None
        self.grouped = grouping(engine, config)
        self.setup = dict(_EMPTY_SETUP)
        if self.grouped:
            self.setup.update(_EMPTY_SCALING)
        if config.stochastic:
            self.setup["rounding"] = 0
        self.active = False
        self.finish = False
        self.finish_now = False
        self.sources = {slot: _Source() for slot in SOURCES}
        self.pipeline = [False] * LANE_STAGES
        self.writers = {"write": _Combiner(), "scales": _Combiner()}
        """By who asks; of scales only where the engine scales in groups."""
        self.entered = 0
        self.held: str | None = None
        self.psum_held: str | None = None
        self.lanes = {"advance": 0, "pop_index": (0,) * len(SOURCES), "place": 0, "place_position": 0, "move": 0}
        if self.grouped:
            self.lanes |= dict.fromkeys(
                ("enters", "phase", "scale_place", "scale_position", "scale_move", "scale_show"), 0
            )
        if config.stochastic:
            self.lanes["draw"] = 0

    def _tick_of_engine(self) -> bool:
        ticks, cycles = self.ratio.numerator, self.ratio.denominator
        return (self.cycle + 1) * ticks // cycles > self.cycle * ticks // cycles

    def _turns(self) -> tuple[str | None, str | None]:
        """Whose request goes to SBUF, whose to PSUM."""
        wanting: dict[bool, list[str]] = {False: [], True: []}
        for name, source in self.sources.items():
            if source.plan is not None and source.wants() is not None:
                wanting[source.plan.psum].append(name)
        wanting[False] += [name for name, writer in self.writers.items() if writer.waiting is not None]
        sbuf = self.held or (wanting[False][0] if wanting[False] else None)
        psum = self.psum_held or (wanting[True][0] if wanting[True] else None)
        return sbuf, psum

    def registered(self) -> dict[str, Any]:
        sbuf, psum = self._turns()
        who = {"start": self.setup["start"], "count": self.setup["count"]}
        request: dict[str, Any] = {**_NO_REQUEST, **who} | ({"scales": 0} if self.config.tensor.quads else {})
        if sbuf in self.writers:
            request |= {"valid": 1, **self.writers[sbuf].request()}
            if sbuf == "scales":
                request |= {"scales": 1, "start": self.setup["scale_start"]}
        elif sbuf is not None:
            request |= {"valid": 1, "address": self.sources[sbuf].wants()}
        psum_request: dict[str, Any] = {"valid": 0, "address": 0, **who}
        if psum is not None:
            psum_request |= {"valid": 1, "address": self.sources[psum].wants()}
        orders = [source.orders() for source in self.sources.values()]
        to_lanes = {
            "setup": dict(self.setup),
            **{name: tuple(order[name] for order in orders) for name in orders[0]},
            **self.lanes,
        }
        return {
            "ready": int(not self.active),
            "request": request,
            "psum_request": psum_request,
            "to_lanes": to_lanes,
            "finish": int(self.finish),
            "active": int(self.active),
        }

    def comb(self, inputs: dict[str, Any]) -> dict[str, Any]:
        out = self.registered()
        waits = out["request"]["valid"] and not inputs["grant"]
        psum_waits = out["psum_request"]["valid"] and not inputs["psum_grant"]
        return {**out, "stalled": int(bool(waits or psum_waits))}

    def tick(self, inputs: dict[str, Any]) -> None:
        sbuf, psum = self._turns()
        served = {sbuf} if inputs["grant"] else set()
        served |= {psum} if inputs["psum_grant"] else set()
        self.held = None if inputs["grant"] else sbuf
        self.psum_held = None if inputs["psum_grant"] else psum

        pop = self._destination(served)
        for name, source in self.sources.items():
            source.tick(name in served, pop and source.plan is not None and not source.plan.once)

        command: Instruction | None = inputs["command"]
        if command is not None and not self.active and not self.finish_now:
            self._issue(command)
        elif self.finish_now:
            self.active = False
        self.finish = self.finish_now
        self.cycle += 1

    def _destination(self, served: set[str | None]) -> bool:
        """Pipeline, combining buffers and writes of this cycle's edge; whether elements are popped.

        Where nothing is read, elements enter until the last one has been placed; those behind it are none. In the midst
        of a group nothing moves until the next element is there.
        """
        dst, scales = self.writers["write"], self.writers["scales"]
        written, scale_written = "write" in served, "scales" in served
        grouped = bool(self.setup.get("grouped"))
        unfinished = self.active and not dst.ended
        leaving = self.pipeline[-1] and unfinished
        scale_leaving = leaving and grouped and dst.placed % GROUP_ELEMENTS == 0
        available = all(source.available() for source in self.sources.values() if source.plan is not None)
        phase = self.entered % GROUP_ELEMENTS if self.grouped else 0
        advance = (
            self._tick_of_engine()
            and not (grouped and phase and not available)
            and not scales.blocked(scale_leaving, scale_written)
            and not dst.blocked(leaving, written)
        )
        self.finish_now = self.active and (
            (dst.done(written) and (scales.idle or not grouped)) or (scales.done(scale_written) and dst.idle)
        )
        pop = advance and unfinished and available
        rounded = dst.placed + int(leaving) < dst.count and self.pipeline[-2] and unfinished
        move, position = dst.tick(leaving and advance, written)
        self.lanes = {
            "advance": int(advance),
            "pop_index": tuple(source.popped % ELEMENT_BUFFER for source in self.sources.values()),
            "place": int(leaving and advance),
            "place_position": position,
            "move": move,
        }
        if self.grouped:
            place = scale_leaving and advance
            move, position = scales.tick(place, scale_written)
            self.lanes |= {"enters": int(grouped and unfinished and available), "phase": phase}
            self.lanes |= {"scale_place": int(place), "scale_position": position, "scale_move": move}
            self.lanes["scale_show"] = int(scale_written)
            self.entered += pop and grouped
        if self.config.stochastic:
            self.lanes["draw"] = int(bool(advance and rounded and self.setup["rounding"]))
        if advance:
            self.pipeline = [pop, *self.pipeline[:-1]]
        return pop

    def _issue(self, command: Instruction) -> None:
        self.plan = lane_plan(command, self.config)
        self.setup = dict(self.plan.setup)
        self.active = True
        self.entered = 0
        self.writers["write"].begin(self.plan.destination)
        if self.plan.scales is not None:
            self.writers["scales"].begin(self.plan.scales)
        self.pipeline = [False] * LANE_STAGES
        for source, plan in zip(self.sources.values(), self.plan.sources, strict=True):
            source.begin(plan)
