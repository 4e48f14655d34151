"""The C++ that the host sees: ports, samples, and the cycle."""

from makalu.sw.rtl.lanes.block import Block
from makalu.sw.rtl.lanes.design import OUTSIDE
from makalu.sw.rtl.lanes.flags import Flags, Lists, numbers
from makalu.sw.rtl.lanes.layout import Layout
from makalu.sw.rtl.lanes.rows import Export
from makalu.sw.rtl.lanes.schedule import Ahead, Middle, Step

__all__ = ["common_text", "header_text", "model_text"]

BYTES = ("data__w__data", "data__r__data", "instructions__r__data")
"""Ports that the host reads and writes as bytes, whatever their width; so are all that are wider than a number."""
NUMBER = 64


def common_text(words: int, flags: int) -> str:
    """`common.h`."""
    return "\n".join(
        [
            "// What the classes share.",
            "#pragma once",
            "#include <cstdint>",
            "#include <cstdlib>",
            "#include <new>",
            f"extern uint32_t arena[{words + 64}];",
            f"extern uint8_t flags[{-(-flags // 8) * 8}];",
            "static inline void wake(const uint32_t* list) {",
            "    for (uint32_t n = *list++; n; --n) flags[*list++] = 1;",
            "}",
            "// an assertion of an instance is broken in this cycle; the first one of each core is kept",
            "namespace model { void broken(int core, const char* module, int instance, const char* text); }",
            "// a second thread: begin(work) hands it something, finish() waits for it",
            "bool second_thread();",
            "void begin(void (*work)());",
            "void finish();",
            "// numbers of a seed: 0 only from seed 0",
            "struct Random {",
            "    uint64_t x;",
            "    uint32_t operator()() {",
            "        x ^= x << 13; x ^= x >> 7; x ^= x << 17;",
            "        return (uint32_t)(x >> 32);",
            "    }",
            "};",
            "static inline uint32_t* words(size_t n) {",
            "    void* p = nullptr;",
            "    n = (n * 4 + 127) / 64 * 64;",
            "    if (posix_memalign(&p, 64, n)) abort();",
            "    __builtin_memset(p, 0, n);",
            "    return (uint32_t*)p;",
            "}",
            "",
        ]
    )


def model_text(layout: Layout, flags: Flags, blocks: dict[str, Block], ports: dict[str, int], *, host: bool) -> str:
    """`model.cpp`: the start of a core, and a cycle in two halves."""
    out = ['#include "model.h"', "#include <cstring>", "#include <mutex>"]
    calls = []
    for name, block in blocks.items():
        runs = "".join(f"void run_{f.name}();" for f in [*block.functions])
        out.append(f"namespace class{block.number}{{void start(int,uint64_t);void run_initial();{runs}}}  // {name}")
        calls.append(block)
    out += [
        f"alignas(64) uint32_t arena[{layout.words + 64}];",
        f"uint8_t flags[{-(-flags.count // 8) * 8}];",
        "namespace model {",
        "Broken brokens[kLanes];",
        "void broken(int core,const char*module,int instance,const char*text){",
        "static std::mutex one;const std::lock_guard<std::mutex>lock{one};",
        "if(!brokens[core].text)brokens[core]={text,module,instance};}",
        "static const uint32_t initial[][2]={"
        + (",".join(f"{{{word},{value}u}}" for word, value in layout.initial) or "{0,0}")
        + "};",
        "void restart(int lane,uint64_t seed){",
        "brokens[lane]={};",
        "for(const auto&w:initial)arena[w[0]]|=w[1];",
        *(
            f"set_{'bytes_' if port in BYTES else ''}{port}(lane,{'zeros' if port in BYTES else 0});"
            for port in layout.design.outside
            if host
        ),
        *(f"class{block.number}::start(lane,seed);class{block.number}::run_initial();" for block in calls),
        "memset(flags,1,sizeof flags);",
        "}",
    ]
    phases: list[list[str]] = [[], []]
    phase = 0
    counters: dict[str, int] = {}
    for event in layout.schedule.events:
        if isinstance(event, Middle):
            phase = 1
        elif isinstance(event, Step):
            block = blocks[event.module]
            if block.step in block.functions:
                phases[phase].append(f"class{block.number}::run_step();")
        elif isinstance(event, Ahead):
            k = counters.get(event.module, 0)
            counters[event.module] = k + 1
            phases[phase].append(f"class{blocks[event.module].number}::run_ahead{k}();")
    out.append(f"void first(){{{''.join(phases[0])}}}")
    out.append(f"void second(){{{''.join(phases[1])}}}")
    out += _sample_text(layout, ports)
    out.append("}")
    return "\n".join(out) + "\n"


