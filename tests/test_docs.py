"""Generated pages are what the code generates, and what the README names exists."""

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from makalu.spec.errors import ErrorCode
from makalu.spec.isa import FIELDS
from makalu.sw.cli.docs import docs, results_page, sections, showing
from makalu.sw.cli.main import app
from makalu.sw.docs import isa_page, registers_page
from makalu.sw.kernel.page import nki_page

ROOT = Path(__file__).parent.parent
BLOCK_PAGES = [path.relative_to(ROOT) for path in (ROOT / "docs/blocks").glob("*.md")]


@pytest.mark.parametrize(
    ("name", "page"), [("isa.md", isa_page), ("nki.md", nki_page), ("registers.md", registers_page)]
)
def test_generated_page_is_current(name, page):
    assert (ROOT / "docs" / name).read_text() == page(), "run makalu docs"


def test_every_error_code_states_its_rule():
    for code in list(ErrorCode)[1:]:
        assert re.search(rf"(?m)^\| {int(code)} \| {code.name.lower()} \| \w.+ \|.* \|$", isa_page()), code.name


def test_every_field_says_what_it_means():
    assert all(field.meaning for field in FIELDS.values())


def test_results_page_has_a_row_a_figure():
    figure = {"name": "cycles", "value": 7, "unit": "cycles", "bar": 9, "kind": "must", "met": True}
    record = {"command": "bench", "preset": "tiny", "date": "2026-01-01T00:00", "versions": {"python": "3.11"}}
    figures = [figure, {**figure, "name": "share", "value": 0.5, "met": False}]
    page = results_page(sections({**record, "figures": figures}))
    assert "| cycles | 7 | cycles | 9 | must | yes |" in page
    assert "| share | 0.5000 | cycles | 9 | must | no |" in page


def test_mutants_have_a_row_a_block():
    values = {"killed": 57, "alive": 1, "equivalent": 2, "score": 0.9828}
    block = ((f"sbuf_slice_{column}", value) for column, value in values.items())
    (text,) = sections(record("mutate", *block, ("score", 0.99), preset="tiny")).values()
    assert "| block | killed | alive | equivalent | score |" in text and "\n| score | 0.9900 |" in text
    (row,) = re.findall(r"(?m)^\| sbuf_slice \|.*$", text)
    assert re.findall(r"\| ([\d.]+) \(must", row) == ["57", "1", "2", "0.9828"]


def record(command, *figures, preset="trn2-mini", **more):
    keys = ("name", "value", "unit", "bar", "kind", "met")
    rows = [dict(zip(keys, (*figure, "values", 0, "must", True)[:6], strict=False)) for figure in figures]
    when = {"date": "2026-02-02T00:00", "versions": {"python": "3.11", "commit": "abc"}}
    return {"command": command, "preset": preset, **when, "figures": rows, **more}


def sim_record(cycles, *, musts=("logits_mismatched", "accuracy", "accuracy_difference"), **more):
    return record("sim", *((name, 0) for name in musts), ("cycles", cycles), **more)


@pytest.fixture
def page(tmp_path):
    """Runs `makalu docs` on records; the page and what the command said."""

    def write(*records):
        results = tmp_path / "results"
        results.mkdir(exist_ok=True)
        for path in results.iterdir():
            path.unlink()
        for each in records:
            (results / f"{each['command']}.json").write_text(json.dumps(each))
        console = Console(width=200, file=io.StringIO())
        docs(console, folder=tmp_path, results=results)
        return (tmp_path / "results.md").read_text(), console.file.getvalue()

    return write


def test_a_section_without_a_newer_measurement_stays(page):
    both, _ = page(record("scaling"), sim_record(7))
    text, said = page(sim_record(8))
    assert text == both.replace("| cycles | 7 |", "| cycles | 8 |") and "## `makalu scaling`" in text
    assert "kept `makalu scaling`: not measured since" in said and "kept `makalu sim`" not in said
    assert page()[0] == text


def test_each_part_says_when_it_was_measured(page):
    parts = {
        "gemm": {"date": "2026-01-01", "versions": {"commit": "old"}},
        "matmul": {"date": "2026-03-03", "versions": {"commit": "new"}, "preset": "trn2"},
    }
    text, _ = page(record("bench", ("gemm_64_cycles", 1), ("matmul_cycles", 2), parts=parts))
    gemm, matmul = text.split("## ")[1:]
    assert "--part gemm" in gemm and "Preset trn2-mini, 2026-01-01; commit old." in gemm and "matmul" not in gemm
    assert (
        "--part matmul" in matmul
        and "Preset trn2, 2026-03-03; commit new." in matmul
        and "| matmul_cycles | 2 |" in matmul
    )
    again, said = page(record("bench", ("gemm_64_cycles", 1), parts={"gemm": parts["gemm"]}))
    assert again == text and "kept `makalu bench --part matmul`" in said


@pytest.mark.parametrize(
    ("trial", "why"),
    [
        (sim_record(9, preset="tiny"), "the last run was on tiny, not on trn2-mini"),
        (sim_record(9, musts=("logits_mismatched",)), "accuracy, accuracy_difference was not judged or not met"),
        (record("sim", ("logits_mismatched", 3, "values", 0, "must", False)), "logits_mismatched, accuracy"),
    ],
    ids=["preset", "images", "missed"],
)
def test_a_trial_does_not_replace_the_headline(page, trial, why):
    absent, said = page(trial)
    assert "## " not in absent and "left out `makalu sim`" in said and why in said
    before, _ = page(sim_record(7))
    text, said = page(trial)
    assert text == before and "kept `makalu sim`" in said and why in said


