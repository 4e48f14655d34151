"""SBUF slices behind the access arbiter, cut from the core, beside their models."""

from functools import cache
from typing import Any

from makalu.sim_models.lockstep.arbiter import AccessArbiterModel
from makalu.sim_models.lockstep.sbuf import SbufModel
from makalu.spec.config import CoreConfig
from makalu.spec.engines import ACCESS_ENGINES
from verif.lib.cut import Cut
from verif.lib.side_by_side import SideBySide

__all__ = ["SbufBench", "sbuf_cut"]

ARBITER = ("grant", "command", "psum_grant", "psum_command")
ASKED = ("request", "psum_request")
READ = ("sbuf_slice__read_data", "sbuf_slice__b_data", "sbuf_slice__written_a")
"""Undefined until the first reads."""


@cache
def sbuf_cut(config: CoreConfig) -> Cut:
    """AccessArbiter in front of P SbufSlices."""
    asked = [f"{engine}.{port}" for port in ASKED for engine in ACCESS_ENGINES]
    words = [f"{engine}_lane.write_data" for engine in ACCESS_ENGINES]
    return Cut(
        config=config,
        blocks=("arbiter", "sbuf_slice"),
        drive=(*asked, *words, "head.owned", "tensor_edge.sbuf", "dma_lane.sbuf"),
        show=(*(f"arbiter.{port}" for port in ARBITER), *(r.replace("__", ".") for r in READ), "sbuf_slice.written_b"),
    )


class _Models:
    def __init__(self, config: CoreConfig) -> None:
        self.arbiter, self.memory, self.rows = AccessArbiterModel(config), SbufModel(config), range(config.partitions)

    def comb(self, inputs: dict[str, Any]) -> dict[str, Any]:
        arbiter = self.arbiter.comb(inputs)
        memory = self.memory.comb({**inputs, "access": arbiter["command"]})
        rows = [[{name: v[p] for name, v in w.items()} for w in memory["written_a"]] for p in self.rows]
        return {
            "slices": memory,
            **{f"arbiter__{port}": arbiter[port] for port in ARBITER},
            "sbuf_slice__read_data": memory["read_data"].swapaxes(0, 1),
            "sbuf_slice__b_data": memory["b_data"],
            "sbuf_slice__written_a": rows,
            "sbuf_slice__written_b": memory["written_b"],
        }

    def tick(self, inputs: dict[str, Any], out: dict[str, Any]) -> None:
        self.memory.tick({**inputs, "access": out["arbiter__command"]}, out["slices"])
        self.arbiter.tick(inputs)


class SbufBench(SideBySide):
    """Drives the inputs of `traffic` and counts what they led to."""

    unreset = READ

    def __init__(self, dut: Any, config: CoreConfig, traffic: Any) -> None:
        cut = sbuf_cut(config)
        super().__init__(dut, cut, _Models(config), name="sbuf", whole=tuple(cut.signature.members))
        self.config, self.traffic = config, traffic

    def idle(self) -> dict[str, Any]:
        return self.traffic.quiet()

    def packed(self, inputs: dict[str, Any]) -> dict[str, int]:
        named = {"head__owned": inputs["owned"], "tensor_edge__sbuf": inputs["tensor"], "dma_lane__sbuf": inputs["dma"]}
        for e, engine in enumerate(ACCESS_ENGINES):
            named |= {f"{engine}__{port}": inputs[port][e] for port in ASKED}
            named[f"{engine}_lane__write_data"] = inputs["write_data"][e]
        return super().packed(named)

    def count(self, inputs: dict[str, Any], out: dict[str, Any]) -> None:
        words, elems = self.config.sbuf.bank_words, self.config.psum.bank_elems
        request, psum = inputs["request"], inputs["psum_request"]
        grant, merging = out["arbiter__grant"], any(self.model.arbiter.merging)
        both = request[0]["valid"] and request[1]["valid"]
        conflict = both and request[0]["address"] // words == request[1]["address"] // words
        owned = any(p["valid"] and inputs["owned"] >> (p["address"] // elems) & 1 for p in psum)
        one_bank = len({p["address"] // elems for p in psum}) == 1
        self.seen["sbuf conflict"] += bool(conflict)
        self.seen["sbuf both granted"] += grant == (1 << len(request)) - 1
        self.seen["merge under conflict"] += bool(conflict and merging)
        self.seen["merge alone"] += bool(not both and merging)
        self.seen["psum owned"] += owned
        self.seen["psum conflict"] += all(p["valid"] for p in psum) and not owned and one_bank
        for e, asked in enumerate(request):
            self.seen[f"engine {e} waits"] += bool(asked["valid"]) and not grant >> e & 1
        for kind in ("tensor", "dma"):
            self.seen[f"{kind} slots"] += int(inputs[kind]["enable"].sum())

    async def run(self, cycles: int) -> None:
        """From reset on; memories keep their words through a reset, so the warm-up fixes those that are used."""
        await self.start()
        for inputs in self.traffic.warm_up():
            await self.step(inputs)
        self.undefined = ()
        for _ in range(cycles):
            out = await self.step(self.traffic.inputs(self.model.arbiter.command))
            self.traffic.advance(out["arbiter__grant"], out["arbiter__psum_grant"])
        memory = self.model.memory
        assert not memory.collisions, f"the traffic must keep ports A and B apart: {memory.collisions[:3]}"
        assert not memory.undefined, f"the warm-up must write every word: {memory.undefined[:3]}"
