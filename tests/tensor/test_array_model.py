"""The lockstep array by itself: sums at the contract's cycles equal golden's column chains."""

import random
from dataclasses import replace

import numpy as np
import pytest

from makalu.sim_models.golden.arithmetic import fma_chain_step
from makalu.sim_models.golden.formats import tensor_operand, widen
from makalu.sim_models.lockstep.array import ArrayModel, round_chain
from makalu.sim_models.lockstep.operand import operand_values, operand_words
from makalu.sim_models.lockstep.pe import PeInputs, PeModel, PeOutputs
from makalu.spec.formats import BF16, SINGLES
from makalu.spec.tensor_types import Part
from verif.arith.vectors import bf16_operands, canonical, fma_operands
from verif.array.schedule import Schedule, random_matmuls
from verif.lib.variants import small_core
from verif.tensor.elements import random_elements


def values(bits, *, form=BF16, stationary, **flags):
    """What elements stand for when they have become operands."""
    return operand_values(operand_words(bits, form=form, stationary=stationary, **flags), stationary=stationary)


def sums_differ(config, matmuls):
    """Sums that differ from golden, and whether every one of them was known."""
    tensor = config.tensor
    schedule = Schedule(tensor=tensor, matmuls=matmuls)
    model = ArrayModel(config)
    bottom, known = [], []
    for cycle in range(schedule.cycles):
        bottom.append(model.comb())
        known.append(model.known)
        model.tick(*schedule.edge(cycle))
    wrong, all_known = 0, True
    for cycle, number, n in schedule.results:
        want = matmuls[number].sums[:, n]
        columns = np.arange(len(want))
        wrong += int(sum(bottom[cycle + m][m] != want[m] for m in columns))
        all_known &= all(known[cycle + m][m] for m in columns)
    return wrong, all_known


@pytest.mark.parametrize("partitions", [4, 16])
@pytest.mark.parametrize(("mul_stages", "add_stages"), [(1, 1), (2, 1), (1, 2), (2, 3)])
@pytest.mark.parametrize("subnormals", ["keep", "flush"])
def test_waves_give_column_chains(partitions, mul_stages, add_stages, subnormals):
    config = small_core(
        partitions=partitions, word_bytes=16, mul_stages=mul_stages, add_stages=add_stages, subnormals=subnormals
    )
    matmuls = random_matmuls(random.Random(partitions + add_stages), config.tensor, count=8)
    assert sums_differ(config, matmuls) == (0, True)


def test_undefined_stationary_is_reported():
    config = small_core(partitions=4, word_bytes=8, mul_stages=1, add_stages=1)
    model = ArrayModel(config)
    rows, columns = config.tensor.rows, config.tensor.load_columns
    idle = {"operands": np.zeros((rows, columns), int), "tag": np.zeros(rows, int), "valid": np.zeros(rows, bool)}
    x = {"operand": np.zeros(rows, int), "active": np.arange(rows) == 0, "swap": np.zeros(rows, bool)}
    seen = set()
    for _ in range(12):
        model.tick(x, idle)
        seen.add(tuple(model.known))
    assert (True,) * rows in seen  # before the first sum arrives
    assert (False,) * rows in seen


class RestlessArrayModel(ArrayModel):
    """Steps every register at every edge."""

    def _rests(self, x, w):
        return False


def registers(model):
    """Every register, by name; `_products` and `_sums` hold (values, known) of every stage."""
    skipped = ("tensor", "_rest_after", "_empty_edges", "_pairs", "_choice", "bits")
    values = {name: value for name, value in vars(model).items() if name not in skipped}
    pairs = vars(model._pairs) if model._pairs else {}
    values |= {f"pairs.{name}": value for name, value in pairs.items() if name not in skipped}
    if model._choice is not None:
        choice = vars(model._choice).copy()
        newest, picks = choice.pop("_newest"), choice.pop("_picks")
        choice |= {f"picks[{i}]": part for i, part in enumerate(picks)}
        for ring in ("_entered", "_legal"):  # how far one has turned is no register
            choice[ring] = np.roll(choice[ring], -newest, axis=0)
        values |= {f"choice.{name}": value for name, value in choice.items()}
    if model.bits is not None:
        bits = vars(model.bits).copy()
        bits |= {f"{name}[{i}]": part for name in ("_words", "_valid") for i, part in enumerate(bits.pop(name))}
        values |= {f"bits.{name}": value for name, value in bits.items()}
    stages = {name: values.pop(name) for name in ("_products", "_sums")}
    return values | {f"{name}[{i}]": part for name, pairs in stages.items() for i, part in enumerate(sum(pairs, ()))}


