"""Timing of Vector and Scalar, the two engines together: they meet in the banks."""

from collections.abc import Callable

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.engines import ACCESS_ENGINES, CHANNELS, Channel
from makalu.spec.memory_map import ENGINES

from .lane_run import LaneRun
from .lane_shape import LaneShape, lane_shape, shape_key
from .turns import turns
from .waits import EngineWork, Hold

__all__ = ["CHANNEL_NAMES", "LaneTiming", "LanesTiming"]

CHANNEL_NAMES = tuple(row.name for name in ACCESS_ENGINES for row in CHANNELS.values() if row.engine == name)
"""Finish channels, in the order of the access ports."""

_LONGEST = 1 << 24
"""Cycles after which a forecast gives up: an instruction that waits for a bank for ever."""

Owned = Callable[[int, int], int]


class LanesTiming:
    """Both engines and the access arbiter, exact to the cycle; each of `.engines`, by name, is an engine's model.

    An instruction that runs alone, with its PSUM banks free, takes a number of cycles that depends only on which of its
    elements ask for a bank, whichever it is, and on the phase of the engine's clock: stepped once, then looked up.
    Cycles are stepped one by one only while both engines run or a PSUM bank that is read is owned.

    Parameters
    ----------
    config : CoreConfig
    owned : `owned(first, last)` is the mask of PSUM banks that the tensor engine owns in any of the cycles first ..
        last, as far as issued matmuls go. Whoever composes the models advances the tensor engine to a cycle before the
        lanes, and asks `next_event` again after every event: what `owned` says of later cycles may then change.
    """

    def __init__(self, config: CoreConfig, *, owned: Owned = lambda first, last: 0) -> None:
        self.config = config
        self._owned = owned
        self._ratios = tuple(getattr(config, name).ratio for name in ACCESS_ENGINES)
        self._shapes: dict[tuple[int, ...], LaneShape] = {}
        self._kinds: dict[int, int] = {}
        """Of each shape, by its `id`: a number of all that are alike but for the banks."""
        self._kind_of: dict[LaneShape, int] = {}
        self._alone: dict[tuple[int, int, int], int] = {}
        self._state = _State()
        self._free_at = [0] * ENGINES
        self._finishes: list[list[int]] = [[] for _ in range(ENGINES)]
        self._forecast: dict[int, int] = {}
        self.work: list[list[EngineWork]] = [[] for _ in range(ENGINES)]
        self.engines = {name: LaneTiming(self, e) for e, name in enumerate(ACCESS_ENGINES)}

    # the face, with the engine's number

    def next_accept(self, e: int, t: int) -> int:
        """A new command is accepted from the finish cycle on."""
        run = self._state.runs[e]
        return max(t, self._free_at[e] if run is None else self._finish_of(e))

    def issue(self, e: int, t: int, instruction: Instruction) -> None:
        if self.next_accept(e, t) != t:
            raise ValueError(f"{CHANNEL_NAMES[e]} cannot accept in cycle {t}, only in {self.next_accept(e, t)}")
        self._run_to(t - 1)
        self._step_to(t - 1)
        key = shape_key(instruction)
        if key not in self._shapes:
            shape = self._shapes[key] = lane_shape(instruction, self.config)
            self._kinds[id(shape)] = self._kind_of.setdefault(shape.alone, len(self._kind_of))
        self._state.runs[e] = LaneRun(self._shapes[key])
        self._state.first[e] = t + 1
        self._state.psum_waits[e] = self._state.sbuf_waits[e] = 0
        self._forecast.clear()

    def next_event(self, e: int) -> int | None:
        if self._finishes[e]:
            return self._finishes[e][0]
        return None if self._state.runs[e] is None else self._finish_of(e)

    def advance(self, e: int, t: int) -> list[tuple[int, str]]:
        self._run_to(t)
        ready = [cycle for cycle in self._finishes[e] if cycle <= t]
        self._finishes[e] = self._finishes[e][len(ready) :]
        return [(cycle, CHANNEL_NAMES[e]) for cycle in ready]

    # forecast

    def _alone_until(self) -> tuple[int, int] | None:
        """(engine, finish) if one engine runs, since its first cycle, and no bank that it reads is owned till then."""
        running = [e for e in range(ENGINES) if self._state.runs[e] is not None]
        if len(running) != 1:
            return None
        e = running[0]
        run, first = self._state.runs[e], self._state.first[e]
        assert run is not None
        if self._state.now > first:
            return None
        key = (self._kinds[id(run.shape)], e, first % self._ratios[e].denominator)
        if key not in self._alone:
            lone = _State()
            lone.now = first
            lone.runs[e], lone.first[e] = LaneRun(run.shape), first
            self._alone[key] = self._last_grant(lone, e, lambda low, high: 0) + 1 - first
        finish = first + self._alone[key]
        if run.shape.psum_banks and run.shape.psum_banks & self._owned(first, finish):
            return None
        return e, finish

    def _finish_of(self, e: int) -> int:
        alone = self._alone_until()
        if alone is not None:
            return alone[1]
        reads_psum = any(run is not None and run.shape.psum_banks for run in self._state.runs)
        if e not in self._forecast or reads_psum:
            self._forecast[e] = self._last_grant(self._state.clone(), e, self._owned) + 1
        return self._forecast[e]

    def _last_grant(self, state: "_State", e: int, owned: Owned) -> int:
        end = state.now + _LONGEST
        while state.now < end:
            if e in self._cycle(state, owned):
                return state.now - 1
        raise RuntimeError(f"{CHANNEL_NAMES[e]} has not finished {_LONGEST} cycles after {end - _LONGEST}")

    # simulation

    def _run_to(self, t: int) -> None:
        """Everything up to and including cycle t has happened; a lone instruction is left where it began."""
        while self._state.now <= t:
            if not any(self._state.runs):
                self._state.now = t + 1
                return
            alone = self._alone_until()
            if alone is None:
                self._step_to(t)
                return
            e, finish = alone
            if t < finish - 1:
                return
            self._state.runs[e] = None
            self._state.now = finish
            self._ends(e, finish)

    def _step_to(self, t: int) -> None:
        while self._state.now <= t:
            for e in self._cycle(self._state, self._owned):
                self._ends(e, self._state.now)

    def _ends(self, e: int, finish: int) -> None:
        state = self._state
        psum, sbuf = state.psum_waits[e], state.sbuf_waits[e]
        moved = finish - (state.first[e] - 1) - psum - sbuf
        self.work[e].append(EngineWork(finish, moved, {Hold.PSUM: psum, Hold.SBUF: sbuf}))
        self._finishes[e].append(finish)
        self._free_at[e] = finish
        self._forecast.clear()

    def _cycle(self, state: "_State", owned: Owned) -> list[int]:
        """Step both engines one cycle; the engines whose last write is granted in it."""
        now = state.now
        active = [e for e in range(ENGINES) if state.runs[e] is not None and state.first[e] <= now]
        asks = {e: run.asks() for e in active if (run := state.runs[e]) is not None}
        goes = state.sbuf_turns({e: a[1] for e, a in asks.items() if a[0] >= 0})
        busy = owned(now, now) if any(a[3] >= 0 for a in asks.values()) else 0
        psum_goes = state.psum_turns({e: a[4] for e, a in asks.items() if a[3] >= 0 and not busy >> a[4] & 1})
        done = []
        for e in active:
            run = state.runs[e]
            assert run is not None
            first_turn = asks[e][2] and not state.merging[e]
            granted = e in goes and not first_turn
            if asks[e][3] >= 0 and e not in psum_goes:
                state.psum_waits[e] += 1
            elif asks[e][0] >= 0 and e not in goes:
                state.sbuf_waits[e] += 1
            state.merging[e] = e in goes and first_turn
            ratio = self._ratios[e]
            engine_cycle = now * ratio.numerator % ratio.denominator + ratio.numerator >= ratio.denominator
            if run.tick(asks[e], engine_cycle, granted, e in psum_goes):
                state.runs[e] = None
                done.append(e)
        state.now += 1
        return done


