"""Mutants of blocks, run by the blocks' own benches; what came of each is kept, a line a mutant.

A record's name has a digest of all that decides an outcome: text, bench with all that it imports, seed, versions of
tools. So a call that was stopped goes on where it was, one for more mutants runs only those, and a block of which one
of these is another begins anew.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from typing import Any

from makalu.spec.errors import MakaluError
from makalu.spec.versions import versions
from makalu.spec.whole_file import write_whole
from makalu.sw.paths import ROOT
from makalu.sw.rtl.equal import is_equal
from makalu.sw.rtl.imports import imported_digest
from makalu.sw.rtl.jobs import Done, run_jobs
from makalu.sw.rtl.mutants import CONTROL, Mutant, Mutated, mutated, plusarg
from makalu.sw.rtl.runner import BENCHES, BenchFailure
from makalu.sw.rtl.survivors import MutatedBlock

__all__ = ["MutantRun", "Outcome", "RecordError", "prepared", "run_controls", "run_mutants"]

_TIMES, _MORE = 10, 30
"""A mutant has so many times the seconds of the control, and so many seconds more: the machine may be busy."""
_BUILD_SECONDS = 3600
_MESSAGE = 300


class RecordError(MakaluError, RuntimeError):
    """A control does not pass, a run gave no answer, or a record is damaged."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Of one mutant: `killed` by the bench or by the limit, or lives and is `equal` to the control, as was proved; what
    was `seen` of it first, `seconds` of the run.
    """

    number: int
    name: str
    killed: bool
    equal: bool
    seen: str
    seconds: float


@dataclass(kw_only=True)
class MutantRun:
    """One block: what is run, and by number what came of it so far, the control's outcome included."""

    block: MutatedBlock
    case: Any
    mutated: Mutated
    path: Path
    outcomes: dict[int, Outcome] = field(default_factory=dict)

    @property
    def survivors(self) -> list[Mutant]:
        """Those that live and are not proved to be equal. Errors: `KeyError` where not all have run."""
        every = ((mutant, self.outcomes[mutant.number]) for mutant in self.mutated.mutants)
        return [mutant for mutant, outcome in every if not outcome.killed and not outcome.equal]

    @property
    def equal(self) -> int:
        """How many are proved to be equal to the control."""
        return sum(outcome.equal for outcome in self.outcomes.values())

    @property
    def todo(self) -> list[int]:
        """Mutants without an outcome."""
        return [each.number for each in self.mutated.mutants if each.number not in self.outcomes]

    @property
    def limit(self) -> float:
        """Seconds."""
        return _MORE + _TIMES * self.outcomes[CONTROL].seconds

    def keep(self, outcome: Outcome) -> None:
        """In memory, and as a line of the record."""
        self.outcomes[outcome.number] = outcome
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(outcome)) + "\n")

    def read(self) -> None:
        """What earlier calls left, of more mutants or of fewer; half a line at the end goes. Errors: `RecordError`."""
        if not self.path.is_file():
            return
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        if whole != lines:
            write_whole(self.path, "".join(whole))
        try:
            found = [Outcome(**json.loads(line)) for line in whole]
        except (TypeError, ValueError) as error:
            raise RecordError(f"{self.path} is no record of mutants; delete it to begin anew") from error
        names = ["control", *(mutant.name for mutant in self.mutated.mutants)]
        self.outcomes = {outcome.number: outcome for outcome in found if outcome.number < len(names)}
        if any(outcome.name != names[number] for number, outcome in self.outcomes.items()):
            raise RecordError(f"{self.path} is of other mutants; delete it to begin anew")


def prepared(library: Any, block: MutatedBlock, *, seed: int, count: int, folder: Path) -> MutantRun:
    """A block with its mutants and what is recorded of them in `folder`. `library` is `verif.lib.cases`.

    Errors: `RecordError`, those of `mutated` and of the library for a case that is not there.
    """
    case = replace(library.find_case(block.bench, block.case), hierarchical=False, build=f"mutants-{block.name}")
    component = case.component() if case.config is None else case.component(case.config)
    faults = mutated(component, top=case.top, parts=block.parts, count=count, seed=seed)
    modules = [case.module, *([case.prepare.__module__] if case.prepare else [])]
    bench = [imported_digest(ROOT, module) for module in modules]
    judges = [repr(case.config), repr(case.params), case.seed, bench, versions()]
    digest = sha256(json.dumps([faults.plain, block.parts, *judges]).encode()).hexdigest()[:12]
    run = MutantRun(block=block, case=case, mutated=faults, path=folder / f"{block.name}-{seed}-{digest}.jsonl")
    run.read()
    return run


def _call(library: Any, run: MutantRun, number: int) -> tuple[bool, bool, str]:
    """Whether the bench sees mutant `number`, or else whether nothing could, and what was seen."""
    arguments, variables = [plusarg(number)], {"COCOTB_MAX_FAILURES": "1"}
    try:
        library.run_case(run.case, text=run.mutated.verilog, plusargs=arguments, environment=variables)
    except BenchFailure as failure:
        lines = str(failure).splitlines()
        # the control's message whole; of the others the first difference
        return True, False, str(failure) if number == CONTROL else lines[min(1, len(lines) - 1)][:_MESSAGE]
    if number == CONTROL:
        return False, False, ""
    return False, is_equal(run.mutated.netlist, run.mutated.mutants[number - 1]), ""


def _outcome(run: MutantRun, number: int, done: Done) -> Outcome:
    name = "control" if number == CONTROL else run.mutated.mutants[number - 1].name
    if done.value is None and not done.late:
        raise RecordError(f"{run.block.name}: the run of {name} ended without an answer; call again to go on")
    killed, equal, seen = (True, False, "the limit of time") if done.late else done.value
    return Outcome(number=number, name=name, killed=killed, equal=equal, seen=seen, seconds=round(done.seconds, 2))


def run_controls(library: Any, runs: Sequence[MutantRun], *, workers: int, report: Callable[[str], None]) -> None:
    """Build what was not built, and run each text as it was; twice, since only the second time shows how long a run is.

    Errors: `RecordError` for a bench that does not pass.
    """
    todo = [run for run in runs if CONTROL not in run.outcomes]
    for again in (False, True):
        for done in run_jobs(
            lambda n: _call(library, todo[n], CONTROL),
            range(len(todo)),
            workers=workers,
            limit=lambda _: _BUILD_SECONDS,
        ):
            run = todo[done.number]
            outcome = _outcome(run, CONTROL, done)
            if outcome.killed:
                raise RecordError(f"{run.block.name}: its bench must pass without a mutant:\n{outcome.seen}")
            if again:
                run.keep(outcome)
            else:
                report(f"{run.block.name}: built, and passes without a mutant, in {done.seconds:.0f} s")


def run_mutants(library: Any, runs: Sequence[MutantRun], *, workers: int) -> Iterator[MutantRun]:
    """Run every mutant without an outcome, one of each block in turn, so that a call that is stopped has seen something
    of all; gives the run that has one more each time.
    """
    todo = sorted(((run, number) for run in runs for number in run.todo), key=lambda pair: pair[1])
    try:
        for done in run_jobs(
            lambda n: _call(library, *todo[n]),
            range(len(todo)),
            workers=workers,
            limit=lambda n: todo[n][0].limit,
        ):
            run, number = todo[done.number]
            run.keep(_outcome(run, number, done))
            yield run
    finally:
        for name in {run.block.name for run, _ in todo}:  # a bench that fails leaves its log; the record says enough
            for left in BENCHES.glob(f"mutants-{name}-*/run-*"):
                rmtree(left, ignore_errors=True)
