"""The timing model of the DMA against the lockstep model in front of the `fixed` memory: every finish, to the cycle."""

from random import Random

import pytest

from makalu.sim_models.timing.dma import DmaTiming
from makalu.sim_models.timing.dma_load import LoadTrack
from makalu.spec.encoding import Instruction
from makalu.spec.formats import BF16
from makalu.spec.memory import MemoryTiming
from makalu.spec.preset import load_preset
from tests.dma.model_run import CHANNELS, run_model
from verif.dma.programs import random_descriptor
from verif.lib.variants import bench_config

ROUNDS = {0: 12, 7: 12, 100: 4}
"""By latency: a long one costs cycles, and the cases differ in everything else."""


def predict(config, timing, program, gaps):
    """(issue cycles, finish cycles) of both channels, by the timing model alone."""
    model = DmaTiming(config, timing)
    faces = {"load": model.load, "store": model.store}
    waiting = {name: list(zip(program[name], gaps[name], strict=True)) for name in CHANNELS}
    due = {name: 1 + waiting[name][0][1] for name in CHANNELS}
    issues = {name: [] for name in CHANNELS}
    finishes = {name: [] for name in CHANNELS}
    while any(waiting.values()) or any(face.next_event() is not None for face in faces.values()):
        accepts = {name: faces[name].next_accept(due[name], waiting[name][0][0]) for name in CHANNELS if waiting[name]}
        events = [e for face in faces.values() if (e := face.next_event()) is not None]
        now = min([*accepts.values(), *events])
        for name, face in faces.items():
            finishes[name] += [cycle for cycle, _ in face.advance(now)]
        for name, cycle in accepts.items():
            if cycle == now and faces[name].next_accept(now, waiting[name][0][0]) == now:
                faces[name].issue(now, waiting[name].pop(0)[0])
                issues[name].append(now)
                due[name] = now + 1 + (waiting[name][0][1] if waiting[name] else 0)
    return issues, finishes


def programs(config, rng, count) -> dict[str, list[Instruction]]:
    return {name: [random_descriptor(rng, config, opcode) for _ in range(count)] for name, opcode in CHANNELS.items()}


@pytest.mark.parametrize("latency", ROUNDS)
@pytest.mark.parametrize("config", ["tiny", "wide-bus", "narrow"])
def test_finishes_are_exact(config, latency):
    config = bench_config(config)
    rng = Random(f"{config.name}-{latency}")
    for _ in range(ROUNDS[latency]):
        timing = MemoryTiming(
            latency=latency,
            numerator=config.bus.data_bytes * rng.choice((1, 2, 3, 9)),
            denominator=rng.choice((1, 2, 5)),
            outstanding_reads=rng.choice((1, 4, 64)),
            outstanding_writes=rng.choice((1, 4, 64)),
        )
        program = programs(config, rng, 6)
        gaps = {name: [rng.choice((0, 0, 1, rng.randint(0, 200))) for _ in program[name]] for name in CHANNELS}
        ran, predicted = run_model(config, timing, program, gaps), predict(config, timing, program, gaps)
        assert predicted == (ran.issues, ran.finishes), timing


def test_bursts_at_once_are_bursts_beat_by_beat(monkeypatch):
    """Loads behind a memory that never holds a beat back: the same finishes and the same work whichever way."""
    config, rng = load_preset("trn1"), Random(1)
    timing = MemoryTiming.of(config.memory)
    program = programs(config, rng, 12)
    for part in program["load"][::2]:
        size = {"dst_size0": 256, "dst_size1": 1, "dst_size2": 1, "dst_size3": 1, "dst_stride0": 1}
        rows = {"memory_stride0": 2, "memory_stride4": 4096, "partitions": 128, "dst_partition": 0, "dst_offset": 96}
        part.values.update({**size, **rows, "dst_dtype": BF16.code, "address": 64 * rng.randrange(1 << 10)})
    gaps = {name: [rng.choice((0, 0, 300)) for _ in program[name]] for name in CHANNELS}
    used = []

    def run(undisturbed):
        monkeypatch.setattr(LoadTrack, "_undisturbed", undisturbed)
        return predict(config, timing, program, gaps)

    shortcut = LoadTrack._undisturbed
    assert run(lambda track: used.append(shortcut(track)) or used[-1]) == run(lambda track: False)
    assert used.count(True) > 6 * 128 * 2
