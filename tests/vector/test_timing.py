"""The timing model of Vector and Scalar gives the RTL's finish cycles: rates, conflicts, owned banks, gaps."""

from dataclasses import replace
from random import Random

import pytest

from makalu.sim_models.timing.lanes import LanesTiming
from makalu.spec.config import EngineConfig
from makalu.spec.preset import load_preset
from verif.lib.lane_programs import random_instructions
from verif.lib.variants import bench_config
from verif.vector.central import ENGINES, run_engines

LENGTH = 20_000


def owners(seed):
    """Mask of the tensor engine's banks, a cycle an entry."""
    rng, mask, masks = Random(seed), 0, []
    for _ in range(LENGTH):
        if rng.random() < 0.05:
            mask = rng.getrandbits(8) & rng.getrandbits(8)
        masks.append(mask)
    return masks


def replay(config, programs, issues, masks):
    """Finish cycles of the timing model, stepped from event to event, when commands issue as in `issues`."""

    def owned(first, last):
        mask = 0
        for cycle in range(first, last + 1):
            mask |= masks[cycle]
        return mask

    timing = LanesTiming(config, owned=owned)
    faces = timing.engines
    finishes = {name: [] for name in ENGINES}

    def advance(cycle):
        count = 0
        for name in ENGINES:
            done = faces[name].advance(cycle)
            assert all(channel == name for _, channel in done)
            finishes[name] += [finish for finish, _ in done]
            count += len(done)
        return count

    def next_event():
        return min((event for name in ENGINES if (event := faces[name].next_event()) is not None), default=None)

    for cycle, name, number in sorted((c, n, i) for n in ENGINES for i, c in enumerate(issues[n])):
        while (event := next_event()) is not None and event <= cycle:
            assert advance(event)
        advance(cycle)
        instruction = programs[name][number]
        assert faces[name].next_accept(cycle, instruction) == cycle
        faces[name].issue(cycle, instruction)
        assert faces[name].next_accept(cycle + 1, instruction) > cycle + 1
    while (event := next_event()) is not None:
        assert advance(event)
    return finishes


SEEDS = [(0, 3, False), (1, 3, True), (2, 90, False), (3, 90, True)]


@pytest.mark.parametrize("rates", [("1/1", "1/1"), ("2/5", "1/2")])
@pytest.mark.parametrize(("core", "seed", "gap", "owns"), [*(("tiny", *s) for s in SEEDS), ("eight-mx", 1, 0, True)])
def test_finishes_are_those_of_the_rtl(rates, core, seed, gap, owns):
    config = replace(bench_config(core), vector=EngineConfig(rate=rates[0]), scalar=EngineConfig(rate=rates[1]))
    programs = {name: random_instructions(config, engine=name, count=14, seed=seed) for name in ENGINES}
    masks = owners(seed) if owns else [0] * LENGTH
    times = run_engines(config, programs, owned=lambda cycle: masks[cycle], gap=gap, seed=seed)
    issues = {name: [issue for issue, _ in times[name]] for name in ENGINES}
    expected = {name: [finish for _, finish in times[name]] for name in ENGINES}
    assert replay(config, programs, issues, masks) == expected


def test_a_busy_engine_refuses():
    config = load_preset("tiny")
    first, second = random_instructions(config, engine="vector", count=2, seed=1)
    vector = LanesTiming(config).engines["vector"]
    vector.issue(5, first)
    with pytest.raises(ValueError, match="vector cannot accept in cycle 6"):
        vector.issue(6, second)
    free = vector.next_accept(6, second)
    assert vector.next_event() == free
    assert vector.advance(free) == [(free, "vector")]
    assert vector.next_event() is None
    vector.issue(free, second)
