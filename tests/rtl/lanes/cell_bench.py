"""One C++ program of many small modules, and whether it computes in every lane what the reference computes.

A case is a module with values for its inputs, for 16 instances and some cycles. In a form of fewer lanes a program goes
through the instances in chunks.
"""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from makalu.sw.rtl.lanes.cells import RULES
from makalu.sw.rtl.lanes.emitter import NEXT, NOW, Emitter, Rule
from makalu.sw.rtl.lanes.netlist import Netlist
from makalu.sw.rtl.lanes.nets import WORD, Net
from makalu.sw.rtl.lanes.patterns import patterns
from tests.rtl.lanes.circuit import Circuit
from tests.rtl.lanes.forms import compiled, needed

__all__ = ["INSTANCES", "Case", "Emitted", "Program", "compare"]

INSTANCES = 16
HEADER = """#include "lanes.h"
#include <cstdio>
#include <cstdlib>
#define STRIDE 16u
#define ROW (16u * CYCLES)
#define M(n) (memories[n] + chunk)
"""
MAIN = """
static u32* words(FILE* file, size_t count, size_t copies = 1) {
    u32* all = (u32*)calloc(count * copies + 1, 4);
    for (size_t i = 0; i < count; ++i) {
        if (fread(all + i * copies, 4, 1, file) != 1) exit(1);
        for (size_t k = 1; k < copies; ++k) all[i * copies + k] = all[i * copies];
    }
    return all;
}

int main(int, char** file) {
    FILE* in = fopen(file[1], "rb");
    FILE* out = fopen(file[2], "wb");
    for (const Case& c : cases) {
        const u32* inputs = words(in, c.inputs * ROW);
        u32* state = words(in, c.states * 16u);
        u32* memories[4];
        for (int m = 0; m < c.memories; ++m) memories[m] = words(in, c.words[m], 16);
        u32* outputs = (u32*)calloc(c.outputs * ROW, 4);
        for (u32 chunk = 0; chunk < 16; chunk += LANES)
            for (u32 t = 0; t < CYCLES; ++t)
                c.step(inputs + 16 * t + chunk, outputs + 16 * t + chunk, state + chunk, memories, chunk);
        if (fwrite(outputs, 4, c.outputs * ROW, out) != c.outputs * ROW) return 1;
    }
    return fclose(out);
}
"""


@dataclass
class Case:
    """`stimulus[lane][cycle]`: values of inputs; `start[lane]`: of registers and clocked reads, "cell.port".

    `cuts`: of inputs; `later`: outputs that are read after the edge too; the rest is what an `Emitter` takes.
    """

    name: str
    module: Mapping[str, Any]
    stimulus: Sequence[Sequence[Mapping[str, int]]]
    start: Sequence[Mapping[str, int]]
    cuts: Mapping[str, set[int]] = field(default_factory=dict)
    later: tuple[str, ...] = ()
    rules: Mapping[str, Rule] = field(default_factory=dict)
    """In place of those of the compiler."""
    emitter: type[Emitter] = Emitter
    patterns: bool = False

    @cached_property
    def expected(self) -> list[list[dict[tuple[str, int], int]]]:
        """[lane][cycle]: the reference's outputs, by (port, 1 if after the edge)."""
        circuit = Circuit(self.module)
        return [circuit.run(start, lane, self.later) for start, lane in zip(self.start, self.stimulus, strict=True)]


