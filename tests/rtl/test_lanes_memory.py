"""Memories in classes: read in the cycle or behind the clock, beside writes, by other classes at once or later."""

import pytest
from amaranth.hdl import Cat, Signal
from amaranth.lib import memory

from tests.rtl.lanes.designs import check, component, placed

COUNT = 3


def store(width, depth, *, writers=1, granularity=None, name="Store"):
    """A memory read at once and behind the clock; `writers` write to neighbouring words."""
    address = max(1, (depth - 1).bit_length())

    def logic(m, a, _):
        content = [0x5A5A5A5A5A5A5A5A5 * (i + 1) & ((1 << width) - 1) for i in range(depth)]
        m.submodules.memory = words = memory.Memory(shape=width, depth=depth, init=content)
        write = [words.write_port(granularity=granularity) for _ in range(writers)]
        now, later = words.read_port(domain="comb"), words.read_port()
        m.d.comb += [now.addr.eq(a.now), later.addr.eq(a.later), later.en.eq(a.enable)]
        m.d.comb += [a.o.eq(now.data), a.p.eq(later.data)]
        for k, port in enumerate(write):
            m.d.comb += [port.addr.eq(a.write + k), port.data.eq(a.data + k)]
            m.d.comb += port.en.eq(a.valid.replicate(len(port.en)) & (a.data if granularity else 1 - k * a.enable))

    inputs = {"now": address, "later": address, "write": address, "data": width, "valid": 1, "enable": 1}
    return component(name, inputs, {"o": width, "p": width}, logic)


def reading(width, name="Reading"):
    """What it reads of a store matters the longer, the later."""
    logic = lambda m, a, _: m.d.sync.__iadd__(a.s.eq(a.s * 3 + a.o + (a.p >> 3)))  # noqa: E731
    return component(name, {"o": width, "p": width}, {"s": 16}, logic)


def check_stores(*shapes, way="apart", **options):
    """Stores of (width, depth), each with a class and with the top reading them.

    `way` of the addresses: "together", "apart", or a "register" that hangs on what was read.
    """
    kinds = [
        (store(*shape, name=f"Store{i}", **options), reading(shape[0], f"Reading{i}"), *shape)
        for i, shape in enumerate(shapes)
    ]

    def wires(m, t, platform):
        shown, total, at = [], Signal(16), Signal(8)
        for kind, other, _, _ in kinds:
            stores = placed(m, platform, kind, [f"{kind.__name__}_{i}" for i in range(COUNT)])
            readers = placed(m, platform, other, [f"{other.__name__}_{i}" for i in range(COUNT)])
            for i, (a, b) in enumerate(zip(stores, readers, strict=True)):
                m.d.comb += a.now.eq({"together": t.now, "apart": t.now ^ i, "register": at}[way])
                m.d.comb += a.later.eq({"together": t.later, "apart": t.later ^ i, "register": at + i}[way])
                m.d.comb += [a.write.eq(t.write), a.data.eq(t.data), a.valid.eq(t.valid[i]), a.enable.eq(t.enable[i])]
                m.d.comb += [b.o.eq(a.o), b.p.eq(a.p)]
            shown += [a.o for a in stores] + [a.p for a in stores] + [b.s for b in readers]
        m.d.sync += [total.eq(total + sum(shown)), at.eq(t.now + total)]
        m.d.comb += t.o.eq(Cat(shown, total))

    inputs = {"now": 4, "later": 4, "write": 4, "data": 72, "valid": COUNT, "enable": COUNT}
    bits = 16 + sum(COUNT * (2 * width + 16) for width, _ in shapes)
    top = component("Top", inputs, {"o": bits}, wires)
    check(top, *(kind for first, second, _, _ in kinds for kind in (first, second)))


def test_widths():
    """Lanes read where they write and elsewhere; some, early, when nothing but a memory has changed."""
    check_stores((1, 8), (31, 4), (32, 16), (33, 4), (64, 8), (65, 2))


@pytest.mark.parametrize("way", ["together", "register"])
def test_address(way):
    """One for all from outside, and one that hangs on what was read."""
    check_stores((16, 8), way=way)


def test_two_writers():
    check_stores((16, 8), (40, 4), writers=2)


def test_bits_of_a_word():
    """Each bit has its own enable."""
    check_stores((8, 8), (48, 8), (64, 8), granularity=1)


def test_depth_that_is_no_power_of_two():
    """Beyond it there are zeros."""
    check_stores((33, 1), (16, 3), (65, 5))


def test_in_the_top():
    """Pieces read the memory as it was when the cycle began."""

    def logic(m, t, _):
        m.submodules.memory = words = memory.Memory(shape=40, depth=8, init=[9 * i for i in range(8)])
        write, now, later = words.write_port(), words.read_port(domain="comb"), words.read_port()
        registers = [Signal(16, name=f"r{i}", init=i) for i in range(80)]
        m.d.comb += [write.addr.eq(registers[0]), write.data.eq(Cat(registers[-3:])), write.en.eq(registers[1][0])]
        m.d.comb += [now.addr.eq(t.x[:3]), later.addr.eq(registers[0]), later.en.eq(t.x[4])]
        for i, r in enumerate(registers):
            with m.If(t.x.bit_select(i % 13, 3).any()):
                m.d.sync += r.eq(registers[i - 1] + (now.data if i % 3 else later.data) * i)
        m.d.comb += t.o.eq(Cat(registers, now.data, later.data))

    model = check(component("Top", {"x": 16}, {"o": 80 * 16 + 80}, logic))
    assert len(model.blocks["bench"].pieces) > 3
