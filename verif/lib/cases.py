"""Benches as data: `verif/<block>/bench.py` has a table `CASES`, and what runs a bench takes a row of it by name.

pytest (tests/test_block_bench.py), planted faults and `makalu verify` use the same rows.
"""

import importlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from makalu.spec.errors import MakaluError
from makalu.sw.rtl.runner import BenchFailure, bench_text, cocotb_bench
from makalu.sw.rtl.waves import Waves

__all__ = ["Case", "CaseError", "Config", "Prepared", "blocks", "case_text", "cases", "find_case", "run_case"]

VERIF = Path(__file__).parents[1]
Config = str | Mapping[str, Any]
"""A preset, the path of one or a variant by name; or the arguments of a function that makes a small core."""


class CaseError(MakaluError, ValueError):
    """There is no such block or case, or the case does not take what it was given."""


@dataclass(frozen=True)
class Prepared:
    """What a run needs beside the table: more parameters of the bench, more plusargs of the simulation."""

    params: Mapping[str, Any]
    plusargs: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Case:
    """One run of a bench: what is built, for which simulator, what the cocotb tests are told, how many there are."""

    name: str
    module: str
    """The cocotb tests, `verif.<block>.test_...`."""
    tests: int
    """So many must run."""
    component: Callable[..., wiring.Component | str]
    """Makes what is tested, of `config` where there is one; or its Verilog, with the module `top`."""
    config: Config | None = None
    """Reaches the bench as its parameter `config`."""
    simulator: str = "verilator"
    params: Mapping[str, Any] = field(default_factory=dict)
    elsewhere: Mapping[str, Any] = field(default_factory=dict)
    """Parameters in place of these on another configuration: what must be seen depends on it."""
    prepare: Callable[[Path, Config | None], Prepared] | None = None
    """Called before each run with a folder of its own, to write files that the bench reads."""
    build: str = ""
    """Name of the build, where it is another block's; by default this block's."""
    top: str = "dut"
    parameters: Mapping[str, int] = field(default_factory=dict)
    """Of the top module."""
    inner: Mapping[str, str] = field(default_factory=dict)
    """Variables below the top that the bench reads or writes, as in `cocotb_bench`."""
    hierarchical: bool = False
    """Verilator compiles each shared module apart."""
    inlined: bool = False
    """Amaranth's own hierarchy instead of the shared modules."""
    idle_clocks: bool = False
    collisions: str = "old"
    """What a memory's read beside a write of its word gives, as in `Emission`: "x" shows who depends on it."""
    only: str | None = None
    """Pattern of the tests that run; by default all of the module."""
    seed: int = 1
    """Of cocotb and of registers without a value; a parameter `seed` is the bench's own."""
    slow: bool = False
    """Not in `make smoke`."""
    soak: bool = False
    """In `make soak` only."""

    @property
    def block(self) -> str:
        return self.module.split(".")[1]

    def __str__(self) -> str:
        return f"{self.block}-{self.name}"

    def on_icarus(self, *, slow: bool = False, collisions: str = "old", **params: Any) -> "Case":
        """The same on Icarus, with some of the bench's parameters changed: four states, and much slower."""
        name = f"{self.name}-icarus"
        changed = {**self.params, **params}
        return replace(
            self,
            name=name,
            simulator="icarus",
            params=changed,
            hierarchical=False,
            collisions=collisions,
            slow=slow,
        )

    def with_config(self, config: Config) -> "Case":
        """The same bench on another configuration. Errors: `CaseError` where it takes none."""
        if self.config is None:
            raise CaseError(f"case {self} must have a configuration to take another preset: it has none")
        return replace(self, config=config, params={**self.params, **self.elsewhere})

    def with_seed(self, seed: int) -> "Case":
        """The same with another seed, also where it is a parameter of the bench."""
        own = {"seed": seed} if "seed" in self.params else {}
        return replace(self, seed=seed, params={**self.params, **own})


def blocks() -> list[str]:
    """Folders of `verif` with a table of cases."""
    return sorted(path.parent.name for path in VERIF.glob("*/bench.py"))


def cases(block: str) -> dict[str, Case]:
    """The cases of a block by name, in the table's order. Errors: `CaseError`."""
    if block not in blocks():
        raise CaseError(f"block must be one of {blocks()}, not {block!r}")
    table: Sequence[Case] = importlib.import_module(f"verif.{block}.bench").CASES
    return {case.name: case for case in table}


def find_case(block: str, name: str) -> Case:
    """Errors: `CaseError`."""
    found = cases(block)
    if name not in found:
        raise CaseError(f"case of {block} must be one of {list(found)}, not {name!r}")
    return found[name]


def case_text(case: Case, *, kept: bool = True) -> str:
    """The Verilog of a case; `kept` takes what an earlier emission left.

    Nothing of the component may be replaced inside this process then.
    """
    made = case.component() if case.config is None else case.component(case.config)
    if isinstance(made, str):
        return made
    return bench_text(
        made,
        inlined=case.inlined,
        idle_clocks=case.idle_clocks,
        collisions=case.collisions,
        kept=kept,
    )


def run_case(
    case: Case,
    *,
    text: str | None = None,
    simulator: str | None = None,
    params: Mapping[str, Any] | None = None,
    plusargs: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    only: str | None = None,
    kept: bool = True,
    junit: Path | None = None,
    waves: Waves | None = None,
) -> int:
    """Build a case, run it, and return how many tests ran.

    Parameters: `text` Verilog in place of the component's (a planted fault); `simulator`, `params` (merged) and `only`
    in place of the case's; `plusargs` and `environment` for the simulation (`COCOTB_MAX_FAILURES=1`); `kept` as in
    `case_text`; `junit` a folder that keeps the results as JUnit; `waves` of all that the bench does.
    Errors: `BenchFailure`, also where other than `case.tests` tests ran, unless `only` picks some.
    """
    simulator = simulator or case.simulator
    text = case_text(case, kept=kept) if text is None else text
    with tempfile.TemporaryDirectory(prefix="makalu-bench-") as folder:
        prepared = case.prepare(Path(folder), case.config) if case.prepare else Prepared({})
        config = {} if case.config is None else {"config": case.config}
        ran = cocotb_bench(
            sources={f"{case.top}.v": text},
            top=case.top,
            name=case.build or case.block,
            label=str(case),
            test_module=case.module,
            simulator=simulator,
            params={**config, **case.params, **prepared.params, **(params or {})},
            hierarchical=case.hierarchical,
            parameters=case.parameters,
            plusargs=[*prepared.plusargs, *plusargs],
            variables=environment,
            inner=case.inner,
            seed=case.seed,
            test_filter=only or case.only,
            junit=junit,
            waves=waves,
        )
    if only is None and ran != case.tests:
        raise BenchFailure(f"{case}: {case.tests} tests must run, not {ran}")
    return ran
