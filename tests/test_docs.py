"""Generated pages are what the code generates, and what the README names exists."""

import re
from pathlib import Path

import pytest

from makalu.hw.spec.errors import ErrorCode
from makalu.hw.spec.isa import FIELDS
from makalu.sw.cli.docs import results_page
from makalu.sw.docs import isa_page, registers_page

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(("name", "page"), [("isa.md", isa_page), ("registers.md", registers_page)])
def test_generated_page_is_current(name, page):
    assert (ROOT / "docs" / name).read_text() == page(), "run makalu docs"


def test_every_error_code_states_its_rule():
    for code in list(ErrorCode)[1:]:
        assert re.search(rf"(?m)^\| {int(code)} \| {code.name.lower()} \| \w.+ \|$", isa_page()), code.name


def test_every_field_says_what_it_means():
    assert all(field.meaning for field in FIELDS.values())


def test_results_page_has_a_row_a_figure():
    figure = {"name": "cycles", "value": 7, "unit": "cycles", "bar": 9, "kind": "must", "met": True}
    record = {"command": "bench", "preset": "tiny", "date": "2026-01-01T00:00", "versions": {"python": "3.11"}}
    page = results_page([{**record, "figures": [figure, {**figure, "name": "share", "value": 0.5, "met": False}]}])
    assert "| cycles | 7 | cycles | 9 | must | yes |" in page
    assert "| share | 0.5000 | cycles | 9 | must | no |" in page


def test_links_of_the_readme_exist():
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).is_file(), target


def test_kernel_of_the_readme_runs(capsys):
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert code
    exec(compile(code[1], "README.md", "exec"), {})  # the example, as written
    assert "0." in capsys.readouterr().out
