"""The runner itself: a bench that fails, that has no test, or that does not build must not pass."""

from types import SimpleNamespace

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.emit import Emission
from makalu.sw.rtl import runner
from makalu.sw.rtl.runner import BENCHES, BenchFailure, cocotb_bench, run_bench

CELLS = 2


class Chain(wiring.Component):
    """What `verif/emit` expects: `o(t + CELLS) = i(t) + CELLS`."""

    i: In(8)
    o: Out(8)

    def elaborate(self, platform):
        m = Module()
        half = Signal(8)
        m.d.sync += [half.eq(self.i + 1), self.o.eq(half + 1)]
        return m


def run(**changes):
    settings = {"name": "runner", "test_module": "verif.emit.test_emit", "params": {"cells": CELLS}}
    return run_bench(Chain(), **(settings | changes))


def test_a_right_bench_passes_and_is_built_once():
    assert run() == 1
    before = {path: path.stat().st_mtime_ns for path in BENCHES.glob("runner-verilator-*/dut")}
    assert run(seed=2) == 1
    assert before == {path: path.stat().st_mtime_ns for path in BENCHES.glob("runner-verilator-*/dut")}


def test_a_wrong_bench_fails_with_its_message():
    with pytest.raises(BenchFailure, match=r"1 of 1 tests failed\n.*chain.*assert"):
        run(params={"cells": CELLS + 1})


def test_a_bench_without_tests_fails():
    sources = {"dut.v": Emission().verilog(Chain(), name="dut")}
    with pytest.raises(BenchFailure, match="no test ran|without results|stopped"):
        cocotb_bench(
            sources=sources, top="dut", name="runner", test_module="verif.emit.test_emit", test_filter="nothing"
        )


def test_a_bench_that_does_not_build_fails():
    with pytest.raises(BenchFailure, match=r"build for verilator failed[\s\S]*syntax error"):
        cocotb_bench(sources={"dut.v": "module dut(; endmodule"}, top="dut", name="broken", test_module="verif.emit")
    assert not list(BENCHES.glob("broken-*"))


def test_what_a_killed_build_left_is_removed(monkeypatch, tmp_path):
    monkeypatch.setattr(runner, "BENCHES", tmp_path)

    def build(**_):
        raise RuntimeError("no")

    monkeypatch.setattr(runner, "get_runner", lambda _: SimpleNamespace(build=build))
    wrong = {"sources": {"dut.v": "module dut; endmodule"}, "top": "dut", "name": "broken", "test_module": "y"}
    with monkeypatch.context() as killed, pytest.raises(BenchFailure):
        killed.setattr("shutil.rmtree", lambda *_, **__: None)
        cocotb_bench(**wrong)
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 1
    with pytest.raises(BenchFailure):
        cocotb_bench(**wrong)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


@pytest.mark.parametrize(
    ("simulator", "why"), [("modelsim", "$"), ("lanes", ": lanes runs machines, not cocotb benches$")]
)
def test_the_simulator_must_be_known(simulator, why):
    with pytest.raises(ValueError, match=f"must be verilator or icarus, not '{simulator}'{why}"):
        cocotb_bench(sources={}, top="dut", name="x", test_module="y", simulator=simulator)
