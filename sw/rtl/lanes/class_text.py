"""The C++ file of a class of many instances: storage, tables, functions, and the loops over its chunks."""

from typing import Any

from makalu.sw.rtl.lanes.block import Block, Function, text_of
from makalu.sw.rtl.lanes.flags import Flags, Lists, numbers
from makalu.sw.rtl.lanes.halves import Halves

__all__ = ["block_text", "storage_text"]


def _top_mask(width: int) -> int:
    """Bits that are used in the highest word of `width` bits."""
    return (1 << ((width - 1) % 32 + 1)) - 1


def storage_text(block: Block, cores: int) -> list[str]:
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
        f"static const u32 reset[]={{{numbers(value for value, _ in start)}}};",
        f"static const u32 open[]={{{numbers(free for _, free in start)}}};",
        f"static const u32 sizes[]={{{numbers(sizes) or '0'}}};",
        f"static const u32 limbs[]={{{numbers(limbs) or '1'}}};",
        f"static const u32 tops[]={{{numbers(_top_mask(m.width) for m in memories) or '0'}}};",
    ]
    for k, memory in enumerate(memories):
        if memory.init:
            values = [word >> (32 * limb) & 0xFFFFFFFF for word in memory.init for limb in range(limbs[k])]
            out.append(f"static const u32 content{k}[]={{{numbers(values)}}};")
    contents = ",".join(f"content{k}" if memory.init else "nullptr" for k, memory in enumerate(memories))
    lanes = "k==(u32)lane" if cores > 1 else "true"
    if block.netlist.assertions:
        out += _broken_text(block, cores)
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


def _broken_text(block: Block, cores: int) -> list[str]:
    """Which lanes are instances, and what tells the host of those in which a rule is broken."""
    members = [-1 if member is None else member for members in block.place.members for member in members]
    real = f"static const u32 real[]={{{numbers(int(member >= 0) for member in members)}}};"
    return [
        *([real] if block.partly_filled else []),
        f"static const int instances[]={{{numbers(members)}}};",
        "static void __attribute__((noinline,cold)) broken_(u32 chunk,B broken,const char*text){",
        "for(int k=0;k<LANES;++k){const int i=instances[chunk*LANES+k];",
        f"if(i>=0&&laneb(broken,k))model::broken({'i' if cores > 1 else '0'},{text_of(block.module)},i,text);}}}}",
    ]


def block_text(block: Block, flags: Flags, lists: Lists) -> list[str]:
    """State, tables and functions of a class of many instances, the highest chunk first: neighbours are below."""
    name, place = block.module, block.place
    halves = Halves(block, flags)
    offsets = [word for words in halves.offsets for word in words]
    out = [
        *storage_text(block, 1),
        "#define M(n) (memories[n]+chunk*LANES)",
        f"static const u32 inputs[]={{{numbers(offsets) or '0'}}};",
        f"static const u32 slots[]={{{numbers(place.first)}}};",
        *_copy_text(block, flags),
    ]
    for function in [*block.functions, block.initial]:
        groups = _groups(block, flags, function)
        for g, rows in enumerate(groups):
            if g:
                woken = [halves.seen_from(c, flags.woken_by(rows[0], c)) for c in range(place.chunks)]
                at = [lists.at(each) for each in woken]
                out.append(
                    f"static const u32*const wakes_{function.name}_{g}[]={{{','.join(f'lists+{n}' for n in at)}}};"
                )
        text = block.function_text(function, groups)
        for f in block.functions:
            text = text.replace(f"{{{name}.{f.name}}}", str(flags.first[name, f.name]))
        out.append(text)
    for function in block.functions:
        first = flags.first[name, function.name]
        out += [
            f"static void down_{function.name}(int from,int to){{",
            "for(int c=from-1;c>=to;--c){",
            "copy((u32)c);",
            f"if(flags[{first}+c]){{flags[{first}+c]=0;{function.name}((u32)c);}}",
            "}}",
            *_run_text(function.name, halves, first, place.chunks),
        ]
    out.append(f"void run_initial(){{for(u32 c=0;c<{place.chunks};++c)initial(c);}}")
    return out


def _run_text(name: str, halves: Halves, first: int, chunks: int) -> list[str]:
    """A step of all chunks, the upper half by the second thread if there is one and it has something to do."""
    if halves.chunk is None:
        return [f"void run_{name}(){{down_{name}({chunks},0);}}"]
    saved = ",".join(f"{{{copy},{word}}}" for copy, word in halves.saved)
    later = ",".join(f"{{{flag},{kept}}}" for flag, kept in halves.later.items())
    return [
        f"static const u32 saved[][2]={{{saved}}};",
        f"static const u32 later[][2]={{{later or '{0,0}'}}};",
        f"static void upper(){{down_{name}({chunks},{halves.chunk});}}",
        f"void run_{name}(){{",
        "for(const auto&s:saved)st(arena+s[0],ld(arena+s[1]));",
        f"const bool two=second_thread()&&__builtin_memchr(flags+{first + halves.chunk},1,{chunks - halves.chunk});",
        "if(two)begin(upper);else upper();",
        f"down_{name}({halves.chunk},0);",
        "if(two)finish();",
        f"for(u32 i=0;i<{len(halves.later)};++i)if(flags[later[i][1]]){{flags[later[i][1]]=0;flags[later[i][0]]=1;}}",
        "}",
    ]


def _groups(block: Block, flags: Flags, function: Function) -> list[list[int]]:
    """The rows that a function stores, by what they wake."""
    groups: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for row in dict.fromkeys(block.layout.exports[export][0] for export in function.exports):
        key = tuple(tuple(sorted(flags.woken_by(row, c))) for c in range(block.place.chunks))
        groups.setdefault(key, []).append(row)
    nobody = tuple(() for _ in range(block.place.chunks))
    return [groups.pop(nobody, []), *groups.values()]


def _copy_text(block: Block, flags: Flags) -> list[str]:
    """What brings into place the inputs of a chunk that do not lie as they are loaded."""
    name, layout = block.module, block.layout
    rows, starts = [], [0]
    keys: set[tuple[str, Any, int]] = set()
    for c in range(block.place.chunks):
        for copy in layout.copies.get((name, c), []):
            rows.append(f"{{{copy.to},{copy.of},{copy.down},{copy.mask},{copy.up}}}")
        starts.append(len(rows))
        keys |= layout.copied.get((name, c), set())
    if not rows:
        return ["static void copy(u32){}"]
    first = flags.first[name, "copy"]
    reading = set().union(*(flags.reading(name, key, 0) for key in keys))
    marks = "".join(f"flags[{flag}+chunk]=1;" for flag in sorted(reading))
    return [
        "struct Copy{u32 to,of,down,mask,up;};",
        f"static const Copy copies[]={{{','.join(rows)}}};",
        f"static const u32 copy_starts[]={{{numbers(starts)}}};",
        "static void copy(u32 chunk){",
        f"if(!flags[{first}+chunk])return;",
        f"flags[{first}+chunk]=0;u32 moved=0;",
        "for(const Copy*p=copies+copy_starts[chunk];p<copies+copy_starts[chunk+1];++p){",
        "const u32 mask=p->mask<<p->up,now=(arena[p->of]>>p->down&p->mask)<<p->up;",
        "moved|=(arena[p->to]&mask)^now;arena[p->to]=(arena[p->to]&~mask)|now;}",
        f"if(moved){{{marks}}}",
        "}",
    ]
