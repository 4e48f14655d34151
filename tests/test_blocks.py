"""docs/blocks: drawings and tables are what the models and `spec` say, and no wait is without a row."""

import re
from dataclasses import replace

import pytest

from makalu.sim_models.timing.waits import Cause, Hold
from makalu.spec.engines import ACCESS_ENGINES, CHANNELS, QUEUES, Channel, Queue
from makalu.spec.lanes import LANE_STAGES
from makalu.spec.memory import MemoryTiming
from makalu.spec.registers import COUNTERS
from makalu.sw.blocks import kernels, tables
from makalu.sw.blocks import signals as show
from makalu.sw.blocks.drawings import DRAWINGS
from makalu.sw.blocks.scene import LATENCY, PRESET, Scene
from makalu.sw.blocks.stalls import HOLDS, WAITS
from makalu.sw.blocks.tables import BLOCKS, tables_of
from makalu.sw.blocks.timing_diagram import Lane, Span, timing_diagram
from makalu.sw.cli.docs import showing
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.paths import ROOT
from makalu.sw.timing import predict

FOLDER = ROOT / "docs/blocks"
HEADINGS = ("Parameters", "Latency", "Order", "Stalls")
MODELS = {"tensor": ("tensor",), "lanes": ACCESS_ENGINES, "dma_load": ("dma",), "dma_store": ("dma",)}
"""Files of the timing model, and the engines whose holds they note."""


def page(block):
    return (FOLDER / f"{block}.md").read_text()


@pytest.mark.parametrize("block", BLOCKS)
def test_drawing_is_current(block):
    assert (FOLDER / f"{block}.svg").read_text() == DRAWINGS[block](), "run makalu docs"


@pytest.mark.parametrize("block", BLOCKS)
def test_page_is_current_and_whole(block):
    text, tables_ = page(block), tables_of(block)
    assert showing(text, tables_) == text, "run makalu docs"
    assert re.findall(r"<!-- begin (.*) -->", text) == list(tables_)
    assert f"]({block}.svg)" in text
    found = [h for h in re.findall(r"(?m)^## (\w+)", text) if h in HEADINGS]
    assert found == list(HEADINGS)


def test_every_block_has_a_page_that_the_overview_names():
    assert {path.stem for path in FOLDER.glob("*.md")} - {"README"} == set(BLOCKS) == set(DRAWINGS)
    assert re.findall(r"\((\w+)\.md\)", page("README")) == sorted(BLOCKS, key=page("README").index)


def test_the_overview_has_the_numbers_of_the_drawings():
    tensor, psum, sbuf = PRESET.tensor, PRESET.psum, PRESET.sbuf
    text = (
        f"`{PRESET.name}`: {PRESET.partitions} partitions, a {tensor.rows} x {tensor.columns} array, "
        f"L = {tensor.add_stages}, S = {tensor.mul_stages}, A = {psum.add_stages}, F = {tensor.load_columns}, "
        f"W = {sbuf.word_bytes}, behind a memory that answers after {LATENCY} cycles"
    )
    assert text in " ".join(page("README").split())


# stalls


def rows(block):
    """(instructions, cause, counters) of a page's table of stalls."""
    text = page(block).split(f"<!-- begin stalls of {block} -->")[1].split("<!-- end -->")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.strip().splitlines()[2:]]
    return [(*(["", *cells] if block == "sequencer" else cells)[:2], cells[-2]) for cells in cells]


def pairs(block):
    return {(name, cause) for names, cause, _ in rows(block) for name in names.split(", ")}


def test_each_cause_of_a_queue_is_on_the_page_of_the_sequencer_and_on_no_other():
    assert [cause for _, cause, _ in rows("sequencer")] == [cause.value for cause in Cause]
    others = {cause for block in BLOCKS if block != "sequencer" for _, cause, _ in rows(block)}
    assert others == {hold.value for hold in Hold}


def test_each_hold_of_each_engine_is_on_its_page():
    """What a model of an engine notes stands in its file; an end that nothing moves in is the pipeline's by default."""
    noted = {}
    for file, engines in MODELS.items():
        text = (ROOT / f"sim_models/timing/{file}.py").read_text()
        for engine in engines:
            noted.setdefault(engine, set()).update(Hold[name] for name in re.findall(r"Hold\.([A-Z]+)", text))
    for engine, holds in noted.items():
        # Vector and Scalar note up to the finish
        wanted = holds | (set() if engine in ACCESS_ENGINES else {Hold.PIPELINE})
        mine = {row.hold for row in HOLDS if any(CHANNELS[channel].engine == engine for channel in row.channels)}
        assert mine == wanted, engine
    every = [(channel, row.hold) for row in HOLDS for channel in row.channels]
    assert len(set(every)) == len(every)
    engines = {"tensor": ("tensor",), "lanes": ACCESS_ENGINES, "dma": ("dma",)}
    on_pages = [pair for block in engines for pair in pairs(block)]
    assert sorted(on_pages) == sorted((CHANNELS[channel].name, hold.value) for channel, hold in every)


def test_the_page_of_a_memory_has_the_waits_for_it():
    assert pairs("psum") == {("matmul", "PSUM hazard"), ("vector", "PSUM bank"), ("scalar", "PSUM bank")}
    assert {cause for _, cause in pairs("sbuf")} == {"SBUF"}
    assert {name for name, _ in pairs("sbuf")} == {row.name for row in CHANNELS.values()} - {"tensor_load"}


def test_counters_are_those_of_the_registers():
    named = {name for block in BLOCKS for *_, text in rows(block) for name in re.findall(r"`(\w+)`", text)}
    assert named == set(COUNTERS) - {"idle"}
    assert "`idle`" in page("sequencer")


