"""The suite: its rows are those of the contract, some run on the RTL here, and what is counted is what ran."""

from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest

from makalu.examples.decode.decode import Model
from makalu.spec.preset import load_preset
from makalu.spec.tensor_modes import MODES
from makalu.sw.cli.scaling import measure
from makalu.sw.cli.scaling.kinds import KINDS, MAIN, best
from makalu.sw.cli.scaling.measure import measured, rows
from makalu.sw.cli.scaling.suite import SUITE
from makalu.sw.elements import Bits
from makalu.sw.run import run_golden
from tests.core.machines import traced_machine

TINY = load_preset("tiny")


def test_kinds_are_those_of_the_contract():
    assert {(kind.form, kind.mode.mode) for kind in KINDS.values()} == {
        (form, mode.mode) for mode in MODES.values() for form in mode.formats
    }
    assert set(MAIN) <= set(KINDS)


@pytest.mark.parametrize(
    ("preset", "kinds", "fastest"),
    [("trn1", MAIN[:3], "e4m3"), ("trn2", MAIN[:4], "e4m3-double_row"), ("trn3", MAIN, "e4m3fn_x4-mx")],
)
def test_a_generation_runs_what_it_has(preset, kinds, fastest):
    config = load_preset(preset)
    seen = {kernel.name: [k.name for mine, k in rows(config) if mine is kernel] for kernel in SUITE.values()}
    assert seen["dense"] == list(kinds) and seen["copy"] == ["bf16"] and seen["decode_16"] == ["bf16", fastest]
    assert best(config, "fp8").name == fastest
    with pytest.raises(KeyError):
        best(config, "int8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kernel", "kind"),
    [
        ("skinny", "bf16"),
        ("ragged", "e4m3-double_row"),
        ("scores", "fp32"),
        ("decode_1", "e4m3-double_row"),
        ("copy", "bf16"),
    ],
)
def test_a_row_on_the_rtl(kernel, kind):
    """Bits are golden's, cycles the timing model's; alone it counts the same bytes and work."""
    run = measured(TINY, SUITE[kernel], KINDS[kind], traced_machine("tiny"))
    alone = measured(TINY, SUITE[kernel], KINDS[kind])
    assert (run.by, run.mismatched, run.difference) == ("RTL", 0, 0) and run.compared > 0
    assert (alone.by, alone.compared) == ("timing model", 0)
    for name in ("macs", "bytes_read", "bytes_written"):
        assert getattr(run, name) == getattr(alone, name)
    assert kernel == "copy" or 0 < run.utilisation <= 1
    assert 0 < run.of_limit <= 1


@pytest.mark.slow
def test_wrong_bits_of_any_output_are_counted(monkeypatch):
    right = measure.make_case

    def wrong(*arguments):
        case = right(*arguments)
        name, values = list(case.others.items())[-1]
        values = values.copy()
        values.flat[0] = np.nextafter(values.flat[0], np.float32(np.inf))
        return replace(case, others={**case.others, name: values})

    monkeypatch.setattr(measure, "make_case", wrong)
    run = measured(TINY, SUITE["decode_1"], KINDS["bf16"], traced_machine("tiny"))
    assert run.mismatched == 1 and run.compared > 1


def test_long_runs_are_counted_by_the_timing_model():
    run = measured(TINY, SUITE["copy"], KINDS["bf16"], object(), most=1)
    assert run.by == "timing model" and run.macs == 0 and run.bytes_read == run.bytes_written > 0


def test_zeros_filled_in_are_no_work():
    config = load_preset("trn3-mini")
    kind = KINDS["e4m3fn_x4-mx"]
    work = SUITE["scores"].build(config, kind)
    k, m, n = config.partitions, 2 * config.tensor.columns, 2 * config.psum.bank_elems
    assert work.macs == k * m * n and work.inputs["a"].shape == (kind.filled(config, k) // 4, m)
    assert not work.inputs["a"].array[k // 4 :].any() and work.inputs["a"].array[: k // 4].any()


def test_an_mx_decode_step_is_numpys():
    """Small integers with scales of 1: every sum is exact, and the order of a container's elements does not matter."""
    config = load_preset("trn3-mini")
    work = SUITE["decode_1"].build(config, KINDS["e4m3fn_x4-mx"])
    random = np.random.default_rng(2)
    inputs, values = {}, {}
    for name, given in work.inputs.items():
        shape = given.shape
        if name.endswith("_scale"):
            inputs[name] = Bits(np.full(shape, 127, np.uint8))
            continue
        numbers = random.integers(-2, 3, (*shape, 4)).astype(ml_dtypes.float8_e4m3fn)
        inputs[name] = Bits(numbers.view(np.uint32)[..., 0])
        values[name] = numbers.astype(np.float32).transpose(0, 2, 1).reshape(4 * shape[0], shape[1])
    got = run_golden(work.program, inputs, config=config)
    want = {name: values[f"w_{name}"].T @ values[f"x_{name}"] for name in Model(config.partitions).weights()}
    want |= {"scores": values["queries"].T @ values["keys"], "mixed": values["probabilities"].T @ values["values"]}
    assert set(got) == set(want)
    for name, each in want.items():
        assert (got[name] == each.astype(ml_dtypes.bfloat16).astype(np.float32)).all(), name
