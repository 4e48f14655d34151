"""Runs verif/sequencer/test_decoders.py: every queue's decoder alone against golden's checker."""

import pytest

from makalu.spec.preset import load_preset
from makalu.sw.rtl.runner import run_bench
from verif.sequencer.decoders import Decoders


@pytest.mark.parametrize(("preset", "words", "seed"), [("tiny", 6000, 1), ("trn2", 2500, 2)])
def test_decoders(preset, words, seed):
    """30,000 and 12,500 instructions, each queue its share; every code that a queue can report was seen."""
    ran = run_bench(
        Decoders(config=load_preset(preset)),
        name=f"decoders-{preset}",
        test_module="verif.sequencer.test_decoders",
        kept=True,
        params={"preset": preset, "words": words, "seed": seed},
    )
    assert ran == 1
