"""Faults planted into the core: what a start must forget and does not, and a bus that breaks AXI's rules."""

import pytest

from makalu.hw.core import Core
from makalu.sw.rtl.machine import MachineError
from tests.core.bad_input import CONFIG, WATCHDOG, SettlingMachine, spoil_first, with_fields
from tests.core.test_restart import BAD, BAD_SEED, SETTLE, check_restart
from tests.faults.planting import SIMULATOR, Fault, caught, planted_class

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
    core = Core(config=CONFIG, observe="all")
    machine = SettlingMachine(config=CONFIG, observe="all", simulator=SIMULATOR, core=core)
    machine.settle = SETTLE
    queue, wanted, values = BAD["opcode"]
    bad = spoil_first(queue, wanted, lambda data: with_fields(data, **values), seed=BAD_SEED)
    # a port of the models, or an assertion of the RTL that ends the simulation before
    with pytest.raises((AssertionError, MachineError), match="cycle|only an instruction that was fetched is taken"):
        check_restart(machine, bad, latency=0, watchdog=WATCHDOG)


UNRULY = (
    Fault(
        name="wready-ignored",
        test="random_program_under_stalls",
        line=r"(assign out_ready = \S+\s*\|) bus__w__ready;",
        becomes=r"\1 1'h1;",
        message=r"data__w__\w+ changed while it waited for ready",
    ),
    Fault(
        name="fetch-moves-on",
        test="random_program_under_stalls",
        line=r"(assign \\\$signal\$\d+\s*= \S+\s*\|) bus__ar__ready;",
        becomes=r"\1 1'h1;",
        message=r"instructions__ar(: valid fell|__addr changed)",
    ),
)


@pytest.mark.slow
@pytest.mark.parametrize("fault", UNRULY, ids=str)
def test_unruly_bus_is_caught(fault):
    """By AXI's rules, before and whatever the model says."""
    rule = rf"test_core\.random_program_under_stalls: .*AXI rule, cycle \d+, {fault.message}"
    caught("core", "tiny-icarus", fault, says=rule)
