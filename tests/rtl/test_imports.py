"""Which files a module is made of."""

from makalu.sw.paths import ROOT
from makalu.sw.rtl.imports import imported_digest, imported_files

FILES = {
    "verif/a.py": "def f():\n    from makalu.spec.b import C\n",
    "spec/__init__.py": "",
    "spec/b.py": "from .c import D\nimport numpy\n",
    "spec/c.py": "from . import d\n",
    "spec/d.py": "",
    "spec/e.py": "",
}


def test_imports_of_imports_are_found(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = [path.relative_to(tmp_path).as_posix() for path in imported_files(tmp_path, "verif.a")]
    assert found == sorted(set(FILES) - {"spec/e.py"})
    before = imported_digest(tmp_path, "verif.a")
    (tmp_path / "spec/e.py").write_text("1")
    assert imported_digest(tmp_path, "verif.a") == before
    (tmp_path / "spec/d.py").write_text("1")
    assert imported_digest(tmp_path, "verif.a") != before


def test_a_bench_has_its_models_and_no_other_bench():
    found = {path.relative_to(ROOT).as_posix() for path in imported_files(ROOT, "verif.dma.test_dma")}
    assert found >= {"verif/dma/test_dma.py", "verif/dma/tb.py", "sim_models/lockstep/dma_load.py"}
    assert not any(name.startswith("verif/pe/") for name in found)
