"""Vectors through the compiled judge: every unit against SoftFloat, and what it says of wrong and broken lines."""

import re

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from makalu.hw.arith.assembly import OUTPUTS
from makalu.sim_models.golden.arithmetic import fma_chain_step, fp32_add, fp32_max, fp32_min
from makalu.sim_models.golden.formats import narrow
from makalu.spec.formats import BF16, INTEGERS, SINGLES
from makalu.spec.pairs import PAIRABLE
from makalu.spec.quads import QUADS
from makalu.sw.cli.judge import Form, Subnormals, judge_vectors
from makalu.sw.cli.main import app
from makalu.sw.paths import ROOT
from makalu.sw.rtl.judge import VectorError, judge
from makalu.sw.rtl.judge_table import OPERATIONS, judged_units
from verif.arith.vectors import (
    fma_operands,
    fp32_pairs,
    softfloat_add,
    softfloat_fma,
    softfloat_mul,
    softfloat_sub,
    special_pairs,
    special_triples,
)
from verif.conformance.arithmetic import products
from verif.conformance.case import judged as judged_cases
from verif.conformance.formats import NARROW, decoding, integer_decoding, integer_rounding, rounding
from verif.conformance.short import pairs, quads, quads_beside_golden

RNG = np.random.default_rng(21)
RANDOM = 300
A, B, P = (np.concatenate(columns) for columns in zip(special_triples(), fma_operands(RNG, RANDOM), strict=True))
A, B, P = (column[::7] for column in (A, B, P))
X, Y = (np.concatenate(columns) for columns in zip(special_pairs(), fp32_pairs(RNG, RANDOM), strict=True))
KEPT = {
    "fma": (A, B, P, softfloat_fma(A, B, P)),
    "psum": (X, Y, softfloat_add(X, Y)),
    "add": (X, Y, softfloat_add(X, Y)),
    "sub": (X, Y, softfloat_sub(X, Y)),
    "mul": (X, Y, softfloat_mul(X, Y)),
    "max": (X, Y, fp32_max(X, Y)),
    "min": (X, Y, fp32_min(X, Y)),
    "narrow": (X, narrow(BF16, X)),
    "widen": (A, A.astype(np.uint32) << 16),
}
FLUSHED = {
    "fma": (A, B, P, fma_chain_step(A, B, P, subnormals="flush")),
    "psum": (X, Y, fp32_add(X, Y, subnormals="flush")),
}


ONES = {
    "fma": ("3f80 3f80 3f800000", 0x40000000),
    "psum": ("3f800000 3f800000", 0x40000000),
    "add": ("3f800000 3f800000", 0x40000000),
    "sub": ("3f800000 3f800000", 0),
    "mul": ("3f800000 3f800000", 0x3F800000),
    "max": ("3f800000 3f800000", 0x3F800000),
    "min": ("3f800000 3f800000", 0x3F800000),
    "narrow": ("3f800000", 0x3F80),
    "widen": ("3f80", 0x3F800000),
}
"""Operands of 1, and the result."""
NAMES = ", ".join(operation.name for operation in OPERATIONS)
BASIC = [operation for operation in OPERATIONS if operation.name in KEPT]
"""Those of the first operand type; the others have the same units."""


def numbers(columns, form="{:x}"):
    return [" ".join(form.format(value) for value in row) for row in zip(*(c.tolist() for c in columns), strict=True)]


def shuffled(vectors):
    """Lines of all operations, mixed."""
    lines = [f"{name} {line}" for name, columns in vectors.items() for line in numbers(columns)]
    return np.random.default_rng(1).permutation(lines).tolist()


@pytest.fixture
def path(tmp_path):
    """Writes lines to a file."""

    def write(lines):
        path = tmp_path / "vectors.txt"
        path.write_bytes(b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines))
        return path

    return write


@pytest.fixture
def judged(path):
    def run(lines, **options):
        with path(lines).open() as vectors:
            return judge(vectors, **options)

    return run


@pytest.mark.parametrize("subnormals", ["keep", "flush"])
def test_every_unit_equals_the_oracle(judged, subnormals):
    vectors = KEPT if subnormals == "keep" else FLUSHED
    verdict = judged(shuffled(vectors), subnormals=subnormals)
    assert verdict.mismatches == 0 and not verdict.first
    counts = {name: len(columns[0]) for name, columns in vectors.items()}
    assert min(counts.values()) > 300 and verdict.vectors == sum(counts.values())
    units = {operation.name: len(judged_units(operation, subnormals)) for operation in BASIC}
    assert verdict.results == sum(count * units[name] for name, count in counts.items())