class Emitted:
    """The C++ of a case: `text`, and which word it reads and writes in which row."""

    def __init__(self, case: Case, name: str) -> None:
        self.case = case
        self.netlist = netlist = Netlist(case.name, case.module, {})
        for port, cuts in case.cuts.items():
            netlist.inputs[port].cuts |= cuts
        netlist.cut()
        clocked = [net for m in netlist.memories for net, enable in zip(m.reads, m.enables, strict=True) if enable]
        self.inputs: list[tuple[Net, int]] = []
        self.states = [(net, part) for net in (*netlist.registers, *clocked) for part in range(len(net.parts))]
        self.outputs = [(port, NOW) for port in netlist.outputs] + [(port, NEXT) for port in case.later]
        found = patterns(netlist) if case.patterns else {}
        self.replaced = len(found)
        self.emitter = e = case.emitter(
            netlist, rules={**RULES, **case.rules}, load_input=self._input, load_register=self._state, patterns=found
        )
        writes = [
            (k, e.number(address), e.numbers(data), e.numbers(enable))
            for k, memory in enumerate(netlist.memories)
            for address, data, enable in memory.writes
        ]
        stores = [word for port, when in self.outputs if when == NOW for word in self._words(port, NOW)]
        after = [e.part(net, part, NEXT) for net, part in self.states]
        for k, address, data, enable in writes:
            memory = netlist.memories[k]
            arrays = f"d[]={{{','.join(data)}}},e[]={{{','.join(enable)}}}"
            call = f"memory_write<{len(data)}>(M({k}),{address},d,e,{memory.size}u,STRIDE)"
            e.statement(f"{{const V {arrays};{call};}}")
        stores += [word for port, when in self.outputs if when == NEXT for word in self._words(port, NEXT)]
        self.rows = len(stores)
        body = [self._load("in", row, "ROW", f"i{row}", *key) for row, key in enumerate(self.inputs)]
        body += [self._load("s", row, "16", f"q{row}", *key) for row, key in enumerate(self.states)]
        body += [line.text for line in e.lines]
        body += [f"st(out+{row}*ROW,{word});" for row, word in enumerate(stores)]
        states = zip(self.states, after, strict=True)
        body += [f"st(s+{row}*16,{self._whole(word, *key)});" for row, (key, word) in enumerate(states)]
        arguments = "const u32*in,u32*out,u32*s,u32*const*memories,u32 chunk"
        self.text = "\n".join([f"static void {name}({arguments}){{", *body, "}"])
        limbs = [m.size * -(-m.width // WORD) for m in netlist.memories]
        numbers = (len(self.inputs), len(self.states), self.rows, len(limbs))
        self.entry = f"{{{name},{','.join(map(str, numbers))},{{{','.join(map(str, limbs))}}}}}"

    def _input(self, net: Net, part: int) -> str:
        if (net, part) not in self.inputs:
            self.inputs.append((net, part))
        return f"i{self.inputs.index((net, part))}"

    def _state(self, net: Net, part: int) -> str:
        return f"q{self.states.index((net, part))}"

    def _words(self, port: str, when: int) -> list[str]:
        """An output's words; a single bit is read as a B."""
        bits = self.netlist.outputs[port]
        return [f"sel({self.emitter.word(bits, when)},1u)"] if len(bits) == 1 else self.emitter.numbers(bits, when)

    @staticmethod
    def _load(array: str, row: int, pitch: str, name: str, net: Net, part: int) -> str:
        word = f"ld({array}+{row}*{pitch})"
        return f"const B {name}=nz({word});" if net.parts[part][1] == 1 else f"const V {name}={word};"

    @staticmethod
    def _whole(word: str, net: Net, part: int) -> str:
        return f"sel({word},1u)" if net.parts[part][1] == 1 else word

    # ---- data

    def given(self) -> bytes:
        """What the program reads: inputs, registers, memories."""
        lanes, start = self.case.stimulus, self.case.start
        cycles = range(len(lanes[0]))
        rows = [[_field(lane[t][net.name], net, part) for t in cycles for lane in lanes] for net, part in self.inputs]
        rows += [[_field(lane[net.name], net, part) for lane in start] for net, part in self.states]
        for memory in self.netlist.memories:
            words = memory.init or [0] * memory.size
            rows += [[word >> at & 0xFFFFFFFF for word in words for at in range(0, memory.width, WORD)]]
        return b"".join(np.array(row, np.uint32).tobytes() for row in rows)

    def wanted(self) -> np.ndarray:
        """Rows of the outputs: [row, cycle * instances]."""
        seen = self.case.expected
        rows = []
        for key in self.outputs:
            values = [lane[t][key] for t in range(len(seen[0])) for lane in seen]
            for at in range(0, len(self.netlist.outputs[key[0]]), WORD):
                rows.append([value >> at & 0xFFFFFFFF for value in values])
        return np.array(rows, np.uint32)


def _field(value: int, net: Net, part: int) -> int:
    low, bits = net.parts[part]
    return value >> low & ((1 << bits) - 1)


class Program:
    """Cases in one program. `count`: values that one run compares."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self.cases = cases
        self.cycles = len(cases[0].stimulus[0])
        self.emitted = [Emitted(case, f"step{i}") for i, case in enumerate(cases)]
        self.given = b"".join(emitted.given() for emitted in self.emitted)
        self.wanted = [emitted.wanted() for emitted in self.emitted]
        self.count = sum(len(emitted.outputs) for emitted in self.emitted) * self.cycles * INSTANCES
        entries = ",\n".join(emitted.entry for emitted in self.emitted)
        step = "void (*step)(const u32*, u32*, u32*, u32* const*, u32)"
        table = f"struct Case {{ {step}; u32 inputs, states, outputs; int memories; u32 words[4]; }};"
        texts = [emitted.text for emitted in self.emitted]
        self.text = "\n".join([HEADER, *texts, f"{table}\nstatic const Case cases[] = {{\n{entries}}};", MAIN])

    def differences(self, form: str, folder: Path, level: str = "-Og") -> dict[str, str]:
        """Names of cases that a run in this form computes wrong, each with the first wrong value."""
        given, got = folder / f"{form}.in", folder / f"{form}.out"
        given.write_bytes(self.given)
        program = compiled(self.text, form, folder, level, f"-DCYCLES={self.cycles}")
        subprocess.run([program, given, got], check=True)
        words = np.fromfile(got, np.uint32)
        out, first = {}, 0
        for emitted, wanted in zip(self.emitted, self.wanted, strict=True):
            mine = words[first : first + wanted.size].reshape(wanted.shape)
            first += wanted.size
            if not np.array_equal(mine, wanted):
                out[emitted.case.name] = self._first(emitted, mine, wanted)
        assert first == len(words)
        return out

    @staticmethod
    def _first(emitted: Emitted, mine: np.ndarray, wanted: np.ndarray) -> str:
        row, at = map(int, np.argwhere(mine != wanted)[0])
        cycle, lane = divmod(at, INSTANCES)
        keys = [key for key in emitted.outputs for _ in range(0, len(emitted.netlist.outputs[key[0]]), WORD)]
        (port, when), limb = keys[row], row - keys.index(keys[row])
        given = {name: hex(value) for name, value in emitted.case.stimulus[lane][cycle].items()}
        place = f"{port} word {limb}{' after the edge' if when == NEXT else ''}, lane {lane}, cycle {cycle}"
        return f"{place}: {mine[row, at]:#x}, not {wanted[row, at]:#x}; inputs {given}"


def compare(program: Program, form: str, folder: Path, level: str = "-Og") -> None:
    """Nothing differs from the reference; the test is skipped where the processor lacks the form."""
    needed(form)
    assert program.differences(form, folder, level) == {}
