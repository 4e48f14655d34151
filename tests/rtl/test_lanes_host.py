"""The C++ around the cores of `lanes`: its memory against memory.v, the whole program against the harness."""

import hashlib
import json
import os
import random
import re
import subprocess

import numpy as np
import pytest
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from makalu.spec.isa import Queue
from makalu.spec.memory import NO_STALLS, MemoryTiming, StallProbabilities
from makalu.spec.preset import load_preset
from makalu.spec.versions import versions
from makalu.sw.paths import BUILD, ROOT, RTL_SOURCES
from makalu.sw.rtl.lock import alone, work_folder
from makalu.sw.rtl.machine import Machine
from makalu.sw.rtl.memory import MEMORY_SOURCE, memory_plusargs
from makalu.sw.rtl.simulators import WAIVED, environment, verilator_root
from tests.rtl.copy_core import FORBIDDEN, CopyCore

HOST, HERE = RTL_SOURCES / "lanes", ROOT / "tests" / "rtl" / "lanes"
HEADER, BENCH = HOST / "memory.h", HERE / "memory_bench.cpp"
FILES = [HEADER, HOST / "host.h", HOST / "main.cpp", BENCH, HERE / "model.h", MEMORY_SOURCE]
COMPILE = ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror"]


def kept(name, parts, make):
    """A folder in build/ that `make(folder)` filled, or an earlier test of the same sources and `parts`."""
    identity = json.dumps([parts, [path.read_text() for path in FILES], versions()])
    final = BUILD / "lanes-tests" / f"{name}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    with alone(final):
        if not final.is_dir():
            with work_folder(final) as work:
                make(work)
                work.rename(final)
    return final


def call(command, **arguments):
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL, **arguments)


# the memory

SIZE = 1 << 14
WIDTHS = {8: 8, 64: 16}
"""Bytes of a data beat and of an instruction beat."""
CYCLES, RUNS = 20_000, 10
PLANTS = {
    "latency": ("now_ + 1 + latency_, a.len", "now_ + 2 + latency_, a.len"),
    "tokens": ("kCapBeats = 2", "kCapBeats = 3"),
    "first": ("last_was_write_ = true", "last_was_write_ = false"),
    "turns": ("!data.want || !last_was_write_", "!data.want || last_was_write_"),
    "held": (" && !port.held", ""),
    "last": ("w_error_ |= wrong || in.w_last != ends", "w_error_ |= wrong"),
    "outside": ("place > limit_ - bytes", "place > limit_"),
    "stalls": ("offer && moves(beats)", "offer && (moves(beats) || moves(addresses))"),
    "strobes": ("in.w_strb == ~uint64_t{0} >> (64 - kDataBytes)", "in.w_strb"),
    "left": ("void pop() { ++head", "void pop() { ring[head] = {}; ++head"),
}
"""Faults of the twin that the comparison must see: a text of memory.h and another one."""


def memory_bench(data_bytes, header):
    """The compiled comparison of memory.v with the twin in the text `header`."""
    parameters = {"DATA_BYTES": data_bytes, "INSTRUCTION_BYTES": WIDTHS[data_bytes], "SIZE": SIZE}
    fast = ["-O3", "--x-assign", "fast", "--x-initial", "fast", *(f"-Wno-{name}" for name in WAIVED)]
    variables = {**os.environ, **environment()}

    def verilate(work):
        values = [f"-G{name}={value}" for name, value in parameters.items()]
        command = ["verilator", "--cc", "--build", "--top-module", "memory", "--Mdir", work, *fast, *values]
        call([*command, MEMORY_SOURCE], env=variables)

    def compile_bench(work):
        (work / "memory.h").write_text(header)
        defines = [f"-D{name}={value}" for name, value in parameters.items()]
        system = [f"-I{work}", f"-I{model}", "-isystem", verilator_root() / "include"]
        libraries = [model / "libVmemory.a", model / "libverilated.a", "-pthread"]
        call([*COMPILE, "-O1", *defines, *system, BENCH, *libraries, "-o", work / "bench"])

    model = kept(f"memory-{data_bytes}", parameters, verilate)
    return kept(f"bench-{data_bytes}", [parameters, header], compile_bench) / "bench"


