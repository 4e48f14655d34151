# amaranth: UnusedElaboratable=no
"""The energy flow: Liberty text, an energy by hand, no library; tests/soak has a PE."""

import pytest
from typer.testing import CliRunner

from makalu.hw.tensor.pe import Pe
from makalu.spec.preset import load_preset
from makalu.sw.cli import energy as command
from makalu.sw.cli.energy import CASES
from makalu.sw.cli.main import app
from makalu.sw.rtl.energy.account import NO_WIRES, energy_of
from makalu.sw.rtl.energy.cells import PACKAGE, LibraryError, library
from makalu.sw.rtl.energy.gates import Wires, run_gates
from makalu.sw.rtl.energy.liberty import LibertyError, parse, verilog_of
from makalu.sw.rtl.energy.movement import PUBLISHED, PriceError, prices
from makalu.sw.rtl.energy.netlist import Instance, Netlist
from makalu.sw.rtl.energy.operands import KINDS, play_of

INVERTER = """library(one) {
  time_unit : "1ns"; voltage_unit : "1V"; leakage_power_unit : "1nW"; capacitive_load_unit (1,pf);
  nom_voltage : 2.0; /* volts */
  power_lut_template(t) { variable_1 : total_output_net_capacitance; variable_2 : input_transition_time; }
  cell (INV) {
    area : 3; cell_leakage_power : 0.5;
    pin(A) { direction : input; capacitance : 0.25; }
    pin(Y) { direction : output; function : "(!A)";
      timing() { cell_rise(scalar) { values ("1"); } cell_fall(scalar) { values ("2"); } }
      internal_power() {
        rise_power(t) { index_1 ("0, 1"); index_2 ("0.05, 0.25"); values ( \\
          "1, 3", "5, 7"); }
        fall_power(t) { index_1 ("0, 1"); index_2 ("0.05, 0.25"); values ("0, 0", "0, 0"); }
      }
    }
  }
}
"""


@pytest.mark.parametrize(
    ("function", "verilog"),
    [
        ("(!A)", "(~A)"),
        ("A B + !C", "((A & B) | ~C)"),
        ("A'*(B|C)", "(~A & ((B | C)))"),
        ("A ^ B & C", "((A ^ B) & C)"),
        ("1", "1'b1"),
    ],
)
def test_a_function_becomes_verilog(function, verilog):
    assert verilog_of(function) == verilog


@pytest.mark.parametrize("text", ["", "cell (A) { }", "library(a) { cell (B) { }", "library(a) { pin A; }", "} {"])
def test_no_liberty_is_refused(text):
    with pytest.raises(LibertyError, match="no Liberty"):
        parse(text)


@pytest.mark.parametrize("function", ["", "A +", "(A", "A)", "!"])
def test_no_function_is_refused(function):
    with pytest.raises(LibertyError, match="no function"):
        verilog_of(function)


@pytest.mark.icarus
def test_an_energy_is_what_the_hand_calculates(tmp_path):
    """Two inverters behind an input that rises and falls in turn, so that each net has one transition a cycle."""
    path = tmp_path / "one.lib"
    path.write_text(INVERTER)
    cells = library(path)
    pair = Netlist(
        (Instance("INV", {"A": 3, "Y": 4}), Instance("INV", {"A": 4, "Y": 5})), {"clk": (2,), "x": (3,)}, {"y": (5,)}
    )
    activity = run_gates(pair, cells, [n % 2 for n in range(12)], measured=range(2, 12), wires=None)
    assert activity.outputs[2:] == tuple(n % 2 for n in range(2, 12))
    # at the slew 0.15 a rise costs 2 pJ without a load and 4 more with 1 pF; a transition of C pF at 2 V costs 2 C
    for wires, first, last in ((NO_WIRES, 0.25, 0.0), (Wires(0.25, 0.25), 0.75, 0.25)):
        found = energy_of(pair, cells, activity, wires)
        assert found.nets == pytest.approx(2 * (first + first + last))
        assert found.logic == pytest.approx((2 + 4 * first + 2 + 4 * last) / 2)
        assert found.clock == 2 * 2 * (wires.each) and found.registers == 0


def test_a_library_of_other_units_is_refused(tmp_path):
    path = tmp_path / "other.lib"
    path.write_text(INVERTER.replace("1nW", "1uW"))
    with pytest.raises(LibraryError, match="leakage_power_unit"):
        library(path)


def test_without_the_library_a_line_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr(command, "LIBRARY", tmp_path / "none.lib")
    result = CliRunner().invoke(app, ["energy"])
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit), result.output
    assert result.stderr.count("\n") == 1 and f"apt-get install {PACKAGE}" in result.stderr


def test_bytes_of_a_gemm_are_those_of_its_blocks():
    """Of GEMM^3 with blocks of 32 rows: a PSUM block is written once a block of k, and read but for the first time."""
    values = {figure.name: figure.value for figure in command.movement_figures(prices())}
    n = command.GEMM
    for (preset, kind), products in zip(command.MOVEMENT, (1, 1, 2, 1, 4, 4), strict=True):
        name, blocks = f"moved_{preset}_{kind}", n // (32 * products)
        assert values[f"{name}_macs"] == n**3
        assert values[f"{name}_psum_written"] == 4 * n * n * blocks
        assert values[f"{name}_psum_read"] == 4 * n * n * (blocks - 1) + 4 * n * n  # and read to be stored
        assert values[f"{name}_hbm_written"] == 4 * n * n
        assert values[f"{name}_hbm_read"] > 2 * n * n * KINDS[kind].element.bits / 8
        moved = values[f"{name}_psum_read"] + values[f"{name}_psum_written"]
        assert values[f"{name}_psum_pj"] == pytest.approx(values["price_psum"] * moved / n**3, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[", "YAML"),
        ("sbuf: 1", "rows sbuf, psum, hbm"),
        ("{sbuf: {value: 1}, psum: {}, hbm: {}}", "sbuf must have value"),
        (PUBLISHED.read_text().replace("48.0", "-1"), "hbm's value must be a number from 0 on, not -1"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path, text, why):
    path = tmp_path / "table.yaml"
    path.write_text(text)
    with pytest.raises(PriceError, match=why):
        prices(path)


@pytest.mark.parametrize(("generation", "kind"), [(each, kind) for each, kinds in CASES.items() for kind in kinds])
def test_a_play_has_what_the_pe_takes(generation, kind):
    """Every input of the generation's PE, and no word too wide for it."""
    tensor = load_preset(generation).tensor
    play, members = play_of(KINDS[kind], tensor, rows=1, columns=2), Pe(tensor=tensor).signature.members
    inputs = {name: member for name, member in members.items() if member.flow.name == "In"}
    assert set(play.ports) == {"rst", *inputs}
    for name, member in inputs.items():
        assert max(play.ports[name]).bit_length() <= member.shape
