"""The compiled memory model: its contract, its errors, its stalls."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from random import Random

from makalu.spec.memory import NO_STALLS, MemoryTiming, StallProbabilities
from makalu.sw.rtl.memory import MEMORY_SOURCE, memory_plusargs
from verif.lib.cases import Case, Config, Prepared

__all__ = ["CASES"]

SIZE = 4096
FRACTION = MemoryTiming(latency=7, numerator=377, denominator=100, outstanding_reads=3, outstanding_writes=2)
TIMINGS = {
    "wide-open": (MemoryTiming(latency=0, numerator=64), 8, 8),
    "fraction": (FRACTION, 8, 16),
    "starved": (MemoryTiming(latency=1, numerator=1, denominator=2, outstanding_instructions=1), 8, 8),
    "wide": (MemoryTiming(latency=20, numerator=255, denominator=4), 64, 64),
}
"""Timing, bytes of the data port, bytes of the instruction port."""
STALLS = StallProbabilities(aw=128, w=128, b=128, ar=128, r=128, iar=128, ir=128, seed=5)


def with_image(
    timing: MemoryTiming, stalls: StallProbabilities, seed: int
) -> Callable[[Path, Config | None], Prepared]:
    """Random content, and where the content goes in the end."""

    def prepare(folder: Path, _: Config | None) -> Prepared:
        image, dump = folder / "image", folder / "dump"
        image.write_bytes(Random(seed).randbytes(SIZE))
        plusargs = memory_plusargs(timing, size=SIZE, image=image, dump=dump, stalls=stalls)
        return Prepared({"image": str(image), "dump": str(dump)}, plusargs)

    return prepare


def fixed(name: str, *, stalls: StallProbabilities = NO_STALLS, seed: int = 1) -> Case:
    timing, data_bytes, instruction_bytes = TIMINGS[name]
    return Case(
        name=name,
        module="verif.memory.test_memory",
        tests=2,
        component=MEMORY_SOURCE.read_text,
        top="memory",
        parameters={"DATA_BYTES": data_bytes, "INSTRUCTION_BYTES": instruction_bytes, "SIZE": SIZE},
        params={
            "size": SIZE,
            "data_bytes": data_bytes,
            "instruction_bytes": instruction_bytes,
            "timing": asdict(timing),
        },
        prepare=with_image(timing, stalls, seed),
        seed=seed,
    )


STALLED = replace(fixed("fraction", stalls=STALLS, seed=2), name="stalls", tests=1, only="outside_master")
"""Stalls change time and no byte; the model of the other test knows none."""

CASES = (
    *(fixed(name) for name in TIMINGS),
    *(fixed(name).on_icarus() for name in TIMINGS),
    STALLED,
)
