"""The C++ file of a class that is cut into pieces."""

from makalu.sw.rtl.lanes.block import Function
from makalu.sw.rtl.lanes.class_text import storage_text
from makalu.sw.rtl.lanes.flags import Flags, Lists, numbers
from makalu.sw.rtl.lanes.pieces import Pieces

__all__ = ["pieces_text"]


def pieces_text(block: Pieces, flags: Flags, lists: Lists, cores: int) -> list[str]:
    """Storage, pieces, and the step that runs those whose flags are set."""
    name, step = block.module, block.step
    first = flags.first.get((name, "step"), 0)
    exports = list(step.exports)
    rows = [block.layout.exports[export][0] for export in exports]
    ways = [lists.at(flags.woken(export, 0)) for export in exports]
    readers = [lists.at(first + p for p in block.readers.get(key, set())) for key in block.at]
    kinds = [kind for kind, _, _ in block.crossing.values()]
    out = [
        *storage_text(block, cores),
        f"#define FIRST {first}",
        "#define M(n) memories[n]",
        "static const u32 chunk=0;",
        f"static const u32 rows[]={{{numbers(rows) or '0'}}};",
        f"static const u32 ways[]={{{numbers(ways) or '0'}}};",
        f"static const u32 readers[]={{{numbers(readers) or '0'}}};",
        f"static u32*const next=words({max(1, len(block.at))}*LANES);",
        f"static u32 pending[{max(1, len(block.at))}],pendings=0;",
        f"static V kept[{max(1, len(kinds))}];static B keptb[{max(1, len(kinds))}];",
        "static inline bool differ(V a,V b){return any(nz(a^b));}",
        "INL bool K_(u32 n,V v){if(!differ(kept[n],v))return false;kept[n]=v;return true;}",
        "INL bool KB_(u32 n,B v){if(!any((B)(keptb[n]^v)))return false;keptb[n]=v;return true;}",
        "INL void out_(u32 row,u32 way,V v){if(differ(ld(arena+row),v)){st(arena+row,v);wake(lists+way);}}",
        "#define X_(n,v) out_(rows[n],ways[n],v)",
        "#define A_(holds,text) if(__builtin_expect(any((B)~(holds)),0))broken_(0,(B)~(holds),text)",
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
        "for(u32 i=0;i<pendings;++i){const u32 n=pending[i];st(state+n*LANES,ld(next+n*LANES));wake(lists+readers[n]);}"
    )
    out.append("pendings=0;}")
    for function in block.functions:
        if not function.steps:
            out += _ahead_text(block, function, flags, lists)
    out.append("void run_initial(){}")
    return out


def _ahead_text(block: Pieces, function: Function, flags: Flags, lists: Lists) -> list[str]:
    """What is evaluated ahead, in every cycle."""
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
        out.append(f"out_({block.layout.exports[export][0]},{lists.at(flags.woken(export, 0))},{value});")
    out.append("}")
    return out
