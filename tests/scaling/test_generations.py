"""Ratios of generations: the product of the factors is the ratio, of both sides, and a wrong factor is seen."""

from dataclasses import asdict, replace
from math import prod

import pytest

from makalu.spec.preset import load_preset
from makalu.spec.products import ANNOUNCED, CLASSES, FACTS, UNITS
from makalu.sw.cli.scaling import ROUNDING, figures
from makalu.sw.cli.scaling.energy import read_energies
from makalu.sw.cli.scaling.generations import GENERATIONS, LEVELS, MEASURED, PRINTED, Comparison
from makalu.sw.cli.scaling.runs import figures_of, runs_of
from makalu.sw.cli.scaling.tables import SIZES, markdown, tables
from makalu.sw.results import Figure, at_most, failed, write_results

from .stand_ins import report

REPORT = report({"trn1": 0.9, "trn2": 0.8, "trn3": 0.7, "trn1-mini": 0.6, "trn2-mini": 0.5, "trn3-mini": 0.4})
COMPARED = {(size, each.name): each for size in SIZES for each in REPORT.comparisons(size)}


def test_every_fact_has_a_source_and_a_known_unit():
    rows = [*FACTS.values(), *ANNOUNCED.values()]
    assert all(fact.source and fact.unit in UNITS and fact.printed > 0 for fact in rows)
    wanted = {(g, f"{level}_{group}") for g in GENERATIONS for level in ("chip", "server") for group in CLASSES}
    assert wanted <= set(FACTS)


@pytest.mark.parametrize("generation", GENERATIONS)
def test_the_memory_of_a_preset_follows_from_its_fact(generation):
    """Whole bytes a cycle, cut; of a quarter-size core a quarter of the cut ones, to a tenth."""
    full = load_preset(generation)
    exact = FACTS[generation, "chip_memory"].value / full.product.cores_per_chip / full.product.tensor_clock_hz
    assert full.memory.rate == int(exact)
    assert abs(4 * load_preset(f"{generation}-mini").memory.rate - exact) < 0.5


@pytest.mark.parametrize("key", COMPARED, ids=" ".join)
def test_the_product_of_the_factors_is_the_ratio(key):
    """Against rates from cycles, clock, cores and chips, and against the printed ones."""
    each = COMPARED[key]
    assert each.unexplained() < 1e-12
    size, (a, b) = key[0], (each.earlier, each.later)
    for level in LEVELS[1:]:
        assert each.ratio(PRINTED, level) == pytest.approx(b.printed(level) / a.printed(level), rel=1e-12)
    apart = each.ratio(MEASURED) / each.ratio(PRINTED)
    assert prod(each.causes().values()) == pytest.approx(apart, rel=1e-12)
    shares = {"quarter": (0.6, 0.5, 0.4), "full": (0.9, 0.8, 0.7)}[size]
    one, two = (shares[GENERATIONS.index(state.generation)] for state in (a, b))
    reached = next(ratio for factor, _, ratio in each.factors if factor.name in ("utilisation", "reached of it"))
    assert reached == pytest.approx(two / one, rel=1e-3)


@pytest.mark.parametrize("number", range(8))
@pytest.mark.parametrize("key", [("quarter", "trn3 over trn2, fp8"), ("full", "trn3 over trn2, memory")], ids=" ".join)
def test_a_wrong_factor_is_seen(key, number):
    """Any of them, wrong by a thousandth."""
    each = COMPARED[key]
    factors = list(each.later.factors)
    factors[number] = replace(factors[number], value=factors[number].value * 1.001)
    wrong = Comparison(each.earlier, replace(each.later, factors=tuple(factors)))
    assert wrong.unexplained() > 5e-4
    judged = at_most("unexplained", wrong.unexplained(), "share", bar=ROUNDING, kind="must")
    assert failed([judged])


def test_what_is_published_comes_out():
    """The ratios that the printed pages have, without a measurement."""
    fp8 = COMPARED["quarter", "trn3 over trn2, fp8"]
    assert fp8.ratio(PRINTED, "chip") == pytest.approx(1.94, abs=0.005)
    assert fp8.ratio(PRINTED) == pytest.approx(4.36, abs=0.005) and fp8.announced == 4.4
    assert COMPARED["quarter", "trn3 over trn2, memory"].ratio(PRINTED) == pytest.approx(3.80, abs=0.005)
    assert {a.name: r for a, _, r in fp8.factors}["chips of a machine"] == 144 / 64
    assert {a.name: r for a, _, r in fp8.factors}["products a PE and cycle"] == 2
    assert COMPARED["quarter", "trn3 fp8 over trn2 bf16"].ratio(PRINTED, "chip") == pytest.approx(3.77, abs=0.005)


def test_a_row_says_when_the_port_limits():
    texts = {table.name: markdown(table) for table in tables(REPORT)}
    port = "the core's one port of 64 bytes each way, not the memory's"
    assert texts["rates full"].count(port) == 3 and port not in texts["rates quarter"]
    factors = {a.name: (a.value, b.value) for a, b, _ in COMPARED["full", "trn3 over trn2, memory"].factors}
    assert factors["one data port of a core"] == (128 / 151, 128 / 255)
    assert texts["runs trn3"].count("| memory |") + texts["runs trn3"].count("| port |") >= 1


def test_every_origin_is_a_measurement_or_a_fact():
    for each in COMPARED.values():
        for a, b, _ in each.factors:
            assert all(f.origin.startswith(("measured: ", "cited: ", "choice: ")) for f in (a, b))


def test_figures_hold_all_that_the_tables_need():
    written = [asdict(figure) for figure in figures(REPORT)]
    assert runs_of(written) == list(REPORT.runs)
    assert len({figure["name"] for figure in written}) == len(written)


def test_wrong_bits_and_cycles_are_missed_musts():
    run = REPORT.runs[0]
    for change in ({"mismatched": 1}, {"difference": 1}):
        assert failed(figures_of(replace(run, **change)))
        assert failed(figures(replace(REPORT, runs=[replace(run, **change), *REPORT.runs[1:]])))
    assert not failed(figures_of(run)) and not failed(figures(REPORT))


def test_energy_is_read_where_it_was_measured(tmp_path):
    assert read_energies(GENERATIONS, tmp_path) == {}
    measured = Figure(name="gated_trn3_mxfp8_mac", value=2.5, unit="pJ/MAC")
    write_results("energy", load_preset("tiny"), [measured], folder=tmp_path)
    assert read_energies(GENERATIONS, tmp_path) == {("trn3", "e4m3fn_x4-mx"): 2.5}
    texts = {table.name: markdown(table) for table in tables(REPORT)}
    assert (
        "| 4.2 |" in texts["runs trn3"] and "not measured" in texts["runs trn3"] and "4.2 |" not in texts["runs trn2"]
    )
