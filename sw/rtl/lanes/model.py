"""The C++ of a whole design: a file a class, and `model.h` with what the host sees."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from makalu.sw.rtl.lanes.block import Block, Function
from makalu.sw.rtl.lanes.design import OUTSIDE, Design
from makalu.sw.rtl.lanes.layout import Layout
from makalu.sw.rtl.lanes.pieces import Pieces
from makalu.sw.rtl.lanes.rows import Export
from makalu.sw.rtl.lanes.schedule import Ahead, Middle, Schedule, Step

__all__ = ["FORMS", "Model", "lanes_of"]

FORMS = {"avx512": 16, "avx2": 8, "plain": 4}
"""Most lanes of a vector in each form of the code."""
LEAST = 4
BYTES = ("data__w__data", "data__r__data", "instructions__r__data")
"""Ports that the host reads and writes as bytes, whatever their width; so are all that are wider than a number."""
NUMBER = 64


def lanes_of(form: str, length: int) -> int:
    """Lanes of a class whose rows have `length` instances: no more than there are."""
    lanes = LEAST
    while lanes < length and lanes < FORMS[form]:
        lanes *= 2
    return lanes


def _numbers(values: Iterable[int]) -> str:
    return ",".join(map(str, values))


def _top_mask(width: int) -> int:
    """Bits that are used in the highest word of `width` bits."""
    return (1 << ((width - 1) % 32 + 1)) - 1


@dataclass
class Lists:
    """Lists of flags in one array, each once: number of flags, then the flags. List 0 is empty."""

    words: list[int] = field(default_factory=lambda: [0])
    _known: dict[tuple[int, ...], int] = field(default_factory=lambda: {(): 0})

    def at(self, flags: Iterable[int]) -> int:
        key = tuple(sorted(set(flags)))
        if key not in self._known:
            self._known[key] = len(self.words)
            self.words += [len(key), *key]
        return self._known[key]


class Model:
    """Everything that is generated for a design, as `files`: name -> text.

    `form` is one of `FORMS`; `seen` are the outputs of the top beside those of the harness (`observe`).
    """

    def __init__(self, design: Design, *, form: str, ports: dict[str, int], host: bool = True) -> None:
        self.design, self.form, self.ports, self.host = design, form, ports, host
        single = self._single
        self.schedule = Schedule(design, single)
        lanes = {
            name: (1 if design.cores == 1 else lanes_of(form, design.cores))
            if single(name)
            else lanes_of(form, design.grids[name].length)
            for name in design.order
        }
        lanes[OUTSIDE] = 1 if design.cores == 1 else lanes[design.top]
        self.layout = Layout(design, self.schedule, lanes, single)
        self.blocks: dict[str, Block] = {}
        for number, name in enumerate(design.order):
            if design.netlists[name].has_logic:
                self.blocks[name] = (Pieces if single(name) else Block)(self.layout, name, number)
        self._flags()
        self.files = self._write()

    def _single(self, name: str) -> bool:
        return name == self.design.top

    # ---- flags

    def _flags(self) -> None:
        """First flag of each function of each class, of its copies and of its pieces."""
        self.first: dict[tuple[str, str], int] = {}
        count = 0
        for name, block in self.blocks.items():
            chunks = block.place.chunks
            for function in block.functions:
                if isinstance(block, Pieces):
                    if function.steps:
                        self.first[name, "step"] = count
                        count += len(block.pieces)
                else:
                    self.first[name, function.name] = count
                    count += chunks
            self.first[name, "copy"] = count
            count += chunks
        self.flag_count = -(-count // 8) * 8

    def _reading(self, name: str, key: Any, chunk: int) -> set[int]:
        """Flags of what reads an input of a chunk."""
        block = self.blocks[name]
        _, port, part = key
        net = self.design.net(name, port)
        if isinstance(block, Pieces):
            return {self.first[name, "step"] + p for p in block.listeners.get((net, part), set())}
        return {self.first[name, f.name] + chunk for f in block.functions if (net, part) in f.inputs}

    def woken(self, export: Export, chunk: int) -> set[int]:
        """Flags to set when a chunk has stored another value in the row of an export."""
        return self._woken(self.layout.exports[export][0], chunk)

    def _woken(self, row: int, chunk: int) -> set[int]:
        out: set[int] = set()
        for what in self.layout.wakes.get((row, chunk), set()):
            if what[0] == "copy":
                out.add(self.first[what[1], "copy"] + what[2])
            else:
                out |= self._reading(what[1], what[3], what[2])
        return out

    # ---- files

    def _write(self) -> dict[str, str]:
        files = {}
        for name, block in self.blocks.items():
            lists = Lists()
            body = self._pieces_text(block, lists) if isinstance(block, Pieces) else self._block_text(block, lists)
            head = [
                f"// {name}",
                f"#define LANES {block.place.lanes}",
                '#include "lanes.h"',
                '#include "common.h"',
                f"namespace class{block.number} {{",
                f"static const u32 lists[]={{{_numbers(lists.words)}}};",
            ]
            files[f"class{block.number}.cpp"] = "\n".join([*head, *body, "}", ""])
        files["model.cpp"] = self._model_text()
        files["model.h"] = self._header_text()
        files["common.h"] = self._common_text()
        return files

    def _common_text(self) -> str:
        return "\n".join(
            [
                "// What the classes share.",
                "#pragma once",
                "#include <cstdint>",
                "#include <cstdlib>",
                "#include <new>",
                f"extern uint32_t arena[{self.layout.words + 64}];",
                f"extern uint8_t flags[{self.flag_count}];",
                "static inline void wake(const uint32_t* list) {",
                "    for (uint32_t n = *list++; n; --n) flags[*list++] = 1;",
                "}",
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

    def _storage_text(self, block: Block) -> list[str]:
        """State and memories, and how they start."""
        place, words = block.place, max(1, len(block.used))
        memories = block.netlist.memories
        stride = place.chunks * place.lanes
        start = block.start() or [(0, 0)]
        sizes = [memory.size * -(-memory.width // 32) for memory in memories]
        limbs = [-(-memory.width // 32) for memory in memories]
        out = [
            f"#define STRIDE {stride}u",
            f"static u32*const state=words((size_t){place.chunks}*{words * place.lanes});",
            f"static u32*const memories[]={{{','.join(f'words((size_t){n}*STRIDE)' for n in sizes) or 'nullptr'}}};",
            f"static const u32 reset[]={{{_numbers(value for value, _ in start)}}};",
            f"static const u32 open[]={{{_numbers(free for _, free in start)}}};",
            f"static const u32 sizes[]={{{_numbers(sizes) or '0'}}};",
            f"static const u32 limbs[]={{{_numbers(limbs) or '1'}}};",
            f"static const u32 tops[]={{{_numbers(_top_mask(m.width) for m in memories) or '0'}}};",
        ]
        for k, memory in enumerate(memories):
            if memory.init:
                values = [word >> (32 * limb) & 0xFFFFFFFF for word in memory.init for limb in range(limbs[k])]
                out.append(f"static const u32 content{k}[]={{{_numbers(values)}}};")
        contents = ",".join(f"content{k}" if memory.init else "nullptr" for k, memory in enumerate(memories))
        lanes = "k==(u32)lane" if self.design.cores > 1 else "true"
        out += [
            f"static const u32*const contents[]={{{contents or 'nullptr'}}};",
            "void start(int lane,uint64_t seed){",
            "(void)lane;",
            f"Random random{{(seed+1)*0x9E3779B97F4A7C15ull+{block.number}}};",
            f"for(u32 c=0;c<{place.chunks};++c)for(u32 w=0;w<{len(block.used)};++w)for(u32 k=0;k<LANES;++k)",
            f"if({lanes})state[(c*(size_t){words}+w)*LANES+k]=reset[w]|(seed?random()&open[w]:0);",
            f"for(u32 m=0;m<{len(memories)};++m)for(u32 a=0;a<sizes[m];++a)for(u32 k=0;k<STRIDE;++k)",
            f"if({lanes}){{u32 v=contents[m]?contents[m][a]:seed?random():0;",
            "if(a%limbs[m]==limbs[m]-1)v&=tops[m];memories[m][(size_t)a*STRIDE+k]=v;}",
            "}",
        ]
        return out

    def _block_text(self, block: Block, lists: Lists) -> list[str]:
        name, place = block.module, block.place
        offsets = [column[c] for c in range(place.chunks) for column in block.columns()]
        out = [
            *self._storage_text(block),
            "#define M(n) (memories[n]+chunk*LANES)",
            f"static const u32 inputs[]={{{_numbers(offsets) or '0'}}};",
            f"static const u32 slots[]={{{_numbers(place.first)}}};",
            *self._copy_text(block),
        ]
        for function in [*block.functions, block.initial]:
            groups = self._groups(block, function)
            for g, rows in enumerate(groups):
                if g:
                    at = [lists.at(self._woken(rows[0], c)) for c in range(place.chunks)]
                    out.append(
                        f"static const u32*const wakes_{function.name}_{g}[]={{{','.join(f'lists+{n}' for n in at)}}};"
                    )
            text = block.function_text(function, groups)
            for f in block.functions:
                text = text.replace(f"{{{name}.{f.name}}}", str(self.first[name, f.name]))
            out.append(text)
        for function in block.functions:
            first = self.first[name, function.name]
            out += [
                f"void run_{function.name}(){{",
                f"for(int c={place.chunks - 1};c>=0;--c){{",
                "copy((u32)c);",
                f"if(flags[{first}+c]){{flags[{first}+c]=0;{function.name}((u32)c);}}",
                "}}",
            ]
        out.append(f"void run_initial(){{for(u32 c=0;c<{place.chunks};++c)initial(c);}}")
        return out

    def _groups(self, block: Block, function: Function) -> list[list[int]]:
        """The rows that a function stores, by what they wake."""
        groups: dict[tuple[tuple[int, ...], ...], list[int]] = {}
        for row in dict.fromkeys(self.layout.exports[export][0] for export in function.exports):
            key = tuple(tuple(sorted(self._woken(row, c))) for c in range(block.place.chunks))
            groups.setdefault(key, []).append(row)
        nobody = tuple(() for _ in range(block.place.chunks))
        return [groups.pop(nobody, []), *groups.values()]

    def _copy_text(self, block: Block) -> list[str]:
        name, place = block.module, block.place
        rows, starts, marks = [], [0], []
        for c in range(place.chunks):
            for copy in self.layout.copies.get((name, c), []):
                rows.append(f"{{{copy.to},{copy.of},{copy.down},{copy.mask},{copy.up}}}")
            starts.append(len(rows))
            read = set().union(
                *(self._reading(name, key, c) for key in self.layout.copied.get((name, c), set())), set()
            )
            marks.append("".join(f"flags[{flag}]=1;" for flag in sorted(read)))
        if not rows:
            return ["static void copy(u32){}"]
        first = self.first[name, "copy"]
        # the marks of a chunk are those of chunk 0, moved
        functions = [
            f for f in block.functions if any(f"flags[{self.first[name, f.name]}]" in mark or mark for mark in marks)
        ]
        moved = "".join(f"flags[{self.first[name, f.name]}+chunk]=1;" for f in functions)
        return [
            "struct Copy{u32 to,of,down,mask,up;};",
            f"static const Copy copies[]={{{','.join(rows)}}};",
            f"static const u32 copy_starts[]={{{_numbers(starts)}}};",
            "static void copy(u32 chunk){",
            f"if(!flags[{first}+chunk])return;",
            f"flags[{first}+chunk]=0;u32 moved=0;",
            "for(const Copy*p=copies+copy_starts[chunk];p<copies+copy_starts[chunk+1];++p){",
            "const u32 mask=p->mask<<p->up,now=(arena[p->of]>>p->down&p->mask)<<p->up;",
            "moved|=(arena[p->to]&mask)^now;arena[p->to]=(arena[p->to]&~mask)|now;}",
            f"if(moved){{{moved}}}",
            "}",
        ]

    def _pieces_text(self, block: Pieces, lists: Lists) -> list[str]:
        name, step = block.module, block.step
        first = self.first.get((name, "step"), 0)
        exports = list(step.exports)
        rows = [self.layout.exports[export][0] for export in exports]
        ways = [lists.at(self.woken(export, 0)) for export in exports]
        readers = [lists.at(first + p for p in block.readers.get(key, set())) for key in block.at]
        kinds = [kind for kind, _, _ in block.crossing.values()]
        out = [
            *self._storage_text(block),
            f"#define FIRST {first}",
            "#define M(n) memories[n]",
            "static const u32 chunk=0;",
            f"static const u32 rows[]={{{_numbers(rows) or '0'}}};",
            f"static const u32 ways[]={{{_numbers(ways) or '0'}}};",
            f"static const u32 readers[]={{{_numbers(readers) or '0'}}};",
            f"static u32*const next=words({max(1, len(block.at))}*LANES);",
            f"static u32 pending[{max(1, len(block.at))}],pendings=0;",
            f"static V kept[{max(1, len(kinds))}];static B keptb[{max(1, len(kinds))}];",
            "static inline bool differ(V a,V b){return any(nz(a^b));}",
            "INL bool K_(u32 n,V v){if(!differ(kept[n],v))return false;kept[n]=v;return true;}",
            "INL bool KB_(u32 n,B v){if(!any((B)(keptb[n]^v)))return false;keptb[n]=v;return true;}",
            "INL void out_(u32 row,u32 way,V v){if(differ(ld(arena+row),v)){st(arena+row,v);wake(lists+way);}}",
            "#define X_(n,v) out_(rows[n],ways[n],v)",
            "INL void R_(u32 n,V v){if(differ(ld(state+n*LANES),v)){st(next+n*LANES,v);pending[pendings++]=n;}}",
        ]
        for port, (number, _, data, _) in enumerate(step.writes):
            out.append(f"static V writes{number}_{port}[{1 + 2 * len(data)}];")
        out.append("#define W_(n,port,i,v) writes##n##_##port[i]=v")
        out += [block.piece_text(p) for p in range(len(block.pieces))]
        out.append(
            f"static void(*const table[])()={{{','.join(f'piece{p}' for p in range(len(block.pieces))) or 'nullptr'}}};"
        )
        out.append("void run_step(){")
        out.append(f"for(u32 p=0;p<{len(block.pieces)};++p)if(flags[FIRST+p]){{flags[FIRST+p]=0;table[p]();}}")
        for port, (number, _, data, _) in enumerate(step.writes):
            memory, n = block.netlist.memories[number], len(data)
            w = f"writes{number}_{port}"
            marks = "".join(f"flags[FIRST+{p}]=1;" for p in sorted(block.memory_readers.get(number, set())))
            out.append(f"if(memory_write<{n}>(M({number}),{w}[0],{w}+1,{w}+{1 + n},{memory.size}u,STRIDE)){{{marks}}}")
        out.append(
            "for(u32 i=0;i<pendings;++i){const u32 n=pending[i];"
            "st(state+n*LANES,ld(next+n*LANES));wake(lists+readers[n]);}"
        )
        out.append("pendings=0;}")
        for function in block.functions:
            if not function.steps:
                out += self._ahead_text(block, function, lists)
        out.append("void run_initial(){}")
        return out

    def _ahead_text(self, block: Pieces, function: Function, lists: Lists) -> list[str]:
        assert function.emitter is not None
        out = [f"void run_{function.name}(){{"]
        for (net, part), variable in function.inputs.items():
            out.append(block.input_text(variable, net, part))
        for key, variable in function.registers.items():
            out.append(block.register_text(variable, key))
        out += [line.text for line in function.emitter.lines]
        for export in function.exports:
            bits = export.net.parts[export.part][1]
            value = function.values[export]
            value = f"sel({value},1u)" if bits == 1 else value
            out.append(f"out_({self.layout.exports[export][0]},{lists.at(self.woken(export, 0))},{value});")
        out.append("}")
        return out

    # ---- the whole

    def _model_text(self) -> str:
        out = ['#include "model.h"', "#include <cstring>"]
        calls = []
        for name, block in self.blocks.items():
            runs = "".join(f"void run_{f.name}();" for f in [*block.functions])
            out.append(
                f"namespace class{block.number}{{void start(int,uint64_t);void run_initial();{runs}}}  // {name}"
            )
            calls.append(block)
        out += [
            f"alignas(64) uint32_t arena[{self.layout.words + 64}];",
            f"uint8_t flags[{self.flag_count}];",
            "namespace model {",
            "static const uint32_t initial[][2]={"
            + (",".join(f"{{{word},{value}u}}" for word, value in self.layout.initial) or "{0,0}")
            + "};",
            "void restart(int lane,uint64_t seed){",
            "for(const auto&w:initial)arena[w[0]]|=w[1];",
            *(
                f"set_{'bytes_' if port in BYTES else ''}{port}(lane,{'zeros' if port in BYTES else 0});"
                for port in self.design.outside
                if self.host
            ),
            *(f"class{block.number}::start(lane,seed);class{block.number}::run_initial();" for block in calls),
            "memset(flags,1,sizeof flags);",
            "}",
        ]
        phases: list[list[str]] = [[], []]
        phase = 0
        counters: dict[str, int] = {}
        for event in self.schedule.events:
            if isinstance(event, Middle):
                phase = 1
            elif isinstance(event, Step):
                block = self.blocks[event.module]
                if block.step in block.functions:
                    phases[phase].append(f"class{block.number}::run_step();")
            elif isinstance(event, Ahead):
                k = counters.get(event.module, 0)
                counters[event.module] = k + 1
                phases[phase].append(f"class{self.blocks[event.module].number}::run_ahead{k}();")
        out.append(f"void first(){{{''.join(phases[0])}}}")
        out.append(f"void second(){{{''.join(phases[1])}}}")
        out += self._sample_text()
        out.append("}")
        return "\n".join(out) + "\n"

    def _sample_text(self) -> list[str]:
        pieces = self.layout.outputs.get("observe", [[]])[0]
        size = -(-self.ports.get("observe", 0) // 8)
        rows = ",".join(f"{{{bit},{word},{shift},{bits}}}" for bit, word, shift, bits in pieces)
        return [
            f"static const uint32_t samples[][4]={{{rows or '{0,0,0,0}'}}};",
            "void sample(int lane,uint8_t*row){",
            "(void)lane;",
            f"static uint8_t buffer[{size}+16];memset(buffer,0,sizeof buffer);",
            f"for(int i=0;i<{len(pieces)};++i){{const auto&p=samples[i];",
            f"const uint32_t v=arena[p[1]{'+lane' if self.design.cores > 1 else ''}]>>p[2]&~(~(uint64_t)0<<p[3]);",
            "uint64_t x;memcpy(&x,buffer+(p[0]>>3),8);x|=(uint64_t)v<<(p[0]&7);memcpy(buffer+(p[0]>>3),&x,8);}",
            f"memcpy(row,buffer,{size});",
            "}",
        ]

    def _header_text(self) -> str:
        lane = "+lane" if self.design.cores > 1 else ""
        widths = {port: net.width for port, net in self.design.outside.items()} | {
            port: self.ports[port] for port in self.layout.outputs if port in self.ports
        }
        out = ["// The core's ports.", "#pragma once", '#include "common.h"', "#include <cstring>", "namespace model {"]
        out.append(f"constexpr int kLanes={self.design.cores};")
        if self.host:
            out.append(
                f"constexpr int kAddressBits={widths['data__aw__addr']},kDataBytes={widths['data__r__data'] // 8},"
                f"kInstructionBytes={widths['instructions__r__data'] // 8},kIdBits={widths['data__aw__id']},"
                f"kObserveBits={self.ports.get('observe', 0)};"
            )
        out += [
            "void restart(int lane,uint64_t seed);",
            "void first();",
            "void second();",
            "void sample(int lane,uint8_t*row);",
        ]
        out.append("static const uint8_t zeros[64]={};")
        lists = Lists()
        text = []
        for port, net in self.design.outside.items():
            sets = []
            for part, (low, bits) in enumerate(net.parts):
                export = Export(OUTSIDE, net, part, 0)
                row, way = self.layout.exports[export][0], lists.at(self.woken(export, 0))
                sets.append((low, bits, row, way))
            text += self._setter_text(port, sets, lane)
        for port, cores in self.layout.outputs.items():
            if port != "observe":
                text += self._getter_text(port, cores[0], lane)
        out.append(f"static const uint32_t lists[]={{{_numbers(lists.words)}}};")
        out.append(
            "static inline void set_(uint32_t at,uint32_t v,uint32_t way)"
            "{if(arena[at]!=v){arena[at]=v;wake(lists+way);}}"
        )
        out += [*text, "}", ""]
        return "\n".join(out)

    @staticmethod
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

    @staticmethod
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
            f"((uint64_t)(arena[{word}{lane}]>>{shift}&{(1 << bits) - 1:#x}u)<<{bit})"
            for bit, word, shift, bits in pieces
        ]
        return [f"inline uint64_t get_{port}(int lane){{(void)lane;return {'|'.join(terms)};}}"]