def random_burst(rng, tensor, *, stays):
    """Inputs of some edges with anything valid in any of them, then `stays` edges at which nothing enters."""
    rows, columns = tensor.rows, tensor.load_columns
    for n in range((length := rng.integers(1, 12)) + stays):
        on, weights = n < length, bf16_operands(rng, rows * columns)
        x = {
            "operand": operand_words(bf16_operands(rng, rows), form=BF16, stationary=False) * on,
            "active": (rng.random(rows) < 0.5) & on,
            "swap": (rng.random(rows) < 0.2) & on,
            "paired": (rng.random(rows) < 0.5) & (on and tensor.products > 1),
        }
        if tensor.background:
            x["turn"] = (rng.random(rows) < 0.3) & on
        if tensor.sparse:
            candidates = operand_words(bf16_operands(rng, rows * tensor.candidates), form=BF16, stationary=False)
            x["sparse"] = (rng.random(rows) < 0.5) & ~x["paired"] & on
            x["candidates"] = candidates.reshape(rows, -1) * x["sparse"][:, None]
        w = {
            "operands": operand_words(weights, form=BF16, stationary=True).reshape(rows, columns) * on,
            "tag": rng.integers(0, tensor.columns // columns, rows) * on,
            "valid": (rng.random(rows) < 0.5) & on,
            "paired": (rng.random(rows) < 0.5) & (on and tensor.products > 1),
        }
        if tensor.sparse:
            w["picks"] = rng.integers(0, tensor.candidates, (rows, columns)) * on
        yield x, w


@pytest.mark.parametrize(("mul_stages", "add_stages"), [(1, 1), (2, 1), (1, 2), (2, 3)])
@pytest.mark.parametrize("subnormals", ["keep", "flush"])
@pytest.mark.parametrize("candidates", [1, 16])
def test_an_array_at_rest_is_not_stepped(mul_stages, add_stages, subnormals, candidates):
    """Every register has the same bits as if it were, after bursts with gaps around the shortest that is a rest."""
    stages = {"mul_stages": mul_stages, "add_stages": add_stages}
    products = 2 if subnormals == "keep" else 1
    config = small_core(partitions=4, word_bytes=8, **stages, subnormals=subnormals, products=products)
    bits = 16 if add_stages > 1 else 0
    more = {"candidates": candidates, "moving_buffers": 8, "background_bits": bits}
    config = replace(config, tensor=replace(config.tensor, **more))
    tensor, rng = config.tensor, np.random.default_rng(23)
    model, restless = ArrayModel(config), RestlessArrayModel(config)
    rest = tensor.columns + tensor.mul_stages + tensor.rows * tensor.add_stages
    skipped = 0
    for stays in (0, 3, rest - 1, rest, rest + 1, 1, rest + 2, 3 * rest, *rng.integers(0, 2 * rest, 20)):
        for edge in random_burst(rng, tensor, stays=stays):
            model.tick(*edge)
            restless.tick(*edge)
            skipped += model._empty_edges > rest
            expected = registers(restless)
            assert registers(model).keys() == expected.keys()
            for name, value in registers(model).items():
                assert value.dtype == expected[name].dtype and value.tobytes() == expected[name].tobytes(), name
    assert skipped > 2 * rest


class PeGrid:
    """The array as its PEs' models, each fed by its neighbours, with the transport of the weights beside them."""

    def __init__(self, tensor):
        self.tensor = tensor
        self.rows, self.columns, self.width = tensor.rows, tensor.columns, tensor.load_columns
        self._pes = [[PeModel(tensor=tensor) for _ in range(self.columns)] for _ in range(self.rows)]
        nothing = (0, False, (0,) * self.width, (0,) * self.width)
        self._transport = [[nothing] * (self.columns // self.width) for _ in range(self.rows)]
        self.chosen = 0

    def comb(self):
        return [pe.comb().p for pe in self._pes[-1]]

    def tick(self, x, w):
        outs = [[pe.comb() for pe in row] for row in self._pes]
        for r, row in enumerate(self._pes):
            entered = {name: x[key][r].item() for name, key in NAMES.items()}
            moving = PeOutputs(p=None, candidates=x["candidates"][r].tolist(), **entered)
            for m, pe in enumerate(row):
                tag, valid, operands, picks = self._transport[r][m // self.width]
                load = {"w": operands[m % self.width], "pick": picks[m % self.width], "load": valid and tag == 0}
                candidates = (0,) * self.tensor.candidates if moving.candidates is None else tuple(moving.candidates)
                kind = {name: getattr(moving, name) or 0 for name in NAMES}
                above = 0 if r == 0 else outs[r - 1][m].p or 0
                pe.tick(PeInputs(p=above, candidates=candidates, **kind, **load))
                self.chosen += bool(moving.sparse and moving.active)
                moving = outs[r][m]
            entering = w["tag"][r], w["valid"][r], w["operands"][r].tolist(), w["picks"][r].tolist()
            passing = [(tag - 1, valid and tag != 0, *rest) for tag, valid, *rest in self._transport[r][:-1]]
            self._transport[r] = [entering, *passing]


NAMES = {"x": "operand", "active": "active", "swap": "swap", "paired": "paired", "sparse": "sparse"}
"""An input of a PE, and of the array."""


@pytest.mark.parametrize(("candidates", "products"), [(4, 1), (8, 2), (16, 2)])
def test_an_array_is_its_pes(candidates, products):
    """Any inputs, with and without candidates."""
    config = small_core(partitions=4, word_bytes=8, mul_stages=2, add_stages=2, products=products)
    config = replace(config, tensor=replace(config.tensor, candidates=candidates, moving_buffers=8))
    tensor, rng = config.tensor, np.random.default_rng(candidates)
    model, grid = ArrayModel(config), PeGrid(tensor)
    compared = 0
    for cycle in range(500):
        x, w = next(random_burst(rng, tensor, stays=0))
        x["paired"], w["paired"] = np.zeros((2, 4), bool)
        if cycle < 20:  # so that every register has something
            x["swap"], w["valid"] = np.full(4, cycle % 7 == 6), np.full(4, True)
        for got, want, known in zip(model.comb().tolist(), grid.comb(), model.known, strict=True):
            if known and want is not None:
                assert got == want, cycle
                compared += 1
        model.tick(x, w)
        grid.tick(x, w)
    assert grid.chosen > 500 and compared > 1500


@pytest.mark.parametrize("subnormals", ["keep", "flush"])
def test_rounding_equals_golden(subnormals):
    """Two readings of one rounding: the model's sticky bit, golden's rounding to odd."""
    a, b, p = fma_operands(np.random.default_rng(21), 100_000)
    flush = subnormals == "flush"
    legal = ~((p & 0x7F800000 == 0) & (p & 0x7FFFFF > 0)) if flush else np.full(len(p), True)
    a, b, p = a[legal], b[legal], p[legal]
    with np.errstate(invalid="ignore"):
        product = values(a, stationary=False, subnormals=subnormals) * values(b, stationary=True, subnormals=subnormals)
        chain = p.view(np.float32).astype(np.float64)
    got = canonical(round_chain(product, chain, subnormals=subnormals).view(np.uint32))
    assert (got == fma_chain_step(a, b, p, subnormals=subnormals)).all()


@pytest.mark.parametrize("stationary", [False, True])
@pytest.mark.parametrize("form", SINGLES, ids=lambda f: f.name)
def test_operands_are_parts_of_elements(form, stationary):
    """Each part's value is golden's; where there is a lower part, it and the upper one are the element."""
    bits = random_elements(np.random.default_rng(22), form, (3000,), specials=0.2)
    got = {p: values(bits, form=form, part=p, stationary=stationary) for p in Part}
    for part, value in got.items():
        with np.errstate(invalid="ignore"):
            want = tensor_operand(form, part, bits).view(np.float32).astype(np.float64)
        assert np.array_equal(value, want, equal_nan=True) and (np.signbit(value) == np.signbit(want)).all(), part
    with np.errstate(invalid="ignore"):
        whole = widen(form, bits).view(np.float32).astype(np.float64)
    assert np.array_equal(got[Part.UPPER] + got[Part.LOWER], whole, equal_nan=True)
    assert (got[Part.LOWER] != 0).any() == form.splits
