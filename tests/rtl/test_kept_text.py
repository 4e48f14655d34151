"""A text is generated once, and again when anything changes that decides it."""

import shutil
from dataclasses import replace

import pytest

from makalu.hw.core import Core
from makalu.hw.lib.emit import Emission
from makalu.hw.tensor.pe import Pe
from makalu.spec.preset import load_preset
from makalu.sw.paths import ROOT
from makalu.sw.rtl import kept_text as module
from makalu.sw.rtl.kept_text import component_text, core_text, source_digest, written
from makalu.sw.rtl.machine import Machine

CONFIG = load_preset("tiny")
FORM = {"observe": "none", "idle_clocks": True}


@pytest.fixture
def made(monkeypatch, tmp_path):
    """Empty folder; what was generated is listed, and stands for the Verilog."""
    calls = []

    def generate(core, *, assertions, idle_clocks):
        assert assertions  # what is kept is for simulation
        core._MustUse__used = True  # Amaranth reports a component that is never elaborated
        calls.append((core.config, idle_clocks))
        return f"module core; // {len(calls)}"

    monkeypatch.setattr(module, "TEXTS", tmp_path)
    monkeypatch.setattr(module, "core_verilog", generate)
    return calls


def test_the_kept_text_is_the_generated_one(monkeypatch):
    """That of the machine of tests/core: whoever comes first generates it."""
    form = {**FORM, "observe": "trace"}
    first = core_text(CONFIG, **form)
    monkeypatch.delattr(module, "core_verilog")
    assert core_text(CONFIG, **form) == first
    monkeypatch.undo()
    assert first == written(Core(config=CONFIG, observe="trace"), idle_clocks=True)
    assert any(name.split("__")[0] == "observe" for name, _ in first.ports)


def test_a_second_call_generates_nothing(made):
    first = core_text(CONFIG, **FORM)
    assert core_text(CONFIG, **FORM) == first and len(made) == 1


@pytest.mark.parametrize(
    "change",
    [{"observe": "all"}, {"idle_clocks": False}],
    ids=lambda change: next(iter(change)),
)
def test_another_form_is_another_text(made, change):
    texts = {core_text(CONFIG, **FORM).verilog, core_text(CONFIG, **(FORM | change)).verilog}
    assert len(texts) == len(made) == 2


def test_another_value_of_the_preset_is_another_text(made):
    core_text(CONFIG, **FORM)
    core_text(replace(CONFIG, psum=replace(CONFIG.psum, add_stages=2)), **FORM)
    assert len(made) == 2


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"verilog": 5}', b"\xff"])
def test_a_damaged_text_is_made_again(made, tmp_path, damage):
    first = core_text(CONFIG, **FORM)
    (path,) = tmp_path.glob("*.json")
    path.write_bytes(damage)
    assert core_text(CONFIG, **FORM) != first and len(made) == 2
    assert core_text(CONFIG, **FORM).verilog == "module core; // 2" and len(made) == 2


def test_other_tools_are_another_text(made, monkeypatch):
    core_text(CONFIG, **FORM)
    monkeypatch.setattr(module, "versions", lambda: {"amaranth": "0"})
    core_text(CONFIG, **FORM)
    assert len(made) == 2


@pytest.mark.parametrize("name", ["hw/core.py", "hw/lib/range.py", "hw/arith/new.py", "spec/isa.py"])
def test_a_changed_source_is_another_text(made, monkeypatch, tmp_path, name):
    core_text(CONFIG, **FORM)
    folders = ("hw", "spec")
    for folder in folders:
        shutil.copytree(ROOT / folder, tmp_path / folder)
    assert module.SOURCES == source_digest(tmp_path, *folders)
    with (tmp_path / name).open("a") as file:
        file.write("\n")
    monkeypatch.setattr(module, "SOURCES", source_digest(tmp_path, *folders))
    core_text(CONFIG, **FORM)
    assert len(made) == 2


def test_a_machine_takes_the_kept_text_and_never_for_a_core_of_its_own(made, monkeypatch):
    seen = []
    monkeypatch.setattr("makalu.sw.rtl.machine.build_machine", lambda text, **_: seen.append(text))
    for core in (None, None, Core(config=CONFIG), Core(config=CONFIG)):
        Machine(config=CONFIG, fast=True, core=core).build()
    assert seen == [f"module core; // {i}" for i in (1, 1, 2, 3)]


# a component


def pe(**changes):
    return Pe(tensor=replace(CONFIG.tensor, **changes))


@pytest.fixture
def emitted(monkeypatch, tmp_path):
    """Empty folder; what was emitted is listed, and stands for the Verilog."""
    calls = []

    def verilog(self, component, **form):
        component._MustUse__used = True
        calls.append(form)
        return f"module; // {len(calls)}"

    monkeypatch.setattr(module, "TEXTS", tmp_path)
    monkeypatch.setattr(Emission, "verilog", verilog)
    return calls


def test_a_component_is_emitted_once(emitted):
    first = component_text(pe(), name="dut")
    assert component_text(pe(), name="dut") == first and len(emitted) == 1


def test_the_kept_text_of_a_component_is_the_emitted_one(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "TEXTS", tmp_path)
    texts = [component_text(pe(), name="dut") for _ in range(2)]
    assert texts == [Emission().verilog(pe(), name="dut")] * 2


@pytest.mark.parametrize(
    "form",
    [{"name": "other"}, {"idle_clocks": True}],
    ids=lambda form: next(iter(form)),
)
def test_another_form_of_a_component_is_emitted(emitted, form):
    component_text(pe(), name="dut")
    component_text(pe(), **{"name": "dut", **form})
    assert len(emitted) == 2


def test_another_component_is_emitted(emitted):
    texts = {component_text(pe(mul_stages=stages), name="dut") for stages in (1, 2)}
    assert len(texts) == len(emitted) == 2


@pytest.mark.parametrize("sources", ["SOURCES", "BENCH_SOURCES"])
def test_other_sources_of_a_component(emitted, monkeypatch, sources):
    component_text(pe(), name="dut")
    monkeypatch.setattr(module, sources, "another")
    component_text(pe(), name="dut")
    assert len(emitted) == 2


def test_a_class_whose_source_is_elsewhere_is_refused(emitted):
    class Mine(Pe):
        pass

    mine = Mine(tensor=CONFIG.tensor)
    mine._MustUse__used = True
    with pytest.raises(ValueError, match=r"Mine must be of one of \('makalu.hw.', 'verif.'\), not of tests.rtl"):
        component_text(mine, name="dut")