def test_every_unit_is_judged():
    assert list(KEPT) == [operation.name for operation in BASIC]
    cases = [("keep", KEPT), ("flush", FLUSHED)]
    units = {unit for kind, of in cases for o in BASIC if o.name in of for unit in judged_units(o, kind)}
    quads = {unit for o in OPERATIONS if o.units == "quad" for unit in judged_units(o, "keep")}
    assert units | quads == set(range(len(OUTPUTS))) and (len(units), len(quads)) == (27, 3)


@pytest.mark.parametrize("operation", BASIC, ids=lambda o: o.name)
def test_a_wrong_result_is_named(judged, operation):
    """Among other vectors, so that a unit's latency is right too, and white space and comments."""
    name = operation.name
    operands, right = ONES[name]
    lines = [f"{name} {line}" for line in numbers(KEPT[name])[500:520]]
    lines[7:7] = ["# one and one", "", f"  {name}\t{operands}  1234\r"]
    verdict = judged(lines, shown=50)
    units = [OUTPUTS[unit].name for unit in judged_units(operation, "keep")]
    assert verdict.vectors == 21 and verdict.mismatches == len(units)
    assert sorted(difference.unit for difference in verdict.first) == sorted(units)
    for d in verdict.first:
        assert (d.line, d.operation, d.expected, d.got) == (10, name, 0x1234, right)
        assert [f"{operand:x}" for operand in d.operands] == operands.split()


def test_examples_of_the_page_are_right(judged):
    (block,) = re.findall(r"```vectors\n(.*?)```", (ROOT / "docs/judge.md").read_text(), re.S)
    assert {line.split()[0] for line in block.splitlines()} == {"#", *KEPT}
    verdict = judged(block.splitlines())
    assert (verdict.vectors, verdict.results, verdict.mismatches) == (9, 22, 0)


@pytest.mark.parametrize("subnormals", ["keep", "flush"])
def test_every_pair_of_types_equals_the_oracle(subnormals):
    forms = [form for form in SINGLES if subnormals == "keep" or not form.splits]
    cases = [products(a, b, 60, subnormals=subnormals) for a in forms for b in forms]
    verdict = judged_cases(cases)
    assert verdict.mismatches == 0, verdict.first[:3]
    assert 50 * len(forms) ** 2 < verdict.vectors == sum(case.vectors for case in cases)


def test_every_pair_of_short_elements_equals_the_contract():
    verdict = judged_cases([pairs(a, b, 300) for a in PAIRABLE for b in PAIRABLE])
    assert verdict.mismatches == 0, verdict.first[:3]
    assert verdict.vectors == 300 * len(PAIRABLE) ** 2


def test_every_quad_equals_the_contract():
    """Also sums that fp32 has not, by golden: tests/models/test_quads.py holds it against fractions."""
    cases = [case for a in QUADS for b in QUADS for case in (quads(a, b, 300), quads_beside_golden(a, b, 5000))]
    verdict = judged_cases(cases)
    assert verdict.mismatches == 0, verdict.first[:3]
    assert verdict.vectors > 5250 * len(QUADS) ** 2


def test_every_cast_equals_outside_libraries():
    steps = {form: 1 if form.bits == 8 else (1 << form.bits - 10) - 1 for form in NARROW}
    cases = [case for form, step in steps.items() for case in (rounding(form, 4000), decoding(form, step=step))]
    cases += [case for form in INTEGERS for case in (integer_rounding(form, 1500), integer_decoding(form, 256))]
    verdict = judged_cases(cases)
    assert verdict.mismatches == 0, verdict.first[:3]
    assert verdict.vectors == sum(case.vectors for case in cases)


def test_only_the_first_differences_are_kept(judged):
    verdict = judged(["mul 0 0 1"] * 100, shown=4)
    assert verdict.mismatches == 300 and [d.line for d in verdict.first] == [1, 2, 1, 3]  # as the cuts show them


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("add 7fc00000 0 7f800001", 0),  # any NaN stands for the canonical one, which the unit must give
        ("add 7fc00000 0 ffc00000", 0),
        ("add 7fc00000 0 7f800000", 3),
        ("add 3f800000 0 7fc00000", 3),
        ("narrow 7f800001 ffff", 0),
        ("widen 7f81 7fc00000", 0),  # which keeps a payload
        ("widen 3f80 7fc00000", 1),
        ("max 80000000 0 80000000", 1),  # zeros have signs
    ],
)
def test_nans_are_compared_as_the_canonical_one(judged, line, wrong):
    assert judged([line]).mismatches == wrong


