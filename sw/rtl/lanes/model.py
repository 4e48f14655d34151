"""The C++ of a whole design: a file a class, and `model.h` with what the host sees."""

from pathlib import Path

from makalu.sw.rtl.lanes.block import Block
from makalu.sw.rtl.lanes.class_text import block_text
from makalu.sw.rtl.lanes.design import OUTSIDE, Design
from makalu.sw.rtl.lanes.flags import Flags, Lists, numbers
from makalu.sw.rtl.lanes.host_text import common_text, header_text, model_text
from makalu.sw.rtl.lanes.layout import Layout
from makalu.sw.rtl.lanes.pieces import Pieces
from makalu.sw.rtl.lanes.pieces_text import pieces_text
from makalu.sw.rtl.lanes.schedule import Schedule

__all__ = ["FORMS", "Model", "lanes_of"]

FORMS = {"avx512": 16, "avx2": 8, "plain": 4}
"""Most lanes of a vector in each form of the code."""
LEAST = 4
THREADS = Path(__file__).with_name("threads.cpp")


def lanes_of(form: str, length: int) -> int:
    """Lanes of a class whose rows have `length` instances: no more than there are."""
    lanes = LEAST
    while lanes < length and lanes < FORMS[form]:
        lanes *= 2
    return lanes


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
        self.flags = Flags(self.layout, self.blocks)
        self.files = self._write()

    def _single(self, name: str) -> bool:
        return name == self.design.top

    def _write(self) -> dict[str, str]:
        files = {}
        for name, block in self.blocks.items():
            lists = Lists()
            body = (
                pieces_text(block, self.flags, lists, self.design.cores)
                if isinstance(block, Pieces)
                else block_text(block, self.flags, lists)
            )
            head = [
                f"// {name}",
                f"#define LANES {block.place.lanes}",
                '#include "lanes.h"',
                '#include "common.h"',
                f"namespace class{block.number} {{",
                f"static const u32 lists[]={{{numbers(lists.words)}}};",
            ]
            files[f"class{block.number}.cpp"] = "\n".join([*head, *body, "}", ""])
        files["threads.cpp"] = THREADS.read_text()
        files["model.cpp"] = model_text(self.layout, self.flags, self.blocks, self.ports, host=self.host)
        files["model.h"] = header_text(self.layout, self.flags, self.ports, host=self.host)
        files["common.h"] = common_text(self.layout.words, self.flags.count)
        return files
