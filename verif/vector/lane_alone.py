"""One lane on Amaranth's simulator beside its lockstep model; everything around it is a model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from amaranth.lib import wiring
from amaranth.sim import Simulator

from makalu.hw.lanes.control import lane_control
from makalu.hw.lanes.lane import Lane
from makalu.sim_models.lockstep.arbiter import AccessArbiterModel
from makalu.sim_models.lockstep.lanes import LaneEngineModel, LanesModel
from makalu.sim_models.lockstep.psum import PsumModel
from makalu.sim_models.lockstep.sbuf import SbufModel
from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.memory_map import PSUM_HALVES
from makalu.spec.random_bits import generator_key
from verif.lib.compare import after, compare
from verif.lib.lane_programs import corner_values
from verif.lib.pack import bytes_to_word, pack

__all__ = ["run_lane"]

_NO_REQUEST = dict.fromkeys(("valid", "write", "address", "mask", "start", "count"), 0)


def run_lane(
    config: CoreConfig,
    program: Sequence[Instruction],
    *,
    engine: str,
    partition: int,
    lane: type[wiring.Component] = Lane,
    seed: int = 1,
) -> int:
    """Cycles run; raises at the first cycle in which `write_data` differs in a byte that was placed."""
    dut = lane(config=config)
    central, lanes = LaneEngineModel(config, engine=engine), LanesModel(config, engine=engine)
    arbiter, sbuf, psum = AccessArbiterModel(config), SbufModel(config), PsumModel(config)
    rng = np.random.default_rng(seed)
    sbuf.memory[:] = corner_values(rng, (sbuf.memory.size // 4,)).view(np.uint8).reshape(sbuf.memory.shape)
    psum.memory[:] = corner_values(rng, psum.memory.shape)
    sbuf.known[:], psum.known[:] = True, (1 << PSUM_HALVES) - 1
    nothing = np.zeros(config.partitions, np.int64)
    dma = {**dict.fromkeys(("enable", "write", "address", "granules"), nothing), "data": sbuf.memory[:, 0] * 0}
    wave = psum.wave  # of reset: no wave
    left = list(program)
    cycles = [0]
    tags: dict[str, int] = {}

    async def bench(ctx: Any) -> None:
        ctx.set(dut.index, partition)
        if config.stochastic:
            ctx.set(dut.key, generator_key(engine, partition))
        while left or central.active:
            out = central.registered()
            asked = {
                "request": [out["request"], _NO_REQUEST],
                "psum_request": [out["psum_request"], _NO_REQUEST],
                "owned": 0,
            }
            arbitrated = arbiter.comb(asked)
            shown = lanes.comb({})
            write_data = np.stack([shown["write_data"]] * 2)
            slices = {
                "access": arbitrated["command"],
                "write_data": write_data,
                "tensor": {"enable": nothing, "address": nothing},
                "dma": dma,
            }
            columns = {"column": nothing, "wave_in": wave, "access": arbitrated["psum_command"]}
            data = {
                "control": out["to_lanes"],
                "sbuf_data": sbuf.comb(slices)["read_data"][0],
                "psum_data": psum.comb(columns)["read_data"][0],
                "seeding": {"start": int(not cycles[0]), "seed": seed},
            }
            if config.stochastic:
                ctx.set(dut.seeding, data["seeding"])
            ctx.set(dut.control.as_value(), pack(lane_control(config), out["to_lanes"]))
            ctx.set(dut.sbuf_data, bytes_to_word(data["sbuf_data"][partition]))
            ctx.set(dut.psum_data, int(data["psum_data"][partition]))
            known = shown["known"][partition]
            seen = np.frombuffer(ctx.get(dut.write_data).to_bytes(config.sbuf.word_bytes, "little"), np.uint8)
            compare(
                cycles[0],
                {"write_data": bytes_to_word(np.where(known, seen, 0))},
                {"write_data": bytes_to_word(np.where(known, shown["write_data"][partition], 0))},
                after(f"{engine} lane", tags),
            )
            command = left[0] if left else None
            if out["ready"] and command is not None:
                tags[engine] = left.pop(0)["tag"]
            granted = {"grant": arbitrated["grant"] & 1, "psum_grant": arbitrated["psum_grant"] & 1}
            central.tick({"command": command, **granted})
            lanes.tick(data)
            arbiter.tick(asked)
            sbuf.tick(slices)
            psum.tick({**columns, "seeding": data["seeding"]})
            await ctx.tick()
            cycles[0] += 1

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return cycles[0]
