"""Memories in classes: read in the cycle or behind the clock, beside writes, by other classes at once or later."""

import pytest
from amaranth.hdl import Cat, Signal
from amaranth.lib import memory

from tests.rtl.lanes.designs import check, component, placed

COUNT = 3


def store(width, depth, domain, *, writers=1, granularity=None):
    """A memory with one read port; `writers` write to neighbouring words."""
    address = max(1, (depth - 1).bit_length())

    def logic(m, a, _):
        content = [0x5A5A5A5A5A5A5A5A5 * (i + 1) & ((1 << width) - 1) for i in range(depth)]
        m.submodules.memory = words = memory.Memory(shape=width, depth=depth, init=content)
        write = [words.write_port(granularity=granularity) for _ in range(writers)]
        read = words.read_port(domain=domain)
        m.d.comb += [read.addr.eq(a.read), a.o.eq(read.data)]
        if domain == "sync":
            m.d.comb += read.en.eq(a.enable)
        for k, port in enumerate(write):
            m.d.comb += [port.addr.eq(a.write + k), port.data.eq(a.data + k)]
            m.d.comb += port.en.eq(a.valid.replicate(len(port.en)) & (a.data if granularity else 1 - k * a.enable))

    inputs = {"read": address, "write": address, "data": width, "valid": 1, "enable": 1}
    return component("Store", inputs, {"o": width}, logic)


def adding(width):
    return component("Adding", {"i": width}, {"s": 16}, lambda m, a, _: m.d.sync.__iadd__(a.s.eq(a.s * 3 + a.i)))


def top(Store, Adding, width, depth, way):
    """`way` of the read address: "together", "apart", or by a "register" that hangs on what was read."""
    address = max(1, (depth - 1).bit_length())

    def wires(m, t, platform):
        stores = placed(m, platform, Store, [f"store{i}" for i in range(COUNT)])
        sums = placed(m, platform, Adding, [f"sum{i}" for i in range(COUNT)])
        total, at = Signal(16), Signal(address)
        m.d.sync += [total.eq(total + sum(a.o for a in stores)), at.eq(t.read + total)]
        for i, (a, b) in enumerate(zip(stores, sums, strict=True)):
            m.d.comb += a.read.eq({"together": t.read, "apart": t.read ^ i, "register": at}[way])
            m.d.comb += [a.write.eq(t.write), a.data.eq(t.data), a.valid.eq(t.valid[i]), a.enable.eq(t.enable[i])]
            m.d.comb += b.i.eq(a.o)
        m.d.comb += [t.o.eq(Cat(a.o for a in stores)), t.s.eq(Cat(total, *(b.s for b in sums)))]

    inputs = {"read": address, "write": address, "data": width, "valid": COUNT, "enable": COUNT}
    return component("Top", inputs, {"o": COUNT * width, "s": 16 + COUNT * 16}, wires)


def check_store(width, depth, domain, way="apart", **options):
    Store, Adding = store(width, depth, domain, **options), adding(width)
    check(top(Store, Adding, width, depth, way), Store, Adding)


@pytest.mark.parametrize("domain", ["comb", "sync"])
@pytest.mark.parametrize("width,depth", [(1, 8), (31, 4), (32, 16), (33, 4), (64, 8), (65, 2)])
def test_width(width, depth, domain):
    """All lanes read at other addresses than they write, and at the same ones."""
    check_store(width, depth, domain)


@pytest.mark.parametrize("domain", ["comb", "sync"])
@pytest.mark.parametrize("way", ["together", "register"])
def test_address(way, domain):
    """From outside and early, when nothing else in the class has moved but the memory."""
    check_store(16, 8, domain, way)


@pytest.mark.parametrize("domain", ["comb", "sync"])
def test_two_writers(domain):
    check_store(16, 8, domain, writers=2)


@pytest.mark.parametrize("width", [8, 48, 64])
def test_bits_of_a_word(width):
    """Each bit has its own enable."""
    check_store(width, 8, "sync", granularity=1)


@pytest.mark.parametrize("domain", ["comb", "sync"])
@pytest.mark.parametrize("depth", [1, 3, 5])
def test_depth_that_is_no_power_of_two(depth, domain):
    """Beyond it there are zeros."""
    check_store(33, depth, domain)


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