def test_the_page_of_the_project_stays_where_nothing_was_measured(page, tmp_path):
    before = (ROOT / "docs/results.md").read_text()
    (tmp_path / "results.md").write_text(before)
    assert page()[0] == before


def test_a_page_shows_a_section(page, tmp_path):
    title = "`makalu scaling`"
    other = "<!-- begin `x` -->\nstays\n<!-- end -->\n"
    written = f"# S\n\n<!-- begin {title} -->\nNot measured.\n<!-- end -->\n\n{other}behind\n"
    (tmp_path / "simulators.md").write_text(written)
    text, _ = page(record("scaling"))
    shown = (tmp_path / "simulators.md").read_text()
    section = text.split(f"## {title}\n\n")[1].strip()
    assert section and shown == written.replace("Not measured.", section)
    assert page() and (tmp_path / "simulators.md").read_text() == shown


def test_sections_that_pages_show_are_those_of_the_results():
    results = (ROOT / "docs/results.md").read_text()
    texts = dict(re.findall(r"(?ms)^## ([^\n]*)\n\n(.*?)\n(?=\n## |\Z)", results))
    page = (ROOT / "docs/simulators.md").read_text()
    assert "<!-- begin `makalu bench --part pace` -->" in page and showing(page, texts) == page, "run makalu docs"


PAGES = sorted(str(path.relative_to(ROOT)) for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def anchors(text):
    """Of a page's headings, as GitHub makes them."""
    plain = re.sub(r"(?s)```.*?```", "", text)
    titles = re.findall(r"(?m)^#+ (.*)$", plain)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def dead_links(page, text):
    """Targets of links and pictures of a page that do not exist, anchors included."""
    dead = []
    for target, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)]*))?\)", re.sub(r"(?s)```.*?```", "", text)):
        path = (page.parent / target) if target else page
        there = (path.is_file() or not target) and (
            not anchor or anchor in anchors(path.read_text() if target else text)
        )
        dead += [] if there else [f"{target}#{anchor}"]
    return dead


@pytest.mark.parametrize("name", PAGES)
def test_links_exist(name):
    page = ROOT / name
    assert dead_links(page, page.read_text()) == []


def test_a_dead_link_is_seen():
    text = "## A heading: one\n[a](#a-heading-one) [b](#no) [c](ci.md) [d](no.md) [e](contract.md#letters) ![f](x.svg)"
    assert dead_links(ROOT / "docs/x.md", text) == ["#no", "no.md#", "x.svg#"]
    assert dead_links(ROOT / "docs/x.md", "[e](contract.md#letter)") == ["contract.md#letter"]


SOURCES = sorted(
    path
    for folder in ("spec", "hw", "sim_models", "sw", "verif", "tests", "examples")
    for path in (ROOT / folder).rglob("*.*")
    if path.suffix in (".py", ".yaml", ".v", ".cpp", ".h")
)


def test_pages_that_sources_name_exist():
    """`docs/x.md`, and behind a comma the heading: docs/contract.md, "Timing models"; docs/blocks/sbuf.md, Order."""
    named = 0
    for path in SOURCES:
        for page, heading in re.findall(r'\b(docs/[\w/-]+\.md)(?:`?, "?([A-Z]\w+(?: \w+)*))?', path.read_text()):
            if path == Path(__file__).resolve():
                continue
            named += 1
            assert (ROOT / page).is_file(), f"{path}: {page}"
            if heading:
                found = anchors((ROOT / page).read_text())
                assert any(a.startswith(heading.lower().replace(" ", "-")) for a in found), f"{path}: {page}, {heading}"
    assert named > 20


@pytest.mark.parametrize(
    "page", ["README.md", "docs/simulators.md", "docs/contract.md", "docs/tour.md", *sorted(map(str, BLOCK_PAGES))]
)
def test_sources_that_are_named_exist(page):
    named = re.findall(r"`((?:spec|hw|sw|sim_models|tests|verif|docs|examples)/[\w/.]+)`", (ROOT / page).read_text())
    assert named and all((ROOT / name).exists() for name in named), named


def readme_code():
    """The examples, as written: golden, then the RTL."""
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)


def test_command_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    (line,) = re.findall(r"(?m)^\.venv/bin/makalu run (.*)$", (ROOT / "README.md").read_text())
    result = CliRunner().invoke(app, ["run", *line.split(), "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "<title>ragged_add on tiny: " in (tmp_path / "report.html").read_text()
    assert b"tensor_tensor" in (tmp_path / "timeline.perfetto-trace").read_bytes()


def test_kernel_of_the_readme_runs(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    golden, _ = readme_code()
    exec(compile(golden, "README.md", "exec"), {})
    assert "62.5 63.5]]" in capsys.readouterr().out


@pytest.mark.slow
def test_kernel_of_the_readme_runs_on_the_rtl(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    names = {}
    for code in readme_code():
        exec(compile(code, "README.md", "exec"), names)
    run = names["run"]
    assert run.value.tolist() == [[16.0 * row + i + 0.5 for i in range(16)] for row in range(4)]
    assert run.execution.rtl.difference == 0 and 0 < run.execution.cycles < 1000
    assert capsys.readouterr().out == f"{run.value}\n{run.value} {run.execution.cycles} cycles\n"
