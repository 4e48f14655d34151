"""Where a run starts: registers with reset at their reset values, all else at random bits of the seed."""

import numpy as np
import pytest
from amaranth.hdl import Array, Cat, Signal
from amaranth.lib import memory

from tests.rtl.lanes.bench import Bench
from tests.rtl.lanes.designs import component, placed, simulated, top_of

WIDTH, COUNT = 32, 3
HELD = 0x12345678
PORTS = {"free": 2 * WIDTH, "fixed": 5 * WIDTH}


def logic(m, a, _):
    """Registers with reset and one without; a memory with content and one without."""
    free, held = Signal(WIDTH, reset_less=True), Signal(WIDTH, init=HELD)
    for register in (free, held):
        with m.If(a.x == 9):
            m.d.sync += register.eq(register + a.x)
    # resets that Yosys may merge with what else comes before D
    chained, cleared, chosen = (Signal(WIDTH, init=init) for init in (5, 6, 7))
    with m.If(a.x == 3):
        m.d.sync += chained.eq(0)
    with m.Elif(a.x == 4):
        m.d.sync += chained.eq(chained + 1)
    m.d.sync += [cleared.eq(cleared & ~a.x[0].replicate(WIDTH)), chosen.eq(Array([chosen, 0, a.x])[a.x[1:3]])]
    shown = []
    for name, content in (("empty", []), ("full", [11, 22, 33, 44])):
        m.submodules[name] = words = memory.Memory(shape=WIDTH, depth=4, init=content)
        write, read = words.write_port(), words.read_port(domain="comb")
        m.d.comb += [write.addr.eq(a.x), write.data.eq(a.x), write.en.eq(a.x == 0x77), read.addr.eq(a.x)]
        shown.append(read.data)
    m.d.comb += [a.free.eq(Cat(free, shown[0])), a.fixed.eq(Cat(held, chained, cleared, chosen, shown[1]))]


Part = component("Part", {"x": 8}, PORTS, logic)


def wires(m, t, platform):
    made = placed(m, platform, Part, [f"part{i}" for i in range(COUNT)])
    m.d.comb += [part.x.eq(t.x) for part in made]
    m.d.comb += [t.free.eq(Cat(part.free for part in made)), t.fixed.eq(Cat(part.fixed for part in made))]


Several = component("Top", {"x": 8}, {port: COUNT * bits for port, bits in PORTS.items()}, wires)


@pytest.mark.parametrize("classes", [(Several, Part), (Part,)], ids=["in-a-class", "in-the-top"])
def test_the_seed_is_where_it_starts(classes):
    """What has no reset differs with the seed, in each instance and word; what has one never does."""
    made, model = top_of(*classes)
    bench = Bench.build(made, model.files)
    rows = np.array([[0], [1], [2], [3], [4], [9], [0]], np.uint32)
    fixed = bench.outputs[1].word
    wanted = simulated(classes[0], bench, rows)
    runs = [bench.run(rows, seed=seed) for seed in (0, 1, 2, 1)]
    for run in runs:
        assert np.array_equal(run[:, fixed:], wanted[:, fixed:])
    assert np.array_equal(runs[0], wanted) and np.array_equal(runs[1], runs[3])
    first, second = (run[:4, :fixed] for run in runs[1:3])
    assert (first != second).all() and (first != runs[0][:4, :fixed]).all()
    assert 0.4 < np.unpackbits((first ^ second).view(np.uint8)).mean() < 0.6
    assert len(np.unique(first[0])) == fixed  # no two instances alike


def test_which_registers_have_a_reset():
    registers = top_of(Several, Part)[1].design.netlists["part"].registers
    resets = {register.init: register.reset for register in registers}
    assert resets == {0: False, HELD: True, 5: True, 6: True, 7: True}
