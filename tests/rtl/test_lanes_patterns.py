"""What becomes one operation on lanes computes what its gates do: leading-zero counts, words of decoded bits."""

import functools
import re
from dataclasses import replace

import pytest

from makalu.sw.rtl.lanes import patterns
from makalu.sw.rtl.lanes.emitter import Emitter
from makalu.sw.rtl.lanes.netlist import Netlist
from tests.rtl.lanes.cell_bench import Emitted, Program, compare
from tests.rtl.lanes.forms import FORMS
from tests.rtl.lanes.pattern_modules import COUNTED, counts, decoders

COUNT_CYCLES = 65 // 16 + 1
"""Enough for each place of the highest one in the widest operand, and none."""
DECODER_CYCLES = 12
FAULT_FORM = "plain-4"
SHIFTED = "shl(c_(1u),"


@functools.cache
def count_case():
    return counts(COUNT_CYCLES)


@functools.cache
def both():
    return Program([count_case(), *(case for cases in decoders(COUNT_CYCLES) for case in cases)])


def test_every_width_up_to_64_is_counted_by_an_instruction():
    netlist = Netlist("counts", count_case().module, {})
    found = patterns.patterns(netlist)
    widths = []
    for operand, result in patterns.counts(netlist):
        assert all(netlist.source(bit)[0] in found for bit in result)
        widths.append(len(operand))
    assert sorted(widths) == list(COUNTED) == list(range(2, 65))


@pytest.mark.parametrize("form", FORMS)
def test_counts_and_decoders(form, tmp_path):
    """All widths of counts, each with every possible count, and 0; words of decoded bits."""
    compare(both(), form, tmp_path)


@pytest.mark.parametrize("wrong", [(r"\|0x[0-9a-f]+u\)", ")"), (r"<<(\d+)", r"<<(\1-1)"), (r"c_\(32u\)", "c_(31u)")])
def test_a_wrong_count_is_seen(wrong, monkeypatch, tmp_path):
    right = patterns.leading_zeros
    monkeypatch.setattr(patterns, "leading_zeros", lambda *arguments: re.sub(*wrong, right(*arguments)))
    assert list(Program([count_case()]).differences(FAULT_FORM, tmp_path)) == ["leading zeros"]


def test_which_words_are_decoded_by_a_shift():
    replaced, kept = decoders(1)
    assert [case.name for case in replaced if SHIFTED not in Emitted(case, "step").text] == []
    assert [case.name for case in kept if SHIFTED in Emitted(case, "step").text] == []


class Shifted(Emitter):
    """One place too high."""

    def _decoder(self, bits, when):
        text = super()._decoder(bits, when)
        return text and text.replace("c_(1u)", "c_(2u)")


class Unmasked(Emitter):
    """What belongs to other bits of the word stays."""

    def _decoder(self, bits, when):
        text = super()._decoder(bits, when)
        return text and re.sub(r"&0x[0-9a-f]+u", "", text)


class Always(Emitter):
    """No enable."""

    def _decoder(self, bits, when):
        text = super()._decoder(bits, when)
        return text and re.sub(r"andm\(\w+,", "andm(ONE,", text)


@pytest.mark.parametrize("emitter", [Shifted, Unmasked, Always])
def test_a_wrong_decoder_is_seen(emitter, tmp_path):
    replaced, _ = decoders(DECODER_CYCLES)
    wrong = Program([replace(case, emitter=emitter) for case in replaced]).differences(FAULT_FORM, tmp_path)
    at_least = {
        Shifted: {case.name for case in replaced},
        Unmasked: {"behind others"},
        Always: {case.name for case in replaced if "enable" in case.name},
    }
    assert set(wrong) >= at_least[emitter]
