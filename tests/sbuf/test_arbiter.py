"""The arbiter's rules, one by one, on the RTL; the bench compares everything with the model."""

import random

import pytest
from amaranth.sim import Simulator

from makalu.hw.sbuf.arbiter import AccessArbiter
from makalu.sim_models.lockstep.arbiter import AccessArbiterModel
from makalu.sim_models.timing.turns import turns
from makalu.spec.engines import ACCESS_ENGINES
from makalu.spec.preset import load_preset

CONFIG = load_preset("tiny")
VECTOR, SCALAR = map(ACCESS_ENGINES.index, ("vector", "scalar"))
WHOLE = (1 << CONFIG.sbuf.word_bytes) - 1
BANK1 = CONFIG.sbuf.bank_words
PSUM_BANK1 = CONFIG.psum.bank_elems
IDLE = {"valid": 0, "write": 0, "address": 0, "mask": 0, "start": 0, "count": 0}
PSUM_IDLE = {"valid": 0, "address": 0, "start": 0, "count": 0}


def request(address, *, write=0, mask=WHOLE):
    return {"valid": 1, "write": write, "address": address, "mask": mask, "start": 0, "count": CONFIG.partitions}


def psum_request(address):
    return {"valid": 1, "address": address, "start": 0, "count": CONFIG.partitions}


def play(cycles, engines=2):
    """Outputs of RTL in each cycle, the model's equal; a cycle is a dict of inputs that are not idle."""
    dut, model = AccessArbiter(config=CONFIG, engines=engines), AccessArbiterModel(CONFIG, engines)
    out = []

    async def bench(ctx):
        for given in cycles:
            inputs = {"request": [IDLE] * engines, "psum_request": [PSUM_IDLE] * engines, "owned": 0, **given}
            for name, value in inputs.items():
                ctx.set(getattr(dut, name), value)
            await ctx.delay(1e-7)
            expected = model.comb(inputs)
            seen = {"grant": ctx.get(dut.grant), "psum_grant": ctx.get(dut.psum_grant)}
            for name in ("command", "psum_command"):
                port = getattr(dut, name)
                seen[name] = [{k: ctx.get(port[e][k]) for k in expected[name][e]} for e in range(engines)]
            assert seen == expected
            out.append(seen)
            model.tick(inputs)
            await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return out


def test_arbiter_alternates_on_one_bank_vector_first():
    both = {"request": [request(1), request(2)]}
    assert [o["grant"] for o in play([both] * 5)] == [1, 2, 1, 2, 1]


def test_arbiter_remembers_the_loser_of_the_last_conflict():
    both, scalar = {"request": [request(1), request(2)]}, {"request": [IDLE, request(2)]}
    # Vector wins; cycles without conflict change nothing; Scalar wins the next one
    assert [o["grant"] for o in play([both, scalar, scalar, both, both])] == [1, 2, 2, 2, 1]


def test_arbiter_grants_both_on_different_banks():
    both = {"request": [request(1), request(BANK1 + 1)]}
    assert [o["grant"] for o in play([both] * 3)] == [3, 3, 3]


@pytest.mark.parametrize("mask", [0x01, 0x03, 0x1F, 0xF7, 0x7E])
def test_arbiter_reads_before_a_partial_write(mask):
    write = {"request": [request(5, write=1, mask=mask), IDLE]}
    out = play([write, write, {}])
    assert [o["grant"] for o in out] == [0, 1, 0]
    first, second = out[1]["command"][VECTOR], out[2]["command"][VECTOR]
    assert (first["enable"], first["write"], first["address"]) == (1, 0, 5)
    assert (second["enable"], second["write"], second["address"]) == (1, 1, 5)


@pytest.mark.parametrize("mask", [0x00, 0x0F, 0xF0, 0xFF])
def test_arbiter_writes_whole_granules_at_once(mask):
    write = {"request": [IDLE, request(5, write=1, mask=mask)]}
    out = play([write, {}])
    assert out[0]["grant"] == 2
    assert out[1]["command"][SCALAR]["write"] == 1


