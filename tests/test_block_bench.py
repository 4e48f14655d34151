"""Every case of every block's table runs, and the tables say what is there.

`MAKALU_JUNIT` names a folder that keeps the results of the cocotb tests as JUnit, a file a case.
"""

import ast
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from makalu.sw.rtl.runner import BenchFailure
from verif.lib.cases import CaseError, blocks, cases, find_case, run_case

ROOT = Path(__file__).parent.parent
JUNIT = Path(os.environ["MAKALU_JUNIT"]).absolute() if os.environ.get("MAKALU_JUNIT") else None
TABLE = [case for block in blocks() for case in cases(block).values()]


def marks(case):
    named = {"icarus": case.simulator == "icarus", "slow": case.slow}
    return [getattr(pytest.mark, name) for name, holds in named.items() if holds]


@pytest.mark.parametrize("case", [pytest.param(c, id=str(c), marks=marks(c)) for c in TABLE if not c.soak])
def test_bench(case):
    run_case(case, junit=JUNIT)


def cocotb_tests(module):
    tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())
    functions = [node for node in tree.body if isinstance(node, ast.AsyncFunctionDef)]
    return [f.name for f in functions if any("cocotb.test" in ast.unparse(mark) for mark in f.decorator_list)]


@pytest.mark.parametrize("case", TABLE, ids=str)
def test_a_case_counts_the_tests_of_its_module(case):
    names = [name for name in cocotb_tests(case.module) if re.search(case.only or "", name)]
    assert case.tests == len(names), names


def test_every_bench_is_of_some_case():
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.glob("verif/*/test_*.py")}
    assert modules == {case.module for case in TABLE}


@pytest.mark.parametrize("block", blocks())
def test_names_are_unique(block):
    table = [case for case in TABLE if case.block == block]
    assert len(table) == len(cases(block)) and all(case.module.startswith(f"verif.{block}.") for case in table)


def test_a_block_and_a_case_must_exist():
    with pytest.raises(CaseError, match=r"block must be one of \['arith', .*'vector', .*\], not 'gpu'"):
        cases("gpu")
    with pytest.raises(CaseError, match=r"case of emit must be one of \['emitted', .*\], not 'other'"):
        find_case("emit", "other")


def test_a_case_without_a_configuration_takes_no_preset():
    with pytest.raises(CaseError, match="case emit-emitted must have a configuration to take another preset"):
        find_case("emit", "emitted").with_config("small")


def test_a_seed_is_of_cocotb_and_of_the_bench():
    case = find_case("array", "8x8-of-4x4").with_seed(7)
    assert (case.seed, case.params["seed"]) == (7, 7)
    assert "seed" not in find_case("psum", "tiny").with_seed(7).params


@pytest.mark.icarus
def test_a_case_with_another_number_of_tests_fails():
    case = find_case("emit", "inlined-icarus")
    with pytest.raises(BenchFailure, match="emit-inlined-icarus: 2 tests must run, not 1"):
        run_case(replace(case, tests=2))


@pytest.mark.icarus
def test_a_case_takes_another_text_and_leaves_its_results(tmp_path):
    """What planted faults and mutants need: a text, the simulation's environment, a message with the case's name."""
    case = find_case("emit", "inlined-icarus")
    text = "module dut(input clk, input rst, input [7:0] i, output [7:0] o); assign o = i; endmodule"
    with pytest.raises(BenchFailure, match=r"emit-inlined-icarus: 1 of 1 tests failed\nverif.emit.test_emit.chain: "):
        run_case(case, text=text, environment={"COCOTB_MAX_FAILURES": "1"}, junit=tmp_path)
    assert "<failure" in (tmp_path / "emit-inlined-icarus.xml").read_text()
    assert run_case(case, junit=tmp_path) == 1
    assert "<failure" not in (tmp_path / "emit-inlined-icarus.xml").read_text()
