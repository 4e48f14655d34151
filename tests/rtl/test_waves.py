# amaranth: UnusedElaboratable=no
"""Waveforms: the FST of a run holds every signal by its path, with the changes that the run's own trace shows."""

import random
import subprocess
import zlib

import numpy as np
import pytest

from makalu.spec.isa import Queue
from makalu.sw.paths import RTL_SOURCES
from makalu.sw.rtl.machine import Machine
from makalu.sw.rtl.waves import Waves, WavesError
from tests.rtl.copy_core import CopyCore
from tests.rtl.fst import lz4_block, read_fst
from tests.rtl.test_machine import BEAT, CONFIG, PROGRAM, TARGET, TIMING, image
from verif.lib.cases import find_case, run_case

RESET_NS, CYCLE_NS = 16, 2
CYCLES = 41
"""What a run of the copying core takes."""
TOP = {"verilator": "TOP.bench.core", "icarus": "host.bench.core"}


def copier(simulator, *, waves):
    return Machine(
        config=CONFIG,
        simulator=simulator,
        observe="trace",
        memory_bytes=1 << 16,
        core=CopyCore(config=CONFIG),
        waves=waves,
    )


@pytest.fixture(scope="module", params=["verilator", pytest.param("icarus", marks=pytest.mark.icarus)])
def machine(request):
    return copier(request.param, waves=True)


def run(machine, waves=None):
    return machine.run(image(), {Queue.TENSOR: PROGRAM}, max_cycles=1000, memory=TIMING, waves=waves)


def cycle_of(change):
    return (change[0] - RESET_NS) // CYCLE_NS


def test_a_file_has_what_the_trace_has(machine, tmp_path):
    """`observe` has a row's bits in the row's cycle; a register below the top has its name, and changes once."""
    result = run(machine, Waves(tmp_path / "new" / "run.fst"))
    signals, core = read_fst(tmp_path / "new" / "run.fst"), TOP[machine.simulator]
    rows = np.fromfile(result.trace, np.uint8).reshape(-1, 1 + BEAT + 1)
    shown = {cycle_of(change): change[1] for change in signals[f"{core}.observe"]}
    known = [cycle for cycle in range(1, len(rows)) if "x" not in shown[cycle]]  # its counter moves in each
    assert len(known) > CYCLES
    for cycle in known:
        assert int(shown[cycle], 2) == int.from_bytes(rows[cycle].tobytes(), "little"), cycle
    (_, before), fetched = signals[f"{core}.target"]
    low, done = signals[f"{core}.irq"]
    assert (int(before, 2), int(fetched[1], 2), low[1], done[1]) == (0, TARGET, "0", "1")
    # from the first fetched beat on: the read, its beats and the write's answer
    assert cycle_of(done) - cycle_of(fetched) == CYCLES - TIMING.latency - 2


def test_a_part_of_a_run_is_a_part_of_the_file(machine, tmp_path):
    run(machine, Waves(tmp_path / "whole.fst"))
    run(machine, Waves(tmp_path / "part.fst", first=40, cycles=10))
    name = f"{TOP[machine.simulator]}.observe"
    whole, part = (read_fst(tmp_path / f"{file}.fst")[name] for file in ("whole", "part"))
    inside = [change for change in whole if 40 <= cycle_of(change) < 50]
    assert len(inside) == 10 and [change for change in part if cycle_of(change) < 50] == inside


def test_a_run_without_waves_is_the_same(machine):
    assert run(machine).cycles == CYCLES


def test_a_machine_must_be_made_for_waves(tmp_path):
    with pytest.raises(ValueError, match="must be made with waves=True to write waves"):
        run(copier("verilator", waves=False), Waves(tmp_path / "never.fst"))


def test_lanes_writes_no_waves():
    with pytest.raises(WavesError, match="waves are written by verilator and icarus, not by lanes"):
        copier("lanes", waves=True)


@pytest.mark.icarus
def test_a_bench_writes_waves(tmp_path):
    """A cell of the nest, deep below the top, shows one more than the cell before it showed a cycle earlier."""
    assert run_case(find_case("emit", "emitted-icarus"), waves=Waves(tmp_path / "bench.fst")) == 1
    signals = read_fst(tmp_path / "bench.fst")
    first, second = (dict(signals[f"dut.row_1.cell_{n}.o"]) for n in (0, 1))
    edges = [time for time, value in signals["dut.clk"] if value == "1"]
    began = signals["dut.rst"][-1][0]
    compared = 0
    for now, after in zip(edges, edges[1:], strict=False):
        if now > began and now in first:
            assert int(second[after], 2) == (int(first[now], 2) + 1) % 256
            compared += 1
    assert compared > 100


@pytest.mark.parametrize(
    ("waves", "message"),
    [
        (("a.vcd",), "must go to a file that ends in .fst, not to .*a.vcd"),
        (("file/b.fst",), r"must go to a folder that can be written to, not .*b.fst \(.*exists"),
        (("a.fst", -1), "must be of at least one cycle from 0 on, not None from -1"),
        (("a.fst", 3, 0), "must be of at least one cycle from 0 on, not 0 from 3"),
    ],
)
def test_bad_waves_are_refused(tmp_path, waves, message):
    (tmp_path / "file").touch()
    path, *rest = waves
    with pytest.raises(WavesError, match=message):
        Waves(tmp_path / path, *rest)


CODEC = """
#include <cstdio>
#include <vector>
#include "lz4.h"
#include "zlib.h"
int main(int, char** argv) {
    std::vector<char> in;
    for (int c; (c = std::getchar()) != EOF;) in.push_back(static_cast<char>(c));
    const bool lz4 = argv[1][0] == 'l';
    uLongf size = lz4 ? LZ4_compressBound(in.size()) : compressBound(in.size());
    std::vector<char> out(size + 1);
    if (lz4)
        size = LZ4_compress_default(in.data(), out.data(), in.size(), size);
    else if (compress2(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<Bytef*>(in.data()), in.size(), 9))
        return 1;
    std::fwrite(out.data(), 1, size, stdout);
}
"""


def contents():
    """Short ones around the format's limits, ones with near and far repetitions, one that cannot be made smaller."""
    draw = random.Random(3)
    noise = draw.randbytes(70_000)
    few = bytes(draw.choice(b"ab") for _ in range(20_000))
    far = noise[:40] + bytes(66_000) + noise[:60]
    runs = [b"a" * count for count in (0, 1, 5, 12, 13, 17, 18, 280, 5000)]
    return [*runs, b"01x" * 50, few, noise, noise[:270], far]


def test_what_verilator_compresses_with_is_read_back(tmp_path):
    (tmp_path / "codec.cpp").write_text(CODEC)
    command = ["g++", "-O1", f"-I{RTL_SOURCES}", "-Wall", "-Wextra", "-Werror", "codec.cpp", "-o", "codec"]
    subprocess.run(command, cwd=tmp_path, check=True)
    for content in contents():
        packed = {
            codec: subprocess.run([tmp_path / "codec", codec], input=content, capture_output=True, check=True).stdout
            for codec in ("lz4", "zlib")
        }
        assert lz4_block(packed["lz4"], len(content)) == content
        assert zlib.decompress(packed["zlib"]) == content
        if 100 < len(content) < 10_000 and len(set(content)) < 4:  # one word again and again
            assert len(packed["lz4"]) < len(content) / 5
