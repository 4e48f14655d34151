"""Transposes beside matmuls on the models: cycles of the lockstep head, bits of the lockstep engine, banks."""

import random

import numpy as np
import pytest

from makalu.sim_models.lockstep.tensor_head import TensorHeadModel
from makalu.sim_models.timing.tensor import TensorTiming
from makalu.spec.background import TURN, background_commit, background_delay
from makalu.spec.isa import Opcode
from tests.tensor.test_sparse_engine import Engine, Golden
from tests.tensor.test_tensor_timing import ROUNDED, compare, lockstep
from verif.lib.variants import bench_config, small_core
from verif.tensor.programs import transpose, warm_up
from verif.tensor.random_programs import between, hazards, ragged
from verif.tensor.sparse_programs import memory, mixed

CORES = {
    "four": lambda: bench_config("background"),
    "eight": lambda: bench_config("eight-background"),
    "sixteen": lambda: small_core(
        partitions=16, word_bytes=16, mul_stages=1, add_stages=3, products=2, background_bits=16
    ),
    "thirty-two": lambda: small_core(
        **{"partitions": 32, "word_bytes": 16, "mul_stages": 3, "add_stages": 2, "products": 4},
        results=ROUNDED,
        background_bits=16,
    ),
}
STREAMS = {"ragged": ragged, "hazards": hazards, "between": lambda c, r, commands: between(c, r, turns=commands // 5)}


def streams_of(config):
    return {**STREAMS, **({"mixed": mixed} if config.tensor.sparse else {})}.items()


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", CORES)
def test_cycles_are_those_of_the_lockstep_head(name, seed):
    config = CORES[name]()
    for kind, stream in streams_of(config):
        commands = stream(config, random.Random(seed), commands=40)
        assert any(c.instruction.opcode == Opcode.TRANSPOSE for c in commands), kind
        compare(config, commands, start=seed)


@pytest.mark.parametrize(("name", "seed"), [(name, n) for n, name in enumerate(CORES)])
def test_bits_and_sums_are_those_of_golden(name, seed):
    config = CORES[name]()
    sbuf = memory(config, np.random.default_rng(seed)) if config.tensor.sparse else None
    if sbuf is None:
        shape = config.partitions, config.sbuf.partition_bytes
        sbuf = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    for _, stream in streams_of(config):
        commands = warm_up(config) + stream(config, random.Random(seed), commands=40)
        engine, golden = Engine(config, sbuf), Golden(config, sbuf)
        engine.run(commands)
        golden.run(commands)
        assert np.array_equal(engine.psum, golden.psum)
        loads = sum(c.instruction.opcode in (Opcode.LOAD_STATIONARY, Opcode.LOAD_SPARSE) for c in commands)
        assert engine.ends.count("finish_load") == loads and len(engine.ends) == len(commands)


@pytest.mark.parametrize("seed", range(3))
def test_owned_banks(seed):
    """Every bank, every cycle: of sums and of bits."""
    config = CORES["four"]()
    commands = between(config, random.Random(seed), turns=12)
    accepts, _, _, owned = lockstep(config, commands, 0)
    model = TensorTiming(config)
    for t, command in zip(accepts, commands, strict=True):
        model.issue(t, command.instruction)
    for t, banks in enumerate(owned):
        assert model.owned_banks(t, t) == banks, t


@pytest.mark.parametrize(("start", "count"), [(0, 32), (0, 1), (31, 1), (8, 9)])
def test_one_transpose_alone(start, count):
    """Turn, elements and finish in the cycles of the contract."""
    config = CORES["thirty-two"]()
    head, seen = TensorHeadModel(config), {"turn": [], "background": [], "finish_matmul": []}
    command = transpose(offset=0, dst=0, stride=1, columns=32, start=start, count=count)
    accepted = None
    for t in range(300):
        inputs = {"command": command if accepted is None else None, "frame": t % 8}
        out = head.comb(inputs)
        if out["ready"]:
            accepted = t
        for name, cycles in seen.items():
            if out["control"].turn if name == "turn" else out[name]:
                cycles.append(t)
        head.tick(inputs)
    h = accepted + TURN
    first = h + start + background_delay(config)
    assert seen["turn"] == [h]
    assert seen["background"] == list(range(first, first + count))
    assert seen["finish_matmul"] == [h + start + count - 1 + background_commit(config)]
