"""Faults planted into the core: what a start must forget and does not. The restart test must notice."""

import pytest

from makalu.hw.core import Core
from tests.core.bad_input import CONFIG, WATCHDOG, SettlingMachine, place_of, spoil, with_fields
from tests.core.test_restart import BAD, BAD_SEED, SETTLE, check_restart
from tests.faults.planting import planted_class

FORGOTTEN = {
    "semaphores": ("sequencer.semaphores.Semaphores", "with m.If(self.clear):", "with m.If(0):"),
    "fetched-instructions": ("sequencer.buffer.InstructionBuffer", "[level.eq(0), head.eq(0),", "[head.eq(0),"),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FORGOTTEN)
def test_start_that_does_not_forget_is_caught(fault, monkeypatch):
    place, old, new = FORGOTTEN[fault]
    name = place.rsplit(".", 1)[1]
    monkeypatch.setattr(f"makalu.hw.sequencer.sequencer.{name}", planted_class(place, old, new))
    machine = SettlingMachine(config=CONFIG, observe="all", core=Core(config=CONFIG, observe="all"))
    machine.settle = SETTLE
    queue, wanted, values = BAD["opcode"]
    bad = spoil(BAD_SEED, queue, place_of(BAD_SEED, queue, wanted), lambda data: with_fields(data, **values))
    with pytest.raises(AssertionError, match="cycle"):
        check_restart(machine, bad, latency=0, watchdog=WATCHDOG)