def _sample_text(layout: Layout, ports: dict[str, int]) -> list[str]:
    pieces = layout.outputs.get("observe", [[]])[0]
    size = -(-ports.get("observe", 0) // 8)
    rows = ",".join(f"{{{bit},{word},{shift},{bits}}}" for bit, word, shift, bits in pieces)
    return [
        f"static const uint32_t samples[][4]={{{rows or '{0,0,0,0}'}}};",
        "void sample(int lane,uint8_t*row){",
        "(void)lane;",
        f"static uint8_t buffer[{size}+16];memset(buffer,0,sizeof buffer);",
        f"for(int i=0;i<{len(pieces)};++i){{const auto&p=samples[i];",
        f"const uint32_t v=arena[p[1]{'+lane' if layout.design.cores > 1 else ''}]>>p[2]&~(~(uint64_t)0<<p[3]);",
        "uint64_t x;memcpy(&x,buffer+(p[0]>>3),8);x|=(uint64_t)v<<(p[0]&7);memcpy(buffer+(p[0]>>3),&x,8);}",
        f"memcpy(row,buffer,{size});",
        "}",
    ]


def header_text(layout: Layout, flags: Flags, ports: dict[str, int], *, host: bool) -> str:
    """`model.h`: how the host sets and reads the ports of each core."""
    lane = "+lane" if layout.design.cores > 1 else ""
    widths = {port: net.width for port, net in layout.design.outside.items()} | {
        port: ports[port] for port in layout.outputs if port in ports
    }
    out = ["// The core's ports.", "#pragma once", '#include "common.h"', "#include <cstring>", "namespace model {"]
    out.append(f"constexpr int kLanes={layout.design.cores};")
    if host:
        out.append(
            f"constexpr int kAddressBits={widths['data__aw__addr']},kDataBytes={widths['data__r__data'] // 8},"
            f"kInstructionBytes={widths['instructions__r__data'] // 8},kIdBits={widths['data__aw__id']},"
            f"kObserveBits={ports.get('observe', 0)};"
        )
    out += [
        "// the assertion that is broken first; no text while all hold",
        "struct Broken{const char*text;const char*module;int instance;};",
        "extern Broken brokens[kLanes];",
        "void restart(int lane,uint64_t seed);",
        "void threads(int n);",
        "void first();",
        "void second();",
        "void sample(int lane,uint8_t*row);",
    ]
    out.append("static const uint8_t zeros[64]={};")
    lists = Lists()
    text = []
    for port, net in layout.design.outside.items():
        sets = []
        for part, (low, bits) in enumerate(net.parts):
            export = Export(OUTSIDE, net, part, 0)
            row, way = layout.exports[export][0], lists.at(flags.woken(export, 0))
            sets.append((low, bits, row, way))
        text += _setter_text(port, sets, lane)
    for port, cores in layout.outputs.items():
        if port != "observe":
            text += _getter_text(port, cores[0], lane)
    out.append(f"static const uint32_t lists[]={{{numbers(lists.words)}}};")
    out.append(
        "static inline void set_(uint32_t at,uint32_t v,uint32_t way){if(arena[at]!=v){arena[at]=v;wake(lists+way);}}"
    )
    out += [*text, "}", ""]
    return "\n".join(out)


def _setter_text(port: str, sets: list[tuple[int, int, int, int]], lane: str) -> list[str]:
    if port in BYTES or sets[-1][0] + sets[-1][1] > NUMBER:
        out = [f"inline void set_bytes_{port}(int lane,const uint8_t*b){{(void)lane;uint32_t v;"]
        for low, bits, row, way in sets:
            mask = f"&{(1 << bits) - 1:#x}u" if bits < 32 else ""
            out.append(f"v=0;memcpy(&v,b+{low // 8},{-(-bits // 8)});set_({row}{lane},v{mask},{way});")
    else:
        out = [f"inline void set_{port}(int lane,uint64_t v){{(void)lane;"]
        for low, bits, row, way in sets:
            out.append(f"set_({row}{lane},(uint32_t)(v>>{low})&{(1 << bits) - 1:#x}u,{way});")
    return [*out, "}"]


def _getter_text(port: str, pieces: list[tuple[int, int, int, int]], lane: str) -> list[str]:
    if port in BYTES or pieces[-1][0] + pieces[-1][3] > NUMBER:
        out = [f"inline void get_bytes_{port}(int lane,uint8_t*b){{(void)lane;"]
        groups: dict[int, list[str]] = {}
        for bit, word, shift, bits in pieces:
            done = 0
            while done < bits:
                take = min(bits - done, 32 - (bit + done) % 32)
                piece = f"((arena[{word}{lane}]>>{shift + done}&{(1 << take) - 1:#x}u)<<{(bit + done) % 32})"
                groups.setdefault((bit + done) // 32, []).append(piece)
                done += take
        for limb, terms in groups.items():
            out.append(f"{{const uint32_t v={'|'.join(terms)};memcpy(b+{4 * limb},&v,4);}}")
        return [*out, "}"]
    terms = [
        f"((uint64_t)(arena[{word}{lane}]>>{shift}&{(1 << bits) - 1:#x}u)<<{bit})" for bit, word, shift, bits in pieces
    ]
    return [f"inline uint64_t get_{port}(int lane){{(void)lane;return {'|'.join(terms)};}}"]
