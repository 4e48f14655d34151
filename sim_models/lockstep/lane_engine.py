"""Lockstep model of the central part of Vector or Scalar: the same ports as `LaneEngine`."""

from fractions import Fraction
from typing import Any

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.engines import ACCESS_ENGINES
from makalu.spec.isa import Function
from makalu.spec.lanes import ELEMENT_BUFFER, LANE_STAGES, SOURCES, STEPS

from .lane_plan import LanePlan, SourcePlan, lane_plan

__all__ = ["LaneEngineModel"]

_NO_REQUEST = {"valid": 0, "write": 0, "address": 0, "mask": 0}
_EMPTY_SETUP: dict[str, int | tuple[int, ...]] = {
    **dict.fromkeys(("psum", "dtype"), (0,) * len(SOURCES)),
    **dict.fromkeys(("op", "reverse", "operand", "immediate"), (0,) * STEPS),
    **dict.fromkeys(("dst_dtype", "data", "start", "count"), 0),
    "function": int(Function.IDENTITY),
}


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
        self.setup = dict(_EMPTY_SETUP)
        self.active = False
        self.finish = False
        self.finish_now = False
        self.sources = {slot: _Source() for slot in SOURCES}
        self.pipeline = [False] * LANE_STAGES
        self.placed = 0
        self.combining: int | None = None
        """Which of the plan's writes the combining buffer holds; `waiting`: which one asks for its grant."""
        self.waiting: int | None = None
        self.held: str | None = None
        self.psum_held: str | None = None
        self.lanes = {"advance": 0, "pop_index": (0,) * len(SOURCES), "place": 0, "place_position": 0, "move": 0}

    def _tick_of_engine(self) -> bool:
        ticks, cycles = self.ratio.numerator, self.ratio.denominator
        return (self.cycle + 1) * ticks // cycles > self.cycle * ticks // cycles

    def _turns(self) -> tuple[str | None, str | None]:
        """Whose request goes to SBUF, whose to PSUM."""
        wanting: dict[bool, list[str]] = {False: [], True: []}
        for name, source in self.sources.items():
            if source.plan is not None and source.wants() is not None:
                wanting[source.plan.psum].append(name)
        if self.waiting is not None:
            wanting[False].append("write")
        sbuf = self.held or (wanting[False][0] if wanting[False] else None)
        psum = self.psum_held or (wanting[True][0] if wanting[True] else None)
        return sbuf, psum

    def registered(self) -> dict[str, Any]:
        sbuf, psum = self._turns()
        who = {"start": self.setup["start"], "count": self.setup["count"]}
        request: dict[str, Any] = {**_NO_REQUEST, **who}
        if sbuf == "write":
            assert self.plan is not None and self.waiting is not None
            to = self.plan.destination
            request |= {"valid": 1, "write": 1, "address": to.words[self.waiting], "mask": to.masks[self.waiting]}
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

        pop = self._destination(written="write" in served)
        for name, source in self.sources.items():
            source.tick(name in served, pop and source.plan is not None and not source.plan.once)

        command: Instruction | None = inputs["command"]
        if command is not None and not self.active and not self.finish_now:
            self._issue(command)
        elif self.finish_now:
            self.active = False
        self.finish = self.finish_now
        self.cycle += 1

    def _destination(self, *, written: bool) -> bool:
        """Pipeline, combining buffer and write of this cycle's edge; whether elements are popped.

        Where nothing is read, elements enter until the last one has been placed; those behind it are none.
        """
        plan = self.plan
        ended = plan is not None and self.placed == len(plan.destination.write_of)
        unfinished = self.active and not ended
        leaving = self.pipeline[-1] and unfinished
        free = self.waiting is None or written
        target = plan.destination.write_of[self.placed] if plan is not None and leaving else None
        other = leaving and self.combining is not None and self.combining != target
        advance = self._tick_of_engine() and not (other and not free)
        place = leaving and advance
        flush = ended and self.combining is not None and free
        move = (place and other) or flush
        self.finish_now = self.active and ended and self.combining is None and written

        used = [source for source in self.sources.values() if source.plan is not None]
        pop = advance and unfinished and all(source.available() for source in used)
        self.lanes = {
            "advance": int(advance),
            "pop_index": tuple(source.popped % ELEMENT_BUFFER for source in self.sources.values()),
            "place": int(place),
            "place_position": plan.destination.positions[self.placed] if plan is not None and place else 0,
            "move": int(move),
        }
        if written:
            self.waiting = None
        if move:
            self.waiting, self.combining = self.combining, None
        if place:
            self.combining = target
            self.placed += 1
        if advance:
            self.pipeline = [pop, *self.pipeline[:-1]]
        return pop

    def _issue(self, command: Instruction) -> None:
        self.plan = lane_plan(command, self.config)
        self.setup = dict(self.plan.setup)
        self.active = True
        self.placed = 0
        self.pipeline = [False] * LANE_STAGES
        for source, plan in zip(self.sources.values(), self.plan.sources, strict=True):
            source.begin(plan)
