"""Faults planted in the compiler, each of which a comparison sees: with Verilator's PE array, or by hand-made parts."""

import re

import pytest
from amaranth.hdl import Cat, Signal
from amaranth.lib import memory

from makalu.sw.rtl.lanes import halves
from makalu.sw.rtl.lanes.cells import RULES
from makalu.sw.rtl.lanes.layout import Layout
from makalu.sw.rtl.lanes.netlist import Netlist
from makalu.sw.rtl.lanes.schedule import Schedule
from tests.rtl.lanes.array_traffic import traffic
from tests.rtl.lanes.arrays import Array, array_bench, config_of
from tests.rtl.lanes.bench import Bench, Difference
from tests.rtl.lanes.designs import check, component, driven, simulated, top_of

pytestmark = pytest.mark.slow

ARRAY = Array(8, 4, 8, 2, 2, "keep")
CYCLES = 6000


def array_differs(change=dict, threads=1):
    """The array's bench does; `change` gets the generated files."""
    bench, _ = array_bench(ARRAY, "plain", change=change)
    with pytest.raises(Difference, match=r"^cycle \d+: output word"):
        bench.run(traffic(config_of(ARRAY), cycles=CYCLES, seed=3), threads=threads)


def replaced(pattern, text, count=None):
    """Generated files with another text in those of the classes."""

    def change(files):
        done = {name: re.subn(pattern, text, old, count=count or 0) for name, old in files.items() if "class" in name}
        assert sum(number for _, number in done.values()) > 0, pattern
        return {**files, **{name: new for name, (new, _) in done.items()}}

    return change


# the generated text

TEXTS = {
    "a wrong chain order": (r"for\(int c=from-1;c>=to;--c\)", "for(int c=to;c<from;++c)"),
    "a skip too early: its own state": (r"if\(moved\)\{flags[^}]*\}", ""),
    "a skip too early: its own state, now and then": (r"if\(moved\)\{f", "static u32 t;if(moved&&++t%9){f"),
    "a skip too early: one lane decides": (r"moved\|=any\(nz\(d_\)\)", "moved|=lane(d_,0)!=0"),
    "a skip too early: a flag that is not set by one word": (r"d1_\|=ld\(o\)\^v", "d1_=ld(o)^v"),
    "a skip too early: copies that say nothing": (r"if\(moved\)\{flags\[\d+\+chunk\]=1;\}\n\}", "}"),
}


@pytest.mark.parametrize("fault", TEXTS)
def test_text_of_the_array(fault):
    array_differs(replaced(*TEXTS[fault]))


def test_no_skip_is_no_fault():
    """The flags only save time: without them the outputs are the same."""
    pattern, always = r"if\(flags\[(\d+)\+c\]\)", "if(true)"
    bench, _ = array_bench(ARRAY, "plain", change=replaced(pattern, always))
    bench.run(traffic(config_of(ARRAY), cycles=CYCLES, seed=3))


# the compiler


def test_wrong_neighbour(monkeypatch):
    """Each chunk of the inner chain loads what is one place further."""
    true = Layout._chunk

    def chunk(self, entry, key, c, lanes, low):
        start = true(self, entry, key, c, lanes, low)
        return start + 1 if self.design.grids[entry.module].chained and entry.name == "p_in" else start

    monkeypatch.setattr(Layout, "_chunk", chunk)
    array_differs()


def test_wrong_neighbour_of_the_other_direction(monkeypatch):
    """The outer chain skips an instance."""
    true = Layout._chunk

    def chunk(self, entry, key, c, lanes, low):
        start, place = true(self, entry, key, c, lanes, low), self.places[entry.module]
        outer = entry.name == "x_in" and c >= 2 * place.chunks // self.design.grids[entry.module].rows
        return start - place.stride if outer else start

    monkeypatch.setattr(Layout, "_chunk", chunk)
    array_differs()


WAKES = {
    "a copy": lambda found, what: what[0] == "copy",
    "x, from the left": lambda found, what: what[0] == "chunk" and what[3][1] == "x_in",
    "w, from the left": lambda found, what: what[0] == "chunk" and what[3][1] == "w_in",
    "p, from above": lambda found, what: what[0] == "chunk" and what[3][1] == "p_in",
    "the next chunk alone": lambda found, what: what[0] == "chunk" and what[2] == found.chunk + 1,
    "one chunk": lambda found, what: what[2] == 5,
}