def memory_run(bench, data_bytes, seed, folder):
    """Counts of one run's traffic; `AssertionError` with the first difference."""
    rng = random.Random(seed)
    size = rng.choice([SIZE, SIZE - 4, 4096])
    rates = [(2 * data_bytes, 1), (data_bytes, 1), (3 * data_bytes, 2), (377, 100), (1, 2), (data_bytes, 3)]
    numerator, denominator = rates[seed % len(rates)]
    limits = [rng.choice([1, 2, 7, 64, 256]) for _ in range(3)]
    names = ("outstanding_reads", "outstanding_writes", "outstanding_instructions")
    outstanding = dict(zip(names, limits, strict=True))
    latency = [0, 1, 17, 100][seed % 4]
    timing = MemoryTiming(latency=latency, numerator=numerator, denominator=denominator, **outstanding)
    chances = [rng.choice([0, 10, 100, 255]) for _ in range(7)] if seed % 2 else [0] * 7
    channels = dict(zip(("aw", "w", "b", "ar", "r", "iar", "ir"), chances, strict=True))
    stalls = StallProbabilities(**channels, seed=rng.randrange(1 << 32))
    image, dump, log = folder / "image", folder / "dump", folder / "log"
    image.write_bytes(rng.randbytes(rng.choice([size, size // 2, SIZE])))
    arguments = memory_plusargs(timing, size=size, stalls=stalls, image=image, dump=dump, log=log)
    command = [bench, *arguments, f"+cycles={CYCLES}", f"+traffic={seed}"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for path in (dump, log):
        assert path.read_bytes() == path.with_name(path.name + ".twin").read_bytes(), path.name
    words = done.stdout.split()
    return dict(zip(words[::2], map(int, words[1::2]), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("data_bytes", WIDTHS)
def test_memory_is_the_twin_of_the_verilog(data_bytes, tmp_path):
    bench = memory_bench(data_bytes, HEADER.read_text())
    total = dict.fromkeys(["cycles"], 0)
    for seed in range(RUNS):
        for name, count in memory_run(bench, data_bytes, seed, tmp_path).items():
            total[name] = total.get(name, 0) + count
    assert total["cycles"] == RUNS * CYCLES
    assert len(total) == 12 and min(total.values()) > 100, total


@pytest.mark.slow
@pytest.mark.parametrize("plant", PLANTS)
def test_a_fault_of_the_twin_is_seen(plant, tmp_path):
    text, wrong = PLANTS[plant]
    header = HEADER.read_text()
    assert header.count(text) == 1
    bench = memory_bench(8, header.replace(text, wrong))
    with pytest.raises(AssertionError, match=r"cycle \d+: \w+"):
        for seed in range(RUNS):
            memory_run(bench, 8, seed, tmp_path)


# the program

CONFIG = load_preset("tiny")
BEAT = CONFIG.bus.data_bytes
OBSERVE_BITS = 74 + 73 + 82 + 73
BYTES, PROGRAM, TARGET, MOST, MUTE = 4096, 0x800, 0x400, 1 << 16, 0x7FFC
START = {Queue.TENSOR: PROGRAM}
TIMING = MemoryTiming(latency=10, numerator=BEAT)
STALLS = StallProbabilities(aw=200, w=200, b=200, ar=200, r=200, iar=200, ir=200, seed=9)


class SlicedCopyCore(wiring.Component):
    """CopyCore with a register in its R channel, because a core's `w_valid` must not look at `r_valid`.

    Another one in the registers' AW: an address is taken before its data, and addresses in odd cycles only. `observe`
    shows all inputs besides; there is no answer at the register `MUTE`.
    """

    def __init__(self, *, config):
        self.config = config
        self.inner = CopyCore(config=config)
        observe = wiring.Out(OBSERVE_BITS)
        super().__init__({**self.inner.signature.members, "observe": observe})

    def inputs(self):
        host, data, fetch = self.control, self.data, self.instructions
        write = [host.aw.valid, host.aw.addr, host.w.valid, host.w.data, host.w.strb, host.b.ready]
        access = [*write, host.ar.valid, host.ar.addr, host.r.ready]
        write = [data.aw.ready, data.w.ready, data.b.valid, data.b.resp, data.b.id]
        reads = [[p.ar.ready, p.r.valid, p.r.data, p.r.resp, p.r.last, p.r.id] for p in (data, fetch)]
        return [*access, *write, *reads[0], *reads[1]]

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = inner = self.inner
        connect(m, inner.instructions, flipped(self.instructions))
        for name in ("aw", "w", "b", "ar"):
            connect(m, getattr(inner.data, name), getattr(flipped(self.data), name))
        full, waiting, odd = Signal(), Signal(), inner.observe[0]
        fields = ("data", "resp", "last", "id")
        mine, its = self.data.r, inner.data.r
        beat = [Signal.like(getattr(mine, name), name=f"kept_{name}") for name in fields]
        m.d.comb += [its.valid.eq(full), mine.ready.eq(~full | its.ready)]
        m.d.comb += [getattr(its, name).eq(value) for name, value in zip(fields, beat, strict=True)]
        with m.If(mine.valid & mine.ready):
            m.d.sync += [full.eq(1), *(value.eq(getattr(mine, name)) for name, value in zip(fields, beat, strict=True))]
        with m.Elif(its.ready):
            m.d.sync += full.eq(0)
        for name in ("w", "b", "r"):
            connect(m, getattr(flipped(self.control), name), getattr(inner.control, name))
        address, its = Signal.like(self.control.aw.addr), inner.control.aw
        m.d.comb += [its.addr.eq(address), its.valid.eq(waiting & (address != MUTE))]
        m.d.comb += self.control.aw.ready.eq(~waiting & odd)
        with m.If(self.control.aw.valid & self.control.aw.ready):
            m.d.sync += [waiting.eq(1), address.eq(self.control.aw.addr)]
        with m.Elif(its.valid & its.ready):
            m.d.sync += waiting.eq(0)
        mine, its = self.control.ar, inner.control.ar
        m.d.comb += [its.addr.eq(mine.addr), its.valid.eq(mine.valid & odd & (mine.addr != MUTE))]
        m.d.comb += mine.ready.eq(its.ready & odd & (mine.addr != MUTE))
        m.d.comb += [self.irq.eq(inner.irq), self.observe.eq(Cat(inner.observe, *self.inputs()))]
        return m


@pytest.fixture(scope="module")
def machine():
    core = SlicedCopyCore(config=CONFIG)
    built = Machine(config=CONFIG, observe="trace", fast=True, memory_bytes=MOST, core=core)
    built.build()
    assert built.observe_bits == OBSERVE_BITS
    return built


def program(lanes):
    """Compiled for that many cores at once."""

    def compile_program(work):
        defines = [f"-DLANES={lanes}", f"-DMEMORY_BYTES={MOST}"]
        call([*COMPILE, "-O2", *defines, f"-I{HERE}", HOST / "main.cpp", "-o", work / "main"])

    return [str(kept(f"main-{lanes}", lanes, compile_program) / "main")]


def start(folder, script, *, timing=TIMING, stalls=NO_STALLS, content=3, target=TARGET):
    """Plusargs of a run in a new folder."""
    folder.mkdir(parents=True)
    image = np.random.default_rng(content).integers(0, 256, BYTES, np.uint8)
    image[PROGRAM : PROGRAM + 8] = np.frombuffer(target.to_bytes(8, "little"), np.uint8)
    image.tofile(folder / "image")
    (folder / "script").write_text(script)
    paths = {name: folder / name for name in ("image", "dump", "log")}
    others = [f"+{name}={folder / name}" for name in ("script", "result", "trace")]
    return [*memory_plusargs(timing, size=BYTES, stalls=stalls, **paths), *others, "+verilator+rand+reset+2", "+seed=0"]


def execute(command, arguments):
    """Exit code and what the program said, less Verilator's own line."""
    done = subprocess.run(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=60
    )
    said = [line for line in done.stdout.splitlines() if not line.startswith(("- ", "progress"))]
    return done.returncode, said


def left(folder):
    """The files that a run left, their wall clock taken out."""
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in ("image", "script")}
    if "result" in files:
        files["result"] = re.sub(rb"(?m)^at .*\n| \d+\.\d{6}$", b"", files["result"])
    return files


def scripts(machine):
    once = machine.script(START, 1000, 0)
    return {
        "once": once,
        "twice": machine.script(START, 1000, 0, before=[START]),
        "timeout": machine.script(START, 5, 0),
        "waits": "wait 0\nwait 1\nread 1c\nwait 83\nread 1c\n" + once + "wait 10\nwait 0\n",
        "empty": "",
        "open end": "read 1c\nwait",
        "no data": "write 100 800\nwrite 8\n",
        "not a word": "read 1c\njump 4\n",
        "mute write": f"write 100 800\nwrite {MUTE:x} 1\nread 1c\n",
        "mute read": f"wait 7\nread {MUTE:x}\n",
    }


FAILS = {
    "no data": "harness: write without data in cycle 4",
    "not a word": "harness: jump in cycle 3",
    "mute write": "harness: no answer to a write in cycle 10004",
    "mute read": "harness: no answer to a read in cycle 10007",
}
TIMINGS = {
    "plain": (TIMING, NO_STALLS),
    "stalls": (TIMING, STALLS),
    "slow": (MemoryTiming(latency=0, numerator=1, denominator=3, outstanding_reads=1), NO_STALLS),
    "both": (MemoryTiming(latency=33, numerator=5, outstanding_writes=1), STALLS),
}


@pytest.mark.parametrize("name", TIMINGS)
def test_a_run_leaves_what_the_harness_leaves(machine, name, tmp_path):
    timing, stalls = TIMINGS[name]
    for script, text in scripts(machine).items():
        runs = []
        for simulator, command in {"verilator": machine.build().command, "1": program(1), "3": program(3)}.items():
            folder = tmp_path / script / simulator
            runs.append((execute(command, start(folder, text, timing=timing, stalls=stalls)), left(folder)))
        assert runs[0] == runs[1] == runs[2], script
        (code, said), files = runs[0]
        assert (code != 0) == ("dump" not in files) == (script in FAILS), (script, said)
        assert said == [FAILS[script]] if code else not said
        assert files["result"] or script in ("empty", "not a word")
    assert files.keys() == {"result", "trace", "log"}


def test_what_is_missing_is_said_as_the_harness_says_it(machine, tmp_path):
    said = {}
    for simulator, command in {"verilator": machine.build().command, "lanes": program(3)}.items():
        plain = start(tmp_path / simulator, "read 1c\n")

        def without(name, value=None, plain=plain):
            rest = [each for each in plain if not each.startswith(f"+{name}=")]
            return rest if value is None else [*rest, f"+{name}={value}"]

        said[simulator] = [
            execute(command, arguments)
            for arguments in (
                without("script"),
                without("script", "/nowhere/script"),
                without("result", "/nowhere/result"),
                without("trace", "/nowhere/trace"),
                without("latency"),
                without("size", MOST + 4),
                without("image", "/nowhere/image"),
                [*without("trace"), "+trace="],
                [*without("log"), "+log=/nowhere/log"],
                [*without("dump"), "+dump=/nowhere/dump"],
            )
        ]
    for one, other in zip(said["verilator"], said["lanes"], strict=True):
        assert one[0] == other[0] and sorted(one[1]) == sorted(other[1])  # stdout and stderr, in any order
    assert [code for code, _ in said["lanes"]] == [1] * 7 + [0] * 3
    assert said["lanes"][5][1] == [
        f"memory: 0 plusargs are missing, or size {MOST + 4} is above {MOST}",
        "harness: the model finished in cycle 0",
    ]


def jobs(tmp_path, name, machine):
    """Plusargs of seven runs that end at different times."""
    choices = [*TIMINGS.values(), *TIMINGS.values()][:7]
    texts = list(scripts(machine).values())[:5]
    return [
        start(tmp_path / name / str(i), texts[i % 5], timing=timing, stalls=stalls, content=i)
        for i, (timing, stalls) in enumerate(choices)
    ]


def test_jobs_leave_what_single_runs_leave(machine, tmp_path):
    for arguments in jobs(tmp_path, "single", machine):
        assert execute(program(1), arguments) == (0, [])
    expected = [left(tmp_path / "single" / str(i)) for i in range(7)]
    for lanes in (1, 3):
        lines = [" ".join(arguments) for arguments in jobs(tmp_path, f"jobs{lanes}", machine)]
        (tmp_path / "jobs").write_text("\n".join(lines) + "\n")
        assert execute(program(lanes), [f"+jobs={tmp_path / 'jobs'}"]) == (0, [])
        assert [left(tmp_path / f"jobs{lanes}" / str(i)) for i in range(7)] == expected
    assert len({files["trace"] for files in expected}) == 7


def test_a_job_that_fails_leaves_the_others_alone(machine, tmp_path):
    plans = jobs(tmp_path, "single", machine)
    for arguments in plans:
        execute(program(1), arguments)
    plans = jobs(tmp_path, "jobs", machine)
    (tmp_path / "jobs" / "1" / "script").write_text("read 1c\njump 4\n")
    (tmp_path / "jobs" / "3" / "image").unlink()
    lines = [" ".join(arguments) for arguments in plans]
    lines.insert(5, "")
    (tmp_path / "list").write_text("\n".join(lines))
    code, said = execute(program(3), [f"+jobs={tmp_path / 'list'}"])
    assert code == 1 and sorted(said) == [
        "harness: the model finished in cycle 0",
        "job 2: harness: jump in cycle 3",
        f"job 4: memory: image cannot be opened: {tmp_path}/jobs/3/image",
    ]
    for i in (0, 2, 4, 5, 6):
        assert left(tmp_path / "jobs" / str(i)) == left(tmp_path / "single" / str(i))
    assert execute(program(3), ["+jobs=/nowhere"]) == (1, ["jobs cannot be opened: /nowhere"])


def test_an_assertion_that_fails_is_said_with_its_cycle(machine, tmp_path):
    text = machine.script(START, 1000, 0)
    (code, said), (other, lanes_said) = (
        execute(command, start(tmp_path / name, text, target=FORBIDDEN))
        for name, command in {"verilator": machine.build().command, "lanes": program(1)}.items()
    )
    cycle = re.fullmatch(r"harness: an assertion failed in cycle (\d+)", said[-1])[1]
    assert code == other == 1 and "nothing is copied there" in said[0]
    assert lanes_said == [f"harness: assertion failed: nothing is copied there (core 0) in cycle {cycle}"]
    plans = [start(tmp_path / str(i), text, target=FORBIDDEN if i == 2 else TARGET) for i in range(4)]
    (tmp_path / "jobs").write_text("\n".join(" ".join(arguments) for arguments in plans))
    assert execute(program(3), [f"+jobs={tmp_path / 'jobs'}"]) == (1, [f"job 3: {lanes_said[0]}"])
    assert [(tmp_path / str(i) / "dump").exists() for i in range(4)] == [True, True, False, True]


def test_says_how_far_it_is(tmp_path):
    arguments = [each for each in start(tmp_path / "run", f"wait {1 << 60:x}\n") if not each.startswith("+trace")]
    (tmp_path / "jobs").write_text(" ".join(arguments))
    for plus in (arguments, [f"+jobs={tmp_path / 'jobs'}"]):
        with subprocess.Popen([*program(1), *plus], stdout=subprocess.PIPE, text=True) as process:
            said = [int(re.fullmatch(r"progress (\d+)\n", process.stdout.readline())[1]) for _ in range(2)]
            process.kill()
        assert 0 < said[0] < said[1] if plus == arguments else said == [0, 0]


def test_notes_of_the_clocks(tmp_path):
    cycles = 3_000_000
    arguments = start(tmp_path / "run", f"wait {cycles:x}\nread 1c\n")
    arguments = [each for each in arguments if not each.startswith("+trace")]
    assert execute(program(1), arguments) == (0, [])
    *notes, wait, read = (line.split() for line in (tmp_path / "run" / "result").read_text().splitlines())
    assert wait[:3] == ["wait", str(cycles), "0"] and read == ["read", "1c", "0", "0"] and notes
    seen = [(int(cycle), float(seconds), float(cpu)) for _, cycle, seconds, cpu in notes]
    assert all(list(column) == sorted(column) for column in zip(*seen, strict=True))
    assert all(cycle % 128 == 0 for cycle, *_ in seen) and 0 < seen[0][2] and seen[-1][1] <= float(wait[3])
    (tmp_path / "jobs").write_text(" ".join(arguments))
    assert execute(program(1), [f"+jobs={tmp_path / 'jobs'}"]) == (0, [])
    assert "at" not in (tmp_path / "run" / "result").read_text()
