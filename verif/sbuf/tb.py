"""RTL and models of the SBUF assembly side by side; every port is compared in every cycle."""

from collections import Counter
from typing import Any

from cocotb.triggers import RisingEdge

from makalu.hw.psum.layouts import psum_commands, psum_requests
from makalu.hw.sbuf.layouts import access_commands, access_requests
from makalu.sim_models.lockstep.arbiter import AccessArbiterModel
from makalu.sim_models.lockstep.sbuf import SbufModel
from makalu.spec.config import CoreConfig
from makalu.spec.memory_map import ENGINES
from verif.lib.compare import compare
from verif.lib.pack import bytes_to_word, pack
from verif.lib.sampling import drive, reset, sample, start_clock
from verif.sbuf.assembly import SbufAssembly

__all__ = ["SbufBench"]

DEFINED = ("grant", "command", "psum_grant", "psum_command", "written_b")
"""Outputs that are defined from reset on."""
OUTPUTS = (*DEFINED, "read_data", "b_data", "written_a")


class SbufBench:
    """Drives the inputs of `traffic`, compares, and counts what happened in `seen`."""

    def __init__(self, dut: Any, config: CoreConfig) -> None:
        self.dut, self.config = dut, config
        self.arbiter, self.memory = AccessArbiterModel(config), SbufModel(config)
        self.layout = {name: member.shape for name, member in SbufAssembly(config=config).signature.members.items()}
        self.seen: Counter[str] = Counter()

    def _packed_inputs(self, inputs: dict[str, Any]) -> dict[str, int]:
        rows = range(self.config.partitions)
        tensor, dma = inputs["tensor"], inputs["dma"]
        return {
            "request": pack(access_requests(self.config), inputs["request"]),
            "psum_request": pack(psum_requests(self.config.psum), inputs["psum_request"]),
            "owned": inputs["owned"],
            "write_data": pack(self.layout["write_data"], [inputs["write_data"][:, p] for p in rows]),
            "tensor": pack(self.layout["tensor"], [{k: v[p] for k, v in tensor.items()} for p in rows]),
            "dma": pack(self.layout["dma"], [{k: v[p] for k, v in dma.items()} for p in rows]),
        }

    def _expected(self, arbiter: dict[str, Any], memory: dict[str, Any]) -> dict[str, int]:
        rows = range(self.config.partitions)
        written_a, written_b = memory["written_a"], memory["written_b"]
        return {
            "grant": arbiter["grant"],
            "command": pack(access_commands(self.config), arbiter["command"]),
            "psum_grant": arbiter["psum_grant"],
            "psum_command": pack(psum_commands(self.config.psum), arbiter["psum_command"]),
            "read_data": pack(self.layout["read_data"], [memory["read_data"][:, p] for p in rows]),
            "b_data": pack(self.layout["b_data"], [bytes_to_word(memory["b_data"][p]) for p in rows]),
            "written_a": pack(
                self.layout["written_a"], [[{k: v[p] for k, v in w.items()} for w in written_a] for p in rows]
            ),
            "written_b": pack(self.layout["written_b"], [{k: v[p] for k, v in written_b.items()} for p in rows]),
        }

    def _count(self, inputs: dict[str, Any], arbiter: dict[str, Any]) -> None:
        words, elems = self.config.sbuf.bank_words, self.config.psum.bank_elems
        request, psum = inputs["request"], inputs["psum_request"]
        same = request[0]["address"] // words == request[1]["address"] // words
        conflict = bool(request[0]["valid"] and request[1]["valid"] and same)
        both = request[0]["valid"] and request[1]["valid"]
        owned = [p["valid"] and inputs["owned"] >> (p["address"] // elems) & 1 for p in psum]
        self.seen["sbuf conflict"] += conflict
        self.seen["sbuf both granted"] += arbiter["grant"] == (1 << ENGINES) - 1
        self.seen["merge under conflict"] += bool(conflict and any(self.arbiter.merging))
        self.seen["merge alone"] += bool(not both and any(self.arbiter.merging))
        self.seen["psum owned"] += any(owned)
        banks = {p["address"] // elems for p in psum}
        self.seen["psum conflict"] += all(p["valid"] for p in psum) and not any(owned) and len(banks) == 1
        for e in range(ENGINES):
            self.seen[f"engine {e} waits"] += bool(request[e]["valid"]) and not arbiter["grant"] >> e & 1
        for kind in ("tensor", "dma"):
            self.seen[f"{kind} slots"] += int(inputs[kind]["enable"].sum())

    async def run(self, traffic: Any, cycles: int) -> None:
        """From reset on; memories keep their words through a reset, so the warm-up fixes those that are used."""
        start_clock(self.dut)
        script = traffic.warm_up()
        inputs = script[0]
        await reset(self.dut, {name: 0 for name in self._packed_inputs(inputs)})
        drive(self.dut, self._packed_inputs(inputs))
        for cycle in range(len(script) + cycles):
            await RisingEdge(self.dut.clk)
            arbiter = self.arbiter.comb(inputs)
            slices = {**inputs, "access": arbiter["command"]}
            expected = self._expected(arbiter, self.memory.comb(slices))
            names = OUTPUTS if cycle >= len(script) else DEFINED
            compare(cycle, sample(self.dut, names), {name: expected[name] for name in names}, "sbuf")
            self._count(inputs, arbiter)
            self.arbiter.tick(inputs)
            self.memory.tick(slices)
            if cycle + 1 < len(script):
                inputs = script[cycle + 1]
            else:
                traffic.advance(arbiter["grant"], arbiter["psum_grant"])
                inputs = traffic.inputs(self.arbiter.command)
            drive(self.dut, self._packed_inputs(inputs))
        assert not self.memory.collisions, f"the traffic must keep ports A and B apart: {self.memory.collisions[:3]}"
        assert not self.memory.undefined, f"the warm-up must write every word: {self.memory.undefined[:3]}"