class LaneTiming:
    """One engine's face: `next_accept`, `issue`, `next_event`, `advance` of the contract."""

    def __init__(self, lanes: LanesTiming, engine: int) -> None:
        self._lanes = lanes
        self._engine = engine

    def next_accept(self, t: int, instruction: Instruction) -> int:
        return self._lanes.next_accept(self._engine, t)

    def issue(self, t: int, instruction: Instruction) -> None:
        self._lanes.issue(self._engine, t, instruction)

    def next_event(self) -> int | None:
        return self._lanes.next_event(self._engine)

    def advance(self, t: int) -> list[tuple[int, str]]:
        return self._lanes.advance(self._engine, t)

    def work_of(self, channel: Channel) -> list[EngineWork]:
        return self._lanes.work[self._engine]


class _State:
    """What a forecast copies: both runs, the arbiter's turns, and the first cycle that has not been stepped."""

    def __init__(self) -> None:
        self.now = 0
        self.runs: list[LaneRun | None] = [None] * ENGINES
        self.first = [0] * ENGINES
        self.merging = [False] * ENGINES
        self.psum_waits, self.sbuf_waits = [0] * ENGINES, [0] * ENGINES
        """Cycles in which the run of each engine asked for a bank and did not get it."""
        self.turn = self.psum_turn = 0

    def clone(self) -> "_State":
        other = _State()
        other.now, other.turn, other.psum_turn = self.now, self.turn, self.psum_turn
        other.runs = [run.clone() if run is not None else None for run in self.runs]
        other.first, other.merging = list(self.first), list(self.merging)
        other.psum_waits, other.sbuf_waits = list(self.psum_waits), list(self.sbuf_waits)
        return other

    def sbuf_turns(self, banks: dict[int, int]) -> set[int]:
        """Engines that go, of those that ask (engine: bank)."""
        goes, self.turn = turns(banks, self.turn, self.merging)
        return goes

    def psum_turns(self, banks: dict[int, int]) -> set[int]:
        goes, self.psum_turn = turns(banks, self.psum_turn, [False] * ENGINES)
        return goes