@pytest.mark.parametrize("which", WAKES)
def test_a_skip_too_early(monkeypatch, which):
    """Who stores a word does not wake all that read it."""
    true, left = Layout._wake, []

    def wake(self, found, what):
        if WAKES[which](found, what):
            left.append(what)
        else:
            true(self, found, what)

    monkeypatch.setattr(Layout, "_wake", wake)
    array_differs()
    assert left


def test_neighbours_read_after_the_edge(monkeypatch):
    """A class that reads what its neighbours stored in this cycle reads what is old."""
    true = Schedule.when

    def when(self, consumer, module, net):
        return 0 if consumer == module else true(self, consumer, module, net)

    monkeypatch.setattr(Schedule, "when", when)
    array_differs()


@pytest.mark.parametrize("what", ["saved", "later"])
def test_two_halves(monkeypatch, what):
    """What the upper half reads from the lower one is not put aside, or it is not told that it changed."""
    monkeypatch.setattr(halves, "LEAST_CHUNKS", 2)
    pattern = {"saved": r"for\(const auto&s:saved\)[^;]*;", "later": r"flags\[later\[i\]\[0\]\]=1;"}[what]
    array_differs(replaced(pattern, ""))


# parts that the array does not have


def hand_made(files_change=None):
    """A top in many pieces, with a memory, signed shifts and registers without reset; differs from Amaranth's."""
    made, model = top_of(Top)
    bench = Bench.build(made, (files_change or dict)(model.files))
    rows = driven(bench, 150, 1)
    return (bench.run(rows) == simulated(Top, bench, rows)).all()


def logic(m, t, _):
    m.submodules.memory = words = memory.Memory(shape=40, depth=8, init=[9 * i for i in range(8)])
    write, now, later = words.write_port(), words.read_port(domain="comb"), words.read_port()
    registers = [Signal(16, name=f"r{i}", init=i) for i in range(90)]
    m.d.comb += [write.addr.eq(registers[0]), write.data.eq(Cat(registers[-3:])), write.en.eq(registers[1][0])]
    m.d.comb += [now.addr.eq(t.x[:3]), later.addr.eq(registers[0]), later.en.eq(t.x[4])]
    shifted = registers[5].as_signed() << t.x[:6]
    for i, r in enumerate(registers):
        with m.If(t.x.bit_select(i % 13, 3).all()):
            m.d.sync += r.eq(registers[i - 1] + (now.data if i % 3 else later.data) * i + registers[(i * 7) % 90])
    m.d.comb += t.o.eq(Cat(registers, now.data, later.data, shifted[:64]))


Top = component("Top", {"x": 16}, {"o": 90 * 16 + 80 + 64}, logic)


def test_hand_made_parts_are_right():
    assert hand_made()
    check(Top)


PIECES = {
    "a skip too early: a value that crosses pieces": (r"if\((KB?_\(\d+,\w+\))\)\{[^}]*\}", r"\1;"),
    "a skip too early: a register": (r"wake\(lists\+readers\[n\]\)", "(void)readers"),
    "a skip too early: a memory": (r"(if\(memory_write[^{]*)\{[^}]*\}", r"\1{}"),
    "a register in the middle of the cycle": (r"\{st\(next\+n\*LANES,v\);", "{st(next+n*LANES,v);st(state+n*LANES,v);"),
    "a wrong reset value": (r"static const u32 reset\[\]=\{", "static const u32 reset[]={1^"),
}


@pytest.mark.parametrize("fault", PIECES)
def test_text_of_pieces(fault):
    assert not hand_made(replaced(*PIECES[fault]))


def test_a_sign_lost_in_a_shift(monkeypatch):
    true = RULES["$shl"]

    def unsigned(e, net, when):
        net.parameters["A_SIGNED"] = 0
        return true(e, net, when)

    monkeypatch.setitem(RULES, "$shl", unsigned)
    assert not hand_made()


def test_a_clocked_port_that_reads_what_is_written(monkeypatch):
    """It reads as one without clock does, a cycle later."""
    true = Netlist._memory

    def without_enable(self, name, cell):
        true(self, name, cell)
        self.memories[-1].enables = [["1"] if enable else [] for enable in self.memories[-1].enables]

    monkeypatch.setattr(Netlist, "_memory", without_enable)
    assert not hand_made()
