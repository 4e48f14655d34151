"""The page in a real browser: no errors, nothing beyond its width, the table's filter, order and pages, text as text.

The browser is that of `conftest.py`.
"""

import copy
import dataclasses
from html.parser import HTMLParser

import pytest
from playwright.sync_api import expect

from makalu.sw.report.page import page, write_report
from makalu.sw.report.summary import summary

from .runs import NAMES, record

LONG = 20_000
HOSTILE = "</script><script>document.title='taken'</script><q>&amp;"
HOSTILE_FILE = "<img src=x onerror=document.title='taken'><q>&amp;.py"
"""Without a slash: of a path the last part is shown."""
SECTIONS = ("headline", "findings", "over-time", "engines", "queues", "roofline", "numbers", "lines", "instructions")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES[:4])
def test_everything_is_there(browser, tmp_path, name, scheme):
    run = record(name)
    path = tmp_path / "report.html"
    write_report(run, path)
    with browser(path, scheme) as tab:
        for section in SECTIONS:
            expect(tab.locator(f"#{section}")).to_be_visible()
        expect(tab.locator("#headline")).to_contain_text(f"{run.timeline.cycles:,}")
        expect(tab.locator("h1")).to_have_text(run.kernel)
        assert tab.locator("figure svg").count() == 4
        sizes = tab.evaluate("[...document.querySelectorAll('figure svg')].map(e => e.getBoundingClientRect().height)")
        assert min(sizes) > 80
        assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        text, ground = tab.evaluate(
            "(({color, backgroundColor}) => [color, backgroundColor])(getComputedStyle(document.body))"
        )
        assert (brightness(text) > brightness(ground)) == (scheme == "dark")
        assert abs(brightness(text) - brightness(ground)) > 150


def brightness(colour):
    return sum(float(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")) / 3


def test_the_table_filters_sorts_and_turns_pages(browser, tmp_path):
    facts = summary(record("gemm on small"))
    columns = facts["table"]["columns"]
    rows = [dict(zip(columns, row, strict=True)) for row in facts["table"]["rows"]]
    path = tmp_path / "report.html"
    path.write_text(page(facts))
    with browser(path) as tab:
        body = tab.locator("#table tbody tr")
        expect(body).to_have_count(min(50, len(rows)))
        expect(tab.locator("#count")).to_have_text(f"{len(rows)} of {len(rows)} instructions")
        tab.locator("#next").click()
        expect(tab.locator("#page")).to_have_text(f"page 2 of {-(-len(rows) // 50)}")
        tab.fill("#filter", "MATMUL gemm.py")
        matmuls = [row for row in rows if "matmul" in f"{row['call']} {row['opcode']} {row['why']}" and row["line"]]
        expect(tab.locator("#count")).to_have_text(f"{len(matmuls)} of {len(rows)} instructions")
        expect(tab.locator("#page")).to_contain_text("page 1 of")
        tab.fill("#filter", "")
        tab.select_option("#queue", "vector")
        vector = [row for row in rows if row["queue"] == "vector"]
        expect(body).to_have_count(len(vector))
        tab.locator("#table th", has_text="waited").click()
        shown = [int(text.replace(",", "") or 0) for text in tab.locator("#table td:nth-child(9)").all_inner_texts()]
        assert shown == sorted((row["waited"] for row in vector), reverse=True)
        tab.fill("#filter", "no such thing")
        expect(body).to_have_count(0)


def test_a_long_program_stays_quick(browser, tmp_path):
    """20,000 rows: the page is ready, a filter and an order answer, each within a second."""
    facts = copy.deepcopy(summary(record("gemm on small")))
    rows = facts["table"]["rows"]
    why = facts["table"]["columns"].index("why")
    grown = [list(rows[n % len(rows)]) for n in range(LONG)]
    for n, row in enumerate(grown):
        row[0], row[why] = n, f"for dma_load {n}, cause{n % 7}"
    facts["table"]["rows"] = grown
    path = tmp_path / "report.html"
    path.write_text(page(facts))
    with browser(path) as tab:
        expect(tab.locator("#count")).to_contain_text("20,000 of 20,000")
        ready = tab.evaluate("performance.getEntriesByType('navigation')[0].domComplete")
        filtered = tab.evaluate("""() => {
            const start = performance.now(), filter = document.getElementById("filter");
            filter.value = "cause3"; filter.dispatchEvent(new Event("input"));
            document.querySelectorAll("#table th")[9].click();
            return performance.now() - start;
        }""")
        expect(tab.locator("#count")).to_contain_text(f"{sum(n % 7 == 3 for n in range(LONG)):,} of 20,000")
        assert ready < 5000 and filtered < 1000


def hostile():
    """A run whose kernel, lines and calls are markup."""
    run = record("copy on tiny")
    lines = tuple(dataclasses.replace(line, sites=(f"{HOSTILE_FILE}:1",), call=HOSTILE) for line in run.program.lines)
    program = dataclasses.replace(run.program, lines=lines)
    return dataclasses.replace(run, program=program, kernel=HOSTILE, simulated_by=HOSTILE)


def test_user_text_stays_text(browser, tmp_path):
    path = tmp_path / "report.html"
    write_report(hostile(), path)
    with browser(path) as tab:
        assert tab.title().startswith(HOSTILE)
        expect(tab.locator("h1")).to_have_text(HOSTILE)
        expect(tab.locator("#lines td").first).to_have_text(f"{HOSTILE_FILE}:1")
        expect(tab.locator("#table td.code").nth(6)).to_have_text(HOSTILE)
        assert tab.locator("q").count() == 0
        assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


class Scripts(HTMLParser):
    """Elements that a page may use to load or run something."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag in ("script", "link", "img", "iframe", "image"):
            self.found.append((tag, attrs.get("src") or attrs.get("href") or attrs.get("type") or ""))


def test_a_page_needs_nothing_else():
    """Also without a browser: two scripts, both inside, and no address."""
    parser = Scripts()
    parser.feed(page(summary(hostile())))
    assert parser.found == [("link", "data:,"), ("script", "application/json"), ("script", "")]


def test_a_page_of_what_nobody_knows():
    """A program from a file and the events of a trace: no lines, no tiles, no reasons."""
    run = record("digits on small")
    program = dataclasses.replace(run.program, origins={}, tiles=())
    timeline = dataclasses.replace(run.timeline, waits=[], work=[])
    text = page(summary(dataclasses.replace(run, program=program, timeline=timeline)))
    assert "the trace does not say why" in text and "(no line)" in text and ">PSUM</text>" not in text


def test_a_page_is_the_same_each_time():
    facts = summary(record("digits on small"))
    assert page(facts) == page(facts)
