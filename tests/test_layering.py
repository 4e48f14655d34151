"""The one-way rule: spec <- hw, spec <- sim_models, both <- sw <- examples; benches, tests and sw/kernel import sw/rtl.

Walks every import statement of the tree, so an import inside a function counts too.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("spec", "hw", "sim_models", "sw", "examples", "verif")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

ALLOWED = {
    "spec": ("makalu.spec",),
    "hw": ("makalu.hw", "makalu.spec"),
    "sim_models": ("makalu.sim_models", "makalu.spec"),
    "sw/rtl": ("makalu",),
    "sw/cli": ("makalu",),
    "sw/kernel": ("makalu",),
    "sw": ("makalu.sw", "makalu.sim_models", "makalu.spec"),
    "examples": ("makalu.examples", "makalu.sw", "makalu.spec"),
    "verif": ("makalu", "verif"),
}
"""What a folder may import of the project; the first prefix that matches a file counts."""

MODELS = {
    "golden": ("golden",),
    "lockstep": ("lockstep", "golden"),
    "timing": ("timing", "golden.walker"),
}
"""What a kind of model may import of `sim_models`: each reads the contract itself, so that agreement means something.
Golden is the definition of the bits; where an access pattern's elements lie is one walker for all."""

OWN = ("makalu", "verif", "tests", "examples", "spec", "hw", "sim_models", "sw")
OURS = ("makalu", "verif", "tests")
"""The names that an import may begin with, of those above: the folders of `src` are parts of `makalu`."""
KERNELS = ROOT / "examples" / "kernels"
"""Files in the public form of NKI, which knows no `__all__`."""
NOT_IN_SPEC = ("amaranth", "numpy")
ONLY_FOR_BENCHES = ("makalu.sw.rtl", "makalu.sw.cli")
"""And for `sw/kernel`, which runs what a user asks for on whatever there is."""


def below(module, packages):
    return any(module == package or module.startswith(package + ".") for package in packages)


def imports(path, text=None):
    """Absolute names of the modules that a file imports; relative imports are resolved."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    package = ([] if parts[0] in ("verif", "tests") else ["makalu"]) + list(parts[:-1])
    found = set()
    for node in ast.walk(ast.parse(path.read_text() if text is None else text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            # `from makalu.sw import rtl` names a module too
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names if below(module, ("makalu",))}
    return found


def foreign_models(kind, modules):
    """The modules of `sim_models` that a model of this kind must not import."""
    allowed = tuple(f"makalu.sim_models.{name}" for name in MODELS[kind])
    parents = {name.rsplit(".", n)[0] for name in allowed for n in range(1, name.count(".") + 1)}
    return {m for m in modules if below(m, ("makalu.sim_models",)) and m not in parents and not below(m, allowed)}


def rule_of(path):
    name = str(path.relative_to(ROOT).parent) + "/"
    return next(prefix for prefix in ALLOWED if name.startswith(prefix + "/"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_one_way(path):
    rule = rule_of(path)
    for module in imports(path):
        if below(module, OWN):
            first = module.split(".")[0]
            assert first in OURS, f"{path}: import {module} as makalu.{module}"
            parents = tuple(allowed.rsplit(".", n)[0] for allowed in ALLOWED[rule] for n in range(allowed.count(".")))
            assert below(module, ALLOWED[rule]) or module in parents, f"{path}: {rule} must not import {module}"
        if rule == "spec":
            assert not below(module, NOT_IN_SPEC), f"{path}: spec must not import {module}"
        if rule in ("sw", "examples"):
            assert not below(module, ONLY_FOR_BENCHES), f"{path}: {module} is for benches and tests only"


def test_tests_import_the_package_and_no_folder_of_it():
    """`examples` can be imported from the root too, and would be a second copy of `makalu.examples`."""
    files = sorted((ROOT / "tests").rglob("*.py"))
    wrong = {(path, m) for path in files for m in imports(path) if below(m, OWN) and m.split(".")[0] not in OURS}
    assert len(files) > 100 and not wrong, wrong


@pytest.mark.parametrize("kind", MODELS)
def test_models_read_the_contract_themselves(kind):
    files = sorted((ROOT / "sim_models" / kind).glob("*.py"))
    assert len(files) > 5
    for path in files:
        assert not foreign_models(kind, imports(path)), f"{path}: must not import {foreign_models(kind, imports(path))}"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("golden", "from ..lockstep.lane_plan import lane_plan"),
        ("golden", "from makalu.sim_models import timing"),
        ("lockstep", "from ..timing import dma"),
        ("timing", "from ..lockstep.lane_plan import lane_plan"),
        ("timing", "def f():\n    from makalu.sim_models.golden.operand import operand"),
        ("timing", "from ..golden import operand"),
    ],
)
def test_a_planted_import_of_another_model_is_seen(kind, text):
    path = ROOT / "sim_models" / kind / "imaginary.py"
    assert foreign_models(kind, imports(path, text))
    assert not foreign_models(kind, imports(path, f"from ..{MODELS[kind][-1]} import x\nimport numpy"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_says_what_it_exports(path):
    """Benches export nothing: cocotb finds their tests."""
    tree = ast.parse(path.read_text())
    if path.name == "__init__.py" or path.name.startswith("test_") or path.parent == KERNELS:
        return
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    assert "__all__" in [target.id for target in targets if isinstance(target, ast.Name)], f"{path} has no __all__"
    assert ast.get_docstring(tree), f"{path} has no docstring"


def test_the_walk_sees_relative_and_inner_imports():
    text = "from ..sw.rtl import runner\nfrom makalu.sw import cli\ndef f():\n    import numpy.linalg\n"
    found = imports(ROOT / "hw" / "imaginary.py", text)
    assert {"makalu.sw.rtl", "makalu.sw.cli", "numpy.linalg"} <= found
    assert not any(below(module, ALLOWED["hw"]) for module in found)
