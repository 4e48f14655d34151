"""The page of the three generations in a real browser: all plots and tables are there, and it asks for nothing."""

import pytest
from playwright.sync_api import expect

from makalu.sw.cli.scaling.page import drawings, page
from makalu.sw.cli.scaling.plots import png
from makalu.sw.cli.scaling.tables import Report, tables
from makalu.sw.results import this_run
from tests.scaling.stand_ins import ENERGIES, report


@pytest.fixture(scope="module")
def given():
    """Of quarter-size cores, as where full ones were not measured: the plots take a second each."""
    return Report([run for run in report().runs if run.preset.endswith("-mini")], ENERGIES)


OUTSIDE = """[...document.querySelectorAll('figure svg')].flatMap(svg => {
  const frame = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].filter(text => {
    const box = text.getBoundingClientRect();
    return box.left < frame.left - 1 || box.right > frame.right + 1
      || box.top < frame.top - 1 || box.bottom > frame.bottom + 1;
  }).map(text => text.textContent);
})"""
"""Texts of plots that leave their plot."""


def test_everything_is_there(browser, tmp_path, given):
    path = tmp_path / "index.html"
    path.write_text(page(given, this_run()))
    for scheme in ("light", "dark"):
        with browser(path, scheme) as tab:
            expect(tab.locator("#headline")).to_contain_text(f"{len(given.runs)}")
            for name in drawings(given):
                expect(tab.locator(f"#{name} svg")).to_be_visible()
            heights = tab.evaluate("[...document.querySelectorAll('figure svg')].map(e => e.clientHeight)")
            assert len(heights) == 3 and min(heights) > 250
            assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            for table in tables(given):
                rows = tab.locator(f"table[id='{table.name.replace(' ', '-')}'] tbody tr")
                expect(rows).to_have_count(len(table.rows))
            assert not tab.evaluate(OUTSIDE)


def test_without_a_measurement_there_are_no_plots(browser, tmp_path):
    path = tmp_path / "index.html"
    path.write_text(page(Report([]), this_run()))
    with browser(path) as tab:
        expect(tab.locator("#suite tbody tr").first).to_be_visible()
        assert tab.locator("figure svg").count() == 0


def test_each_size_has_its_drawings(given):
    assert set(drawings(given)) == {"roofline-quarter", "utilisation-quarter", "factors-quarter"}
    assert len(drawings(report())) == 6
    data = png(drawings(given)["utilisation-quarter"][1])
    assert data.startswith(b"\x89PNG") and len(data) > 20_000
