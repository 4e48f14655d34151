"""The engines' central parts on Amaranth's simulator, beside the lockstep model, with the arbiter's model between."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from amaranth.hdl import Module, Value
from amaranth.sim import Simulator

from makalu.hw.lanes.engine import LaneEngine
from makalu.sim_models.lockstep.arbiter import AccessArbiterModel
from makalu.sim_models.lockstep.lane_engine import LaneEngineModel
from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction, encode
from verif.lib.compare import after, compare

__all__ = ["ENGINES", "run_engines"]

ENGINES = ("vector", "scalar")
PORTS = ("finish", "active", "stalled", "request", "psum_request", "to_lanes")


def run_engines(
    config: CoreConfig,
    programs: dict[str, Sequence[Instruction]],
    *,
    seed: int = 0,
    owned: Callable[[int], int] = lambda cycle: 0,
    gap: int = 3,
    limit: int = 100_000,
) -> dict[str, list[tuple[int, int]]]:
    """(issue, finish) cycles of each engine's instructions; raises at the first port that differs from the model."""
    m = Module()
    rtl = {name: LaneEngine(config=config, engine=name) for name in ENGINES}
    for name, engine in rtl.items():
        m.submodules[name] = engine
    models = {name: LaneEngineModel(config, engine=name) for name in ENGINES}
    arbiter = AccessArbiterModel(config)
    queues = {name: list(programs.get(name, ())) for name in ENGINES}
    times: dict[str, list[tuple[int, int]]] = {name: [] for name in ENGINES}
    issued: dict[str, int] = {}
    tags: dict[str, int] = {}
    rng = Random(seed)
    waits = dict.fromkeys(ENGINES, 0)

    async def bench(ctx: Any) -> None:
        for cycle in range(limit):
            seen = {name: models[name].registered() for name in ENGINES}
            asked = {
                "request": [seen[name]["request"] for name in ENGINES],
                "psum_request": [seen[name]["psum_request"] for name in ENGINES],
                "owned": owned(cycle),
            }
            granted = arbiter.comb(asked)
            for e, name in enumerate(ENGINES):
                engine, model = rtl[name], models[name]
                if waits[name] > 0:
                    waits[name] -= 1
                offer = queues[name][0] if queues[name] and not waits[name] else None
                inputs = {
                    "command": offer,
                    "grant": granted["grant"] >> e & 1,
                    "psum_grant": granted["psum_grant"] >> e & 1,
                }
                ctx.set(engine.command.valid, offer is not None)
                if offer is not None:
                    ctx.set(engine.command.payload.as_value(), int.from_bytes(encode(offer), "little"))
                ctx.set(engine.grant, inputs["grant"])
                ctx.set(engine.psum_grant, inputs["psum_grant"])
                out = model.comb(inputs)
                seen = {port: ctx.get(Value.cast(getattr(engine, port))) for port in PORTS}
                compare(
                    cycle,
                    {"ready": ctx.get(engine.command.ready), **seen},
                    {"ready": out["ready"], **{port: out[port] for port in PORTS}},
                    after(f"{name} engine", tags),
                    layouts={port: engine.signature.members[port].shape for port in PORTS},
                    whole=("request", "psum_request"),
                )
                if out["finish"]:
                    times[name].append((issued.pop(name), cycle))
                if out["ready"] and offer is not None:
                    issued[name] = cycle
                    tags[name] = queues[name].pop(0)["tag"]
                    waits[name] = rng.randint(0, gap)
                model.tick(inputs)
            arbiter.tick(asked)
            if not issued and not any(queues.values()):
                return
            await ctx.tick()
        raise AssertionError(f"not finished after {limit} cycles: issued {issued}, left {queues}")

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return times
