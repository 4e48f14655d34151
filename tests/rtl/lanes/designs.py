"""Small components by hand, compiled to lanes and simulated by Amaranth with the same random inputs."""

import random
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from amaranth.hdl import ClockDomain, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator
from numpy.typing import NDArray

from makalu.hw.lib.emit import place, port_list
from makalu.sw.rtl.lanes.model import Model
from tests.rtl.lanes.bench import Bench, model_of, words

__all__ = ["check", "component", "driven", "placed", "simulated", "top_of"]

CYCLES = 200
Logic = Callable[[Module, Any, Any], None]


def component(name: str, inputs: Mapping[str, int], outputs: Mapping[str, int], logic: Logic) -> type:
    """A class whose instances are all alike: `logic(m, self, platform)` fills the module."""

    def __init__(self: Any) -> None:
        ports = {port: In(bits) for port, bits in inputs.items()} | {port: Out(bits) for port, bits in outputs.items()}
        wiring.Component.__init__(self, ports)

    def elaborate(self: Any, platform: Any) -> Module:
        m = Module()
        logic(m, self, platform)
        return m

    return type(name, (wiring.Component,), {"__init__": __init__, "elaborate": elaborate, "emit_key": ()})


def placed(m: Module, platform: Any, kind: type, names: Collection[str]) -> list[Any]:
    """An instance a name."""
    made = [kind() for _ in names]
    for name, instance in zip(names, made, strict=True):
        m.submodules[name] = place(instance, platform)
    return made


def top_of(kind: type, *classes: type, form: str = "plain") -> tuple[Any, Model]:
    """The top and the compiler's model of it, in which `classes` stay apart. Errors: `NetlistError`."""
    made = kind()
    return made, model_of(made, form=form, boxes={each.__name__ for each in classes})


def driven(bench: Bench, cycles: int, seed: int) -> NDArray[np.uint32]:
    """Rows of inputs: corners, small and any values; some change in a cycle, and now and then none for a while."""
    r = random.Random(seed)
    rows = np.zeros((cycles, sum(words(port.bits) for port in bench.inputs)), np.uint32)
    values = {port.name: 0 for port in bench.inputs}
    quiet = 0
    for row in rows:
        quiet = quiet - 1 if quiet > 0 else r.randint(1, 12) if r.random() < 0.1 else 0
        for port in bench.inputs:
            if not quiet and r.random() < 0.5:
                any_value = r.getrandbits(port.bits)
                values[port.name] = r.choice((0, (1 << port.bits) - 1, any_value, any_value, any_value & 7))
            for i in range(words(port.bits)):
                row[port.word + i] = values[port.name] >> 32 * i & 0xFFFFFFFF
    return rows


def simulated(kind: type, bench: Bench, rows: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Amaranth's outputs for the same rows."""
    made, m = kind(), Module()
    m.domains.sync = ClockDomain("sync")
    m.submodules.top = made
    ports = {name: value for name, value, _ in port_list(made)}
    out = np.zeros((len(rows), sum(words(port.bits) for port in bench.outputs)), np.uint32)

    async def drive(ctx: Any) -> None:
        for given, seen in zip(rows, out, strict=True):
            for port in bench.inputs:
                word = sum(int(given[port.word + i]) << 32 * i for i in range(words(port.bits)))
                ctx.set(ports[port.name], word)
            for port in bench.outputs:
                value = ctx.get(ports[port.name])
                for i in range(words(port.bits)):
                    seen[port.word + i] = value >> 32 * i & 0xFFFFFFFF
            await ctx.tick()

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.run()
    return out


def check(
    kind: type,
    *classes: type,
    form: str = "plain",
    cycles: int = CYCLES,
    seeds: Collection[int] = (1, 2),
    moves: bool = True,
) -> Model:
    """Every output in every cycle is Amaranth's, and `moves`; the model. Errors: `NetlistError`, `AssertionError`."""
    made, model = top_of(kind, *classes, form=form)
    bench = Bench.build(made, model.files, form=form)
    for seed in seeds:
        rows = driven(bench, cycles, seed)
        lanes, wanted = bench.run(rows), simulated(kind, bench, rows)
        for port in bench.outputs:
            here = slice(port.word, port.word + words(port.bits))
            wrong = np.flatnonzero((lanes[:, here] != wanted[:, here]).any(axis=1))
            assert not wrong.size, f"{port.name} differs in cycle {wrong[0]} and {wrong.size - 1} others"
            assert not moves or len(np.unique(wanted[:, here], axis=0)) > 1, f"{port.name} does not move"
    return model