def test_lines_of_testfloat(judged):
    """Upper-case digits, and flags that no unit has."""
    lines = [f"{line} {flags:02X}" for flags, line in enumerate(numbers(KEPT["add"][:3], "{:08X}")[:32])]
    verdict = judged(lines, operation="add")
    assert (verdict.vectors, verdict.results, verdict.mismatches) == (32, 96, 0)
    verdict = judged(["3F80 3F800000", "3F80 3F800001 00"], operation="widen")
    assert (verdict.vectors, verdict.mismatches, verdict.first[0].line) == (2, 1, 2)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("add 1 2", "add must have 2 operands and a result, not 2 numbers"),
        ("add 1 2 3 0", "add must have 2 operands and a result, not 4 numbers"),
        ("fma", "fma must have 3 operands and a result, not 0 numbers"),
        ("div 1 2 3", f"operation must be one of {NAMES}, not 'div'"),
        ("3f80 3f80 0 3f800000", f"operation must be one of {NAMES}, not '3f80'"),
        ("add 1 2 0x3", "result of add must be hexadecimal digits, not '0x3'"),
        ("mul -1 2 3", "operand 1 of mul must be hexadecimal digits, not '-1'"),
        ("fma 1 3f800000 1 1", "operand 2 of fma must fit into 16 bits, not be '3f800000'"),
        ("narrow 0 12345", "result of narrow must fit into 16 bits, not be '12345'"),
        ("sub 1 100000000 2", "operand 2 of sub must fit into 32 bits, not be '100000000'"),
        ("max 1 1 " + "f" * 99, f"result of max must fit into 32 bits, not be '{'f' * 40}...'"),
        (b"min \xff\x00\x1b 1 2", "operand 1 of min must be hexadecimal digits, not '???'"),
    ],
)
def test_a_line_that_breaks_a_rule_is_named(judged, line, rule):
    with pytest.raises(VectorError) as caught:
        judged(["add 0 0 0", "", line, "add 0 0"])
    assert str(caught.value) == f"line 3: {rule}"


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("1", "mul must have 2 operands and a result, then flags or nothing, not 1 number"),
        ("1 2 3 4 5", "mul must have 2 operands and a result, then flags or nothing, not 5 numbers"),
        ("0 0 0 100", "flags of mul must fit into 8 bits, not be '100'"),
        ("mul 0 0 0", "operand 1 of mul must be hexadecimal digits, not 'mul'"),
    ],
)
def test_a_line_of_testfloat_that_breaks_a_rule_is_named(judged, line, rule):
    with pytest.raises(VectorError) as caught:
        judged(["0 0 0 0", line], operation="mul")
    assert str(caught.value) == f"line 2: {rule}"


@pytest.mark.parametrize("lines", [[], ["# nothing", "  "]], ids=["empty", "comment"])
def test_nothing_to_judge_is_no_success(judged, lines):
    with pytest.raises(VectorError, match="^input must have at least one vector$"):
        judged(lines)


def test_options_have_values(judged):
    with pytest.raises(VectorError, match=f"^operation must be one of {NAMES}, not 'f32_add'$"):
        judged(["0 0 0"], operation="f32_add")
    with pytest.raises(VectorError, match="^subnormals must be keep or flush, not 'ftz'$"):
        judged(["add 0 0 0"], subnormals="ftz")


def command(*arguments):
    result = CliRunner().invoke(app, ["judge", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_the_command_prints_the_verdict(path):
    code, out, err = command(path(["add 0 0 0", "mul 3f800000 3f800000 3f800000"]))
    assert (code, err) == (0, "") and out.startswith("2 vectors, 6 results, 0 mismatches (")


def test_the_command_fails_on_a_mismatch(path):
    file = path(["add 0 0 1", "add 0 0 0"])
    code, out, err = command(file, "--shown", 1)
    first, more, last = out.splitlines()
    assert (code, err) == (1, "") and last.startswith("2 vectors, 6 results, 3 mismatches (")
    assert first == f"{file} line 1: add 0 0: expected 1, add-a1 gave 0" and more == "and 2 more"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "line 1: operation must be one of"),
        (["--format", "testfloat"], "--operation must"),
        (["--operation", "add"], "--operation must go with --format testfloat"),
    ],
)
def test_the_command_says_what_is_wrong_with_the_input(path, options, says):
    code, out, err = command(path(["0 0 0"]), *options)
    assert (code, out) == (2, "") and says in err and err.startswith("makalu: ") and err.count("\n") == 1


def test_a_file_that_is_not_there(tmp_path):
    file = tmp_path / "none"
    rule = "vectors must be in a file that can be read: No such file or directory"
    assert command(file) == (2, "", f"makalu: {file}: {rule}\n")


def test_standard_input(path, capsys, monkeypatch):
    with path(["3F800000 40000000 40400000 00"]).open() as vectors:
        monkeypatch.setattr("sys.stdin", vectors)
        options = {"form": Form.TESTFLOAT, "operation": "add", "subnormals": Subnormals.KEEP, "shown": 5}
        judge_vectors("-", Console(), **options)
    assert capsys.readouterr().out.startswith("1 vectors, 3 results, 0 mismatches (")