SCENES = {
    "swap": ((PRESET.partitions, kernels.WIDE), "bf16", None),
    "short_sums": ((PRESET.partitions, kernels.WIDE), "bf16", kernels.one_stationary),
    "one_bank": ((PRESET.partitions, kernels.WIDE // 2), "fp32", None),
}


def active(queue):
    return lambda seen: bool(seen.blocks["to_sequencer"]["active"] >> queue & 1)


@pytest.fixture(scope="module", params=SCENES)
def counted(request):
    """(counter of each cycle of each queue, whether its engine was active, what the timing model says)."""
    shape, dtype, transform = SCENES[request.param]
    seen = {f"counter {queue.name}": show.counter(queue) for queue in QUEUES}
    seen |= {f"active {queue.name}": active(queue) for queue in QUEUES}
    seen["running"] = lambda cycle: cycle.core.sequencer.any_running()
    scene = Scene(getattr(kernels, request.param), shape, dtype, seen, transform)
    memory = MemoryTiming.of(PRESET.memory, latency=LATENCY)
    return scene.values, predict(scene.program, PRESET, memory, start=scene.when("running")[0])


def short(counter):
    """As a scene shows it."""
    return counter.removeprefix("stall_")[:4]


def check_waits(counted, counter_of):
    """Every waiting cycle of every queue; returns the causes that were seen while the engine was idle."""
    values, timeline = counted
    seen = set()
    for wait in timeline.waits:
        for cycle in range(wait.first, wait.first + wait.cycles):
            name = values[f"counter {wait.queue.name}"][cycle]
            if values[f"active {wait.queue.name}"][cycle]:
                assert name in (short("busy"), short("stall_port")), (wait, cycle, name)
            else:
                assert name == short(counter_of[wait.cause]), (wait, cycle, name)
                seen.add(wait.cause)
    return seen


def test_a_waiting_queue_counts_where_the_table_says(counted):
    counter_of = {row.cause: row.counter for row in WAITS}
    seen = check_waits(counted, counter_of)
    assert {Cause.FETCH, Cause.DECODE, Cause.SEMAPHORE, Cause.AFTER} <= seen
    for cause in seen:
        wrong = counter_of | {cause: next(c for c in COUNTERS if c != counter_of[cause])}
        with pytest.raises(AssertionError):
            check_waits(counted, wrong)


def test_vector_and_scalar_count_their_holds_as_stall_port(counted):
    values, timeline = counted
    for queue in (Queue.VECTOR, Queue.SCALAR):
        held = sum(sum(work.holds.values()) for work in timeline.work if work.queue == queue)
        assert values[f"counter {queue.name}"].count(short("stall_port")) == held


def test_a_column_that_is_held_counts_as_stall_port():
    """The hazard of a matmul's page, in the run of its drawing: cycles without a column between the first and last."""
    scene = Scene(
        kernels.short_sums,
        *SCENES["short_sums"][:2],
        {
            "column": show.head("column", lambda column: "x"),
            "stalled": show.tensor_stalled,
            "issue": show.issue(Queue.TENSOR),
            "counter": show.counter(Queue.TENSOR),
        },
        kernels.one_stationary,
    )
    columns, values = scene.when("column"), scene.values
    gaps = set(range(columns[0], columns[-1])) - set(columns)
    assert gaps and all(values["stalled"][t] for t in gaps)
    assert all(values["counter"][t] == short("busy" if values["issue"][t] else "stall_port") for t in gaps)


# numbers that a page has in its text


def one_element(x):
    """There and back through Vector."""
    tile = nl.load(x)
    out = nl.ndarray((x.shape[0], 1), nl.float32, buffer=nl.shared_hbm)
    result = nl.ndarray(out.shape, nl.float32)
    nisa.tensor_copy(result, tile, engine=nisa.vector_engine)
    nl.store(out, result)
    return out


def test_one_element_takes_what_the_page_of_the_lanes_says():
    (more,) = re.findall(r"issue to finish takes LANE_STAGES \+ (\d+)", page("lanes"))
    signals = {"issue": show.issue(Queue.VECTOR), "finish": show.finish(Channel.VECTOR)}
    scene = Scene(one_element, (PRESET.partitions, 1), "fp32", signals)
    assert scene.when("finish")[0] - scene.when("issue")[0] == LANE_STAGES + int(more)


# the makers


def test_a_distance_that_is_not_the_contracts_is_refused():
    scene = Scene(kernels.copied, (4, 4), "fp32", {"AR": show.bus("ar", show.numbered())})
    with pytest.raises(ValueError, match="next AR is 2 cycles by the contract, 1 in the model"):
        scene.span(scene.when("AR")[0], scene.when("AR")[1], "next AR", 2)


def test_a_text_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="'a very long name' of bus is too long for 1 cycles"):
        timing_diagram("t", 0, [Lane("bus", ["a very long name", None])])


def test_equal_texts_are_one_cell_and_spans_count_like_the_first_cycle():
    svg = timing_diagram("t", 7, [Lane("bus", ["a", "a", None, "b"]), [Span(8, 10, "two")]])
    assert svg.count('class="cell"') == 2 and svg.count('class="idle"') == 1
    assert "two</text>" in svg and svg.count('class="span"') == 1


def test_a_wait_without_a_row_is_missed(monkeypatch):
    less = tuple(row for row in HOLDS if row.hold is not Hold.HAZARD)
    monkeypatch.setattr(tables, "HOLDS", less)
    assert showing(page("psum"), tables_of("psum")) != page("psum")
    moved = tuple(replace(row, counter="busy") if row.cause is Cause.DEPTH else row for row in WAITS)
    monkeypatch.setattr(tables, "WAITS", moved)
    assert showing(page("sequencer"), tables_of("sequencer")) != page("sequencer")
