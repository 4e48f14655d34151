"""A clock that stands still while nothing happens: simulation only, for the sake of the simulator's time."""

from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, Module, ResetSignal, Signal, ValueLike

__all__ = ["GATED", "idle_clock"]

GATED = "gated"


def idle_clock(m: Module, platform: Any, *, busy: ValueLike, settle: int) -> str:
    """Domain for the registers of a component that is idle most of the time.

    Without `Emission(idle_clocks=True)` it is `sync`. With it, edges of `sync` pass in cycles with `busy` and in the
    `settle` cycles after the last of them. `busy` is combinational from the component's inputs; with constant inputs
    that are not busy, every register that an output depends on must hold still after `settle` cycles: then both
    variants show the same outputs in every cycle.

    Does not: save power in hardware; the gate is a model, not a cell of a library.
    """
    if not getattr(platform, "idle_clocks", False):
        return "sync"
    left = Signal(range(settle + 1), init=settle)
    runs, passes = Signal(), Signal(init=1)
    with m.If(busy):
        m.d.sync += left.eq(settle)
    with m.Elif(left != 0):
        m.d.sync += left.eq(left - 1)
    m.domains.falling = ClockDomain("falling", local=True, clk_edge="neg", reset_less=True)
    m.domains.gated = ClockDomain(GATED, local=True)
    # `runs` is settled in the middle of the cycle, and the clock is low when `passes` changes: no glitch
    m.d.falling += passes.eq(runs)
    m.d.comb += [
        runs.eq(busy | (left != 0) | ResetSignal("sync")),
        ClockSignal("falling").eq(ClockSignal("sync")),
        ClockSignal(GATED).eq(ClockSignal("sync") & passes),
        ResetSignal(GATED).eq(ResetSignal("sync")),
    ]
    return GATED
