"""Test plans are data: every listed test exists, and every test and every case of a block is listed by some point.

`verif/<block>/bench.py::pattern` lists the cases of the block's table whose names fit.
"""

import ast
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import yaml

from verif.lib.cases import blocks, cases

ROOT = Path(__file__).parent.parent
PLANS = sorted((ROOT / "verif").glob("*/testplan.yaml"))
AREAS = ("tensor", "psum", "sbuf", "dma", "sequencer", "vector", "core", "faults")
"""Folders of `tests` about blocks: all of their tests are in plans. The others are about tools and whole examples."""
KEYS = {"name", "goal", "stimulus", "check", "stage", "tests"}


def functions(path):
    """Names of the test functions of a module, nested in nothing."""
    tree = ast.parse(path.read_text())
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.name.startswith("test") or _cocotb(node))
    }


def _cocotb(node):
    decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
    return any("cocotb" in text and "test" in text for text in decorators)


def test_every_bench_folder_has_a_plan():
    benches = {path.parent for path in (ROOT / "verif").glob("*/test_*.py")}
    assert benches
    assert not [str(b.relative_to(ROOT)) for b in sorted(benches) if not (b / "testplan.yaml").is_file()]


@pytest.mark.parametrize("plan", PLANS, ids=lambda p: p.parent.name)
def test_plan_and_tests_name_each_other(plan):
    points = yaml.safe_load(plan.read_text())
    assert len({point["name"] for point in points}) == len(points), f"{plan}: two points have one name"
    listed = set()
    for point in points:
        assert set(point) == KEYS, f"{plan}: {point.get('name')} has {sorted(point)}"
        assert point["stage"] in ("V1", "V2", "V3")
        assert point["tests"], f"{plan}: {point['name']} lists no test"
        for test in point["tests"]:
            file, _, function = test.partition("::")
            path = ROOT / file
            assert path.is_file(), f"{plan}: {point['name']}: no file {file}"
            if path.name == "bench.py":
                fits = {name for name in cases(path.parent.name) if fnmatchcase(name, function)}
                assert fits, f"{plan}: {point['name']}: no case {function} in {file}"
                listed |= {f"{file}::{name}" for name in fits}
            elif function:
                assert function in functions(path), f"{plan}: {point['name']}: no test {function} in {file}"
            listed.add(test)
    for path in sorted(plan.parent.glob("test_*.py")):
        for function in functions(path):
            name = f"{path.relative_to(ROOT)}::{function}"
            assert name in listed, f"{plan} lists no point for {name}"
    for name in cases(plan.parent.name) if plan.parent.name in blocks() else ():
        assert f"verif/{plan.parent.name}/bench.py::{name}" in listed, f"{plan} lists no point for case {name}"


@pytest.mark.parametrize("area", AREAS)
def test_every_test_of_a_block_is_in_a_plan(area):
    listed = {test for plan in PLANS for point in yaml.safe_load(plan.read_text()) for test in point["tests"]}
    paths = sorted((ROOT / "tests" / area).glob("test_*.py"))
    assert paths
    names = [f"{path.relative_to(ROOT)}::{function}" for path in paths for function in sorted(functions(path))]
    assert not [name for name in names if name not in listed]
