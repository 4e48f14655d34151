"""The comparer: what is left out because a gate shuts it, and that nothing else is."""

import pytest
from amaranth.lib import data

from makalu.hw.lib.gated import GatedLayout
from verif.lib.compare import Known, compare
from verif.lib.pack import field_at, meaning, pack

WORD = GatedLayout(
    {"enable": 1, "write": 1, "granules": 2, "data": 16},
    go="enable",
    gates={"granules": ("write",), "data": ("write", "granules")},
)
ROWS = data.ArrayLayout(WORD, 2)
WRITE = {"enable": 1, "write": 1, "granules": 0b10, "data": 0xAB00}


def differs(rtl, model, layout=WORD, **options):
    """What `compare` says, or nothing."""
    shown = rtl if isinstance(rtl, tuple) else pack(layout, rtl)
    try:
        compare(7, {"port": shown}, {"port": model}, "here", layouts={"port": layout}, **options)
    except AssertionError as error:
        return str(error)
    return ""


def test_a_gate_that_is_0_shuts_what_it_gates():
    assert not differs({**WRITE, "data": 0xABFF}, WRITE)
    assert not differs({"enable": 0, "write": 1, "granules": 3, "data": 5}, 0)
    assert not differs({**WRITE, "write": 0, "granules": 1}, {**WRITE, "write": 0})


def test_what_is_open_and_every_gate_is_compared():
    assert differs({**WRITE, "data": 0xAA00}, WRITE) == "here: cycle 7, port port.data: RTL 0xaa00, model 0xab00"
    assert "port.enable: RTL 0x0, model 0x1" in differs({**WRITE, "enable": 0}, WRITE)
    assert "port.enable: RTL 0x1, model 0x0" in differs(WRITE, 0)
    assert "port.granules: RTL 0x3, model 0x2" in differs({**WRITE, "granules": 3}, WRITE)
    assert "port[1].write: RTL 0x0, model 0x1" in differs([WRITE, {**WRITE, "write": 0}], [WRITE, WRITE], ROWS)
    assert "port.data" in differs({**WRITE, "data": 0xABFF}, WRITE, whole=("port",))


def test_an_x_counts_where_something_is_compared():
    bits = pack(WORD, WRITE)
    assert not differs((bits, 0xFF << 4), WRITE)
    assert "port.data: RTL undefined" in differs((bits, 0x100 << 4), WRITE)


def test_a_model_may_know_some_bits_only():
    assert not differs(WRITE, Known({**WRITE, "data": 0xA000}, 0xF000F))
    assert "port.data" in differs(WRITE, Known({**WRITE, "data": 0xA000}, 0xFF00F))
    assert not differs(WRITE, Known(0, 0)) and not compare(1, {"a": None}, {"a": None})


def test_a_channel_carries_beside_its_valid_and_its_strobe():
    idle = {"w__valid": 0, "w__data": 1, "w__last": 1}
    compare(1, idle, {"w__valid": 0, "w__data": 2, "w__last": 0})
    beat = {"w__valid": 1, "w__data": 0x12FF, "w__strb": 2}
    compare(1, beat, beat | {"w__data": 0x1200})
    with pytest.raises(AssertionError, match="port w__data: RTL 0x12ff, model 0x1300"):
        compare(1, beat, beat | {"w__data": 0x1300})
    with pytest.raises(AssertionError, match=r"ports of one side only: \['w__last'\]"):
        compare(1, idle, {"w__valid": 0, "w__data": 1})


def test_gates_may_be_inverted_inner_and_of_parts():
    layout = GatedLayout(
        {"setup": data.StructLayout({"psum": 2}), "push": 2, "position": data.ArrayLayout(3, 2)},
        gates={"position": ("push", "~setup.psum")},
    )
    assert meaning(layout, pack(layout, {"setup": {"psum": 0b10}, "push": 0b11, "position": [0, 0]})) == 0b000_111_11_11
    assert meaning(layout, pack(layout, {"setup": {"psum": 0}, "push": 0b10, "position": [0, 0]})) == 0b111_000_11_11
    assert field_at(layout, 8) == (".position[1]", 7, 3)


def test_a_gate_must_be_a_field_that_divides():
    with pytest.raises(KeyError):
        GatedLayout({"data": 4}, gates={"data": ("valid",)})
    with pytest.raises(ValueError, match="gate of 'data' must divide its 4 bits, which 'valid' does not"):
        GatedLayout({"data": 4, "valid": 3}, gates={"data": ("valid",)})
