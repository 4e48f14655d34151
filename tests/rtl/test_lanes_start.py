"""Where a run starts: registers with reset at their reset values, all else at random bits of the seed."""

import numpy as np
from amaranth.hdl import Array, Cat, Const, Signal
from amaranth.lib import memory

from tests.rtl.lanes.bench import Bench
from tests.rtl.lanes.designs import component, placed, simulated, top_of

WIDTH, COUNT = 40, 3


def logic(m, a, _):
    """One register with reset and one without, both kept; a memory with content and one without."""
    free, held = Signal(WIDTH, reset_less=True), Signal(WIDTH, init=0x1234567890)
    chained, cleared, chosen = Signal(WIDTH, init=5), Signal(WIDTH, init=6), Signal(WIDTH, init=7)
    for r in (free, held):
        with m.If(a.x == 9):
            m.d.sync += r.eq(r + a.x)
    # resets that Yosys merges with other multiplexers before D
    with m.If(a.x == 3):
        m.d.sync += chained.eq(0)
    with m.Elif(a.x == 4):
        m.d.sync += chained.eq(chained + 1)
    m.d.sync += [cleared.eq(cleared & ~a.x[0].replicate(WIDTH)), chosen.eq(Array([chosen, free ^ free, a.x])[a.x[1:3]])]
    m.submodules.empty = empty = memory.Memory(shape=WIDTH, depth=4, init=[])
    m.submodules.full = full = memory.Memory(shape=WIDTH, depth=4, init=[11, 22, 33, 44])
    read = [words.read_port(domain="comb") for words in (empty, full)]
    for words, port in zip((empty, full), read, strict=True):
        write = words.write_port()
        m.d.comb += [write.addr.eq(a.x), write.data.eq(a.x), write.en.eq(a.x == 0x77), port.addr.eq(a.x)]
    m.d.comb += [a.free.eq(Cat(free, read[0].data)), a.fixed.eq(Cat(held, chained, cleared, chosen, read[1].data))]


PORTS = {"free": 2 * WIDTH, "fixed": 5 * WIDTH}
Part = component("Part", {"x": 8}, PORTS, logic)


def wires(m, t, platform):
    made = placed(m, platform, Part, [f"part{i}" for i in range(COUNT)])
    logic(m, t.own, platform) if hasattr(t, "own") else None
    m.d.comb += [part.x.eq(t.x) for part in made]
    m.d.comb += [t.free.eq(Cat(part.free for part in made)), t.fixed.eq(Cat(part.fixed for part in made))]


def starts(kind, *classes, rows, seeds):
    """Outputs of the first cycles, [free, fixed], for each seed; and Amaranth's."""
    made, model = top_of(kind, *classes)
    bench = Bench.build(made, model.files)
    at = bench.outputs[1].word
    runs = [np.hsplit(bench.run(rows, seed=seed), [at]) for seed in seeds]
    return runs, np.hsplit(simulated(kind, bench, rows), [at])


TOPS = {
    "block": (component("Top", {"x": 8}, {port: COUNT * bits for port, bits in PORTS.items()}, wires), Part),
    "pieces": (Part,),
}


def check_starts(kind, *classes):
    rows = np.array([[0], [1], [2], [3], [4], [9], [0]], np.uint32)
    runs, (free, fixed) = starts(kind, *classes, rows=rows, seeds=(0, 1, 2, 1))
    for _, same in runs:
        assert np.array_equal(same, fixed)
    assert np.array_equal(runs[0][0], free)  # seed 0 is no seed
    assert np.array_equal(runs[1][0], runs[3][0])
    first = [mine[0] for mine, _ in runs[:3]]
    assert len({tuple(words) for words in first}) == 3
    # about half of the bits, in the registers and in the memories, of every instance
    bits = np.unpackbits((runs[1][0] ^ runs[2][0])[:4].view(np.uint8), axis=1)
    assert 0.3 < bits[:, : free.shape[1] * 32 // 40 * 40].mean() < 0.7


def test_in_a_class():
    check_starts(*TOPS["block"])


def test_in_the_top():
    check_starts(*TOPS["pieces"])


def test_registers_of_a_class_that_have_a_reset():
    """All five of them and no other, whatever became of the reset's multiplexer."""
    netlist = top_of(*TOPS["block"])[1].design.netlists["part"]
    resets = {net.init: net.reset for net in netlist.registers}
    assert resets == {0: False, 0x1234567890: True, 5: True, 6: True, 7: True}
    assert Const(0x1234567890, WIDTH).value == 0x1234567890
