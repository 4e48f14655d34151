"""Which of the project's files a module is made of: its own, and all that it imports, and these import."""

import ast
from hashlib import sha256
from pathlib import Path

__all__ = ["imported_digest", "imported_files"]

_PACKAGE = "makalu."


def imported_files(root: Path, module: str) -> tuple[Path, ...]:
    """Files of the module `verif.x` or `makalu.y` and of what it imports, wherever in it that is done, in order.

    Does not: see imports whose name is made while the program runs.
    """
    found: set[Path] = set()
    todo = [module]
    while todo:
        parts = todo.pop().removeprefix(_PACKAGE).split(".")
        # a package is imported before what is in it; the last name may be one of a module instead
        for end in range(1, len(parts) + 1):
            path = root.joinpath(*parts[:end])
            file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            if file.is_file() and file not in found:
                found.add(file)
                todo += _imports(root, file)
    return tuple(sorted(found))


def _imports(root: Path, file: Path) -> list[str]:
    """Names of modules, or of what is in one."""
    names = []
    folder = file.relative_to(root).parent.parts
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            names += [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = folder[: len(folder) + 1 - node.level] if node.level else ()
            names += [".".join([*above, *([node.module] if node.module else []), each.name]) for each in node.names]
    return names


def imported_digest(root: Path, module: str) -> str:
    """SHA-256 over names and bytes of these files."""
    digest = sha256()
    for path in imported_files(root, module):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
