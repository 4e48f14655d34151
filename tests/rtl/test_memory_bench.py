"""The compiled memory model: its contract, its errors, its stalls."""

import random
from dataclasses import asdict

import pytest

from makalu.spec.memory import MemoryTiming, StallProbabilities
from makalu.sw.rtl.memory import MEMORY_SOURCE, memory_plusargs
from makalu.sw.rtl.runner import cocotb_bench

SIZE = 4096
ICARUS = pytest.param("icarus", marks=pytest.mark.icarus)

FRACTION = MemoryTiming(latency=7, numerator=377, denominator=100, outstanding_reads=3, outstanding_writes=2)
TIMINGS = {
    "wide-open": (MemoryTiming(latency=0, numerator=64), 8, 8),
    "fraction": (FRACTION, 8, 16),
    "starved": (MemoryTiming(latency=1, numerator=1, denominator=2, outstanding_instructions=1), 8, 8),
    "wide": (MemoryTiming(latency=20, numerator=255, denominator=4), 64, 64),
}


def run(tmp_path, name, simulator, timing, data_bytes, instruction_bytes, seed, stalls=None):
    image, dump = tmp_path / "image", tmp_path / "dump"
    image.write_bytes(random.Random(seed).randbytes(SIZE))
    parameters = {"DATA_BYTES": data_bytes, "INSTRUCTION_BYTES": instruction_bytes, "SIZE": SIZE}
    return {
        "sources": {"memory.v": MEMORY_SOURCE.read_text()},
        "top": "memory",
        "name": "memory",
        "test_module": "verif.memory.test_memory",
        "simulator": simulator,
        "params": {
            "size": SIZE,
            "data_bytes": data_bytes,
            "instruction_bytes": instruction_bytes,
            "timing": asdict(timing),
            "image": str(image),
            "dump": str(dump),
        },
        "parameters": parameters,
        "plusargs": memory_plusargs(timing, size=SIZE, image=image, dump=dump, stalls=stalls or StallProbabilities()),
        "seed": seed,
    }


@pytest.mark.parametrize("simulator", ["verilator", ICARUS])
@pytest.mark.parametrize("name", TIMINGS)
def test_fixed_contract(name, simulator, tmp_path):
    timing, data_bytes, instruction_bytes = TIMINGS[name]
    ran = cocotb_bench(**run(tmp_path, name, simulator, timing, data_bytes, instruction_bytes, seed=1))
    assert ran == 2


def test_stalls_change_no_byte(tmp_path):
    timing, data_bytes, instruction_bytes = TIMINGS["fraction"]
    stalls = StallProbabilities(aw=128, w=128, b=128, ar=128, r=128, iar=128, ir=128, seed=5)
    ran = cocotb_bench(
        **run(tmp_path, "stalls", "verilator", timing, data_bytes, instruction_bytes, seed=2, stalls=stalls),
        test_filter="outside_master",
    )
    assert ran == 1
