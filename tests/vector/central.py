"""The engines' central parts on Amaranth's simulator, beside the lockstep model, with the arbiter's model between."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from amaranth.hdl import Module
from amaranth.sim import Simulator

from makalu.hw.lanes.engine import LaneEngine
from makalu.sim_models.lockstep.arbiter import AccessArbiterModel
from makalu.sim_models.lockstep.lane_engine import LaneEngineModel
from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction, encode
from verif.lib.compare import after, compare
from verif.lib.lane_ports import lane_port_fields, request_fields

__all__ = ["ENGINES", "run_engines"]

ENGINES = ("vector", "scalar")


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
                expected = {
                    **{port: out[port] for port in ("ready", "finish", "active", "stalled")},
                    **request_fields(out),
                    **lane_port_fields(out["to_lanes"]),
                }
                lanes = engine.to_lanes
                sampled = {
                    "ready": ctx.get(engine.command.ready),
                    **{port: ctx.get(getattr(engine, port)) for port in ("finish", "active", "stalled")},
                }
                sampled |= request_fields(
                    {"request": _struct(ctx.get(engine.request)), "psum_request": _struct(ctx.get(engine.psum_request))}
                )
                sampled |= lane_port_fields(_struct(ctx.get(lanes)))
                compare(cycle, sampled, expected, after(f"{name} engine", tags))
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


def _struct(value: Any) -> Any:
    """A constant of a struct or array layout as dicts and tuples."""
    shape = value.shape() if hasattr(value, "shape") else None
    members = getattr(shape, "members", None)
    if members is not None:
        return {name: _struct(value[name]) for name in members}
    if hasattr(shape, "length"):
        return tuple(_struct(value[i]) for i in range(shape.length))
    return int(value)