def test_arbiter_keeps_the_bank_for_a_merge():
    merge = request(5, write=1, mask=1)
    both = {"request": [merge, request(6)]}
    # Vector's read turn, Vector's write turn (Scalar lost twice), then Scalar
    assert [o["grant"] for o in play([both, both, both])] == [0, 1, 2]


def test_arbiter_psum_waits_for_the_owner():
    asks = {"psum_request": [psum_request(PSUM_BANK1 + 3), PSUM_IDLE]}
    out = play([{**asks, "owned": 2}, {**asks, "owned": 2}, {**asks, "owned": 1}])
    assert [o["psum_grant"] for o in out] == [0, 0, 1]


def test_arbiter_owned_bank_is_no_conflict():
    both = {"psum_request": [psum_request(0), psum_request(1)]}
    out = play([{**both, "owned": 1}, both, both])
    assert [o["psum_grant"] for o in out] == [0, 1, 2]


def test_arbiter_turns_of_the_memories_are_apart():
    sbuf = {"request": [request(1), request(2)]}
    both = {**sbuf, "psum_request": [psum_request(0), psum_request(1)]}
    out = play([sbuf, both, both])
    assert [(o["grant"], o["psum_grant"]) for o in out] == [(1, 0), (2, 1), (1, 2)]


def traffic(engines, seed, cycles=400):
    """Requests that stay until granted, of all engines on two banks, with merges; by the timing model's rule alone."""
    rng = random.Random(seed)
    turn, psum_turn, merging = 0, 0, [False] * engines
    asks, psum_asks, out = [IDLE] * engines, [PSUM_IDLE] * engines, []
    for _ in range(cycles):
        for e in range(engines):
            if not asks[e]["valid"] and rng.random() < 0.7:
                mask = rng.choice((WHOLE, 1, 0x7F))
                asks[e] = request(BANK1 * rng.randrange(2), write=rng.randrange(2), mask=mask)
            if not psum_asks[e]["valid"] and rng.random() < 0.7:
                psum_asks[e] = psum_request(PSUM_BANK1 * rng.randrange(2))
        owned = rng.choice((0, 0, 1, 2))
        banks = {e: ask["address"] // BANK1 for e, ask in enumerate(asks) if ask["valid"]}
        psum_banks = {e: ask["address"] // PSUM_BANK1 for e, ask in enumerate(psum_asks) if ask["valid"]}
        free = {e: bank for e, bank in psum_banks.items() if not owned >> bank & 1}
        goes, turn = turns(banks, turn, merging)
        psum_goes, psum_turn = turns(free, psum_turn, [False] * engines)
        first = {e for e in goes if asks[e]["write"] and asks[e]["mask"] != WHOLE and not merging[e]}
        merging = [e in first for e in range(engines)]
        out.append(({"request": asks, "psum_request": psum_asks, "owned": owned}, goes - first, psum_goes))
        asks = [IDLE if e in goes - first else ask for e, ask in enumerate(asks)]
        psum_asks = [PSUM_IDLE if e in psum_goes else ask for e, ask in enumerate(psum_asks)]
    return out


@pytest.mark.parametrize("engines", [2, 3, 5])
def test_arbiter_serves_any_number_of_engines(engines):
    """RTL, lockstep model and timing model grant the same, in every cycle; nobody waits for ever."""
    cycles = traffic(engines, seed=engines)
    out = play([given for given, _, _ in cycles], engines)
    for (_, goes, psum_goes), seen in zip(cycles, out, strict=True):
        assert seen["grant"] == sum(1 << e for e in goes)
        assert seen["psum_grant"] == sum(1 << e for e in psum_goes)
    for e in range(engines):
        grants = [n for n, (_, goes, _) in enumerate(cycles) if e in goes]
        assert max(b - a for a, b in zip(grants, grants[1:], strict=False)) < 20 * engines
