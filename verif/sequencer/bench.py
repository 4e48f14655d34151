"""The sequencer with all queues; a master and a slave of another author; with fewer instructions on Icarus."""

from dataclasses import replace

from makalu.hw.sequencer.sequencer import Sequencer
from makalu.spec.preset import load_preset
from verif.lib.cases import Case, Config
from verif.lib.variants import bench_config
from verif.sequencer.decoders import Decoders
from verif.sequencer.programs import INNER

__all__ = ["CASES"]


def sequencer(config: Config) -> Sequencer:
    return Sequencer(config=load_preset(str(config)))


def decoders(config: Config) -> Decoders:
    return Decoders(config=bench_config(config))


TINY = Case(
    name="tiny",
    module="verif.sequencer.test_sequencer",
    tests=18,
    component=sequencer,
    config="tiny",
    params={"length": 120, "rounds": 3, "mutants": 10, "seed": 1},
    inner=INNER,
)
WIDE_BUS = replace(
    TINY,
    name="wide-bus",
    config="trn2-mini",
    params={"length": 40, "rounds": 1, "mutants": 3, "seed": 3},
    soak=True,
)
INSTRUCTIONS = replace(
    TINY, name="instructions-axi", module="verif.sequencer.test_instructions_axi", tests=1, params={"seed": 1}
)

DECODERS = Case(
    name="decoders",
    module="verif.sequencer.test_decoders",
    tests=1,
    component=decoders,
    config="tiny",
    params={"turns": 5, "words": 4000, "seed": 1},
    build="decoders",
)
"""45,000 instructions, each queue its share."""

ON_ICARUS = "random|reset|pair|all_queues|alone|mutated|unaligned|registers"
"""Where a register without a value is X: programs, resets, registers. `make soak` has all tests on Icarus."""

CASES = (
    TINY,
    replace(TINY, name="tiny-seed-2", params={**TINY.params, "seed": 2}, soak=True),
    WIDE_BUS,
    replace(WIDE_BUS.on_icarus(length=12, slow=True), only=ON_ICARUS, tests=8, soak=False),
    replace(TINY.on_icarus(length=12, rounds=1, mutants=3, slow=True), soak=True),
    replace(TINY, name="control-axi", module="verif.sequencer.test_control_axi", tests=1, params={}),
    INSTRUCTIONS,
    replace(INSTRUCTIONS, name="instructions-axi-seed-2", params={"seed": 2}),
    DECODERS,
    replace(
        DECODERS,
        name="decoders-two-types",
        config="two-types",
        params={"turns": 0, "words": 4000, "seed": 3},
        soak=True,
    ),
    replace(DECODERS, name="decoders-trn3", config="trn3", params={"turns": 1, "words": 4000, "seed": 2}, slow=True),
)
