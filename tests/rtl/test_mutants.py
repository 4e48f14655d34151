"""Mutants: Yosys' list, the text with all of them, the jobs that run them, the lists of survivors."""

import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import amaranth.lib.fifo
import pytest

from makalu.spec.isa import FIELDS
from makalu.sw.paths import ROOT
from makalu.sw.rtl.jobs import run_jobs
from makalu.sw.rtl.mutants import MutantError, parsed, selected
from makalu.sw.rtl.survivors import ReviewError, entry_of, load_blocks
from verif.lib.cases import find_case

CLASSES = {"dut": "Assembly", "lane_8": "Lane"}
LISTED = """\
mutate -ctrl mutant 12 1 -mode cnot1 -module lane_8.add -cell $193 -port Y -portbit 8 -ctrlbit 4 -src /a/makalu/x.py:1
mutate -ctrl mutant 12 2 -mode inv -module \\dut -cell \\part -port moving -portbit 23 -wire \\total -wirebit 3
mutate -ctrl mutant 12 3 -mode const0 -module dut -cell $mem -port Q -portbit 5 -wire \\$signal$36 -wirebit 2
"""
BLOCK = """
bench: pe
case: 2-3-keep
parts: [Lane]
survivors:
  - {kind: equivalent, part: Assembly, wire: total, bits: 0-3, port: part.moving, reason: never 1}
  - {kind: alive, part: Assembly, wire: "", bits: 5, mode: const0, reason: not driven}
"""


@pytest.fixture
def mutants():
    return parsed(LISTED, selected(CLASSES, ("dut", "lane_8", "lane_8.add"), ("*",)))


def test_a_list_is_read(mutants):
    first, second, third = mutants
    assert first.name == "Lane.add: cnot1(4) of Y[8] at x.py:1" and first.number == 1
    assert second.name == "Assembly: total[3] inv of part.moving[23]"
    assert third.name == "Assembly: const0 of Q[5]" and (third.wire, third.cell) == ("", ""), "numbers change"


@pytest.mark.parametrize(
    "line", ["stat", "mutate -mode inv -module dut -cell $1 -port A", "mutate -mode inv -module x"]
)
def test_another_line_is_refused(line):
    with pytest.raises(MutantError, match="Yosys' list must"):
        parsed(line, {"dut": "Assembly"})


def test_parts_are_chosen_by_class():
    modules = ("dut", "dut.arbiter", "lane_8", "lane_8.add", "unknown")
    assert selected(CLASSES, modules, ("Lane",)) == {"lane_8": "Lane"}
    assert selected(CLASSES, modules, ("Lane.*", "*.arbiter")) == {
        "dut.arbiter": "Assembly.arbiter",
        "lane_8.add": "Lane.add",
    }
    with pytest.raises(MutantError, match=r"\['Lanes'\] are none of"):
        selected(CLASSES, modules, ("Lane", "Lanes"))


def test_a_job_ends_with_all_that_it_started(tmp_path):
    def call(number):
        if number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 1:
            subprocess.run(["sh", "-c", 'while touch "$0"; do sleep 0.1; done', alive], check=False)
        return number * 10

    alive = tmp_path / "alive"
    done = {each.number: each for each in run_jobs(call, range(4), workers=2, limit=lambda n: 1.5 if n == 1 else 60)}
    assert [(done[n].value, done[n].late) for n in range(4)] == [(0, False), (None, True), (None, False), (30, False)]
    alive.unlink()
    time.sleep(0.5)
    assert not alive.exists()


def test_an_entry_names_a_place(tmp_path, mutants):
    (tmp_path / "own.yaml").write_text(BLOCK)
    (block,) = load_blocks(tmp_path).values()
    assert block.name == "own" and [entry_of(block, mutant) for mutant in mutants] == [
        None,
        block.survivors[0],
        block.survivors[1],
    ]
    for change in ({"part": "Lane"}, {"wire_bit": 4}, {"wire": "other"}, {"cell": ""}):
        assert entry_of(block, replace(mutants[1], **change)) is not block.survivors[0], change


def test_unused_bits_are_those_of_no_instruction_of_the_queue(tmp_path, mutants):
    (tmp_path / "own.yaml").write_text(BLOCK.replace("bits: 0-3, port", "bits: 'unused tensor,3', port"))
    (block,) = load_blocks(tmp_path).values()
    of_src1, of_src0 = FIELDS["src1_offset"].lsb, FIELDS["src0_offset"].lsb
    for bit, matches in ((3, True), (FIELDS["version"].lsb, False), (of_src1, True), (of_src0, False)):
        assert (entry_of(block, replace(mutants[1], wire_bit=bit)) is block.survivors[0]) == matches, bit


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kind: alive", "kind: dead", "kind must be equivalent or alive"),
        ("bits: 5", "bits: 5+", 'bits must be like 3 or 0-3 or 0-3,7 or unused tensor, not "5\\+"'),
        ("bits: 5", "bits: unused cpu", 'not "unused cpu"'),
        ("reason: never 1", 'reason: ""', "and a reason be given"),
        ("mode:", "mood:", "mood"),
        ("parts: [Lane]", "", "parts"),
        ("survivors:", "survivors: [", "own.yaml"),
    ],
)
def test_a_wrong_list_is_refused(tmp_path, old, new, message):
    (tmp_path / "own.yaml").write_text(BLOCK.replace(old, new, 1))
    with pytest.raises(ReviewError, match=message):
        load_blocks(tmp_path)


def test_the_projects_lists_name_cases():
    blocks = load_blocks(ROOT / "verif" / "mutants")
    assert len(blocks) >= 12
    for block in blocks.values():
        find_case(block.bench, block.case)


def test_a_line_that_an_entry_names_is_there():
    """An entry for a line that is gone explains nothing."""
    sources = [*(ROOT / "hw").glob("**/*.py"), Path(amaranth.lib.fifo.__file__)]
    text = "\n".join(path.read_text() for path in sources)
    entries = [entry for block in load_blocks(ROOT / "verif" / "mutants").values() for entry in block.survivors]
    assert not [str(entry) for entry in entries if entry.line and entry.line not in text]
