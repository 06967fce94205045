"""A hash of all the code that a function or class can reach in its own package: what its verdicts may depend on.

Read from the syntax: a module's source, and that of every module that it imports, wherever the import stands.
`from package import name` leads to the module that the package took the name from, so that a package's list of
contents is not itself a dependency.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from truenorth.base import content_hash


def code_of(module: str) -> str:
    """A hash of the module and of what it reaches in its top-level package; "" where it has no source."""
    return content_hash([[name, _source(name)] for name in sorted(reached(module))], 32)


def reached(module: str) -> set[str]:
    """The names of the modules of its top-level package that a module can reach, itself among them."""
    top = module.partition(".")[0]
    found, todo = set[str](), [module]
    while todo:
        name = todo.pop()
        if name not in found and name.partition(".")[0] == top and _source(name):
            found.add(name)
            todo += _imported(name)
    return found


def _imported(module: str) -> list[str]:
    """The modules that this one names in its imports."""
    package = module if _is_package(module) else module.rpartition(".")[0]
    return [_home(found.of(package), found.name) for found in _imports(_source(module))]


def _home(module: str, name: str) -> str:
    """The module where a name stands that is imported from this one."""
    if not name or not _is_package(module):
        return module
    if _source(f"{module}.{name}"):
        return f"{module}.{name}"
    given = [found for found in _imports(_source(module)) if found.known_as == name]
    return _home(given[-1].of(module), given[-1].name) if given else module


class Import(NamedTuple):
    """`from module import name as known_as`, `level` dots before it; without a name, `import module`."""

    level: int
    module: str
    name: str = ""
    known_as: str = ""

    def of(self, package: str) -> str:
        """The whole name of the module, in a module of this package."""
        return importlib.util.resolve_name("." * self.level + self.module, package)


@cache
def _imports(source: str) -> list[Import]:
    """All imports of a module, wherever they stand; those only for type checkers left out."""
    found = []
    for node in _nodes(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [Import(0, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(alias.name, alias.asname or alias.name) for alias in node.names]
            found += [Import(node.level, node.module or "", *name) for name in names]
    return found


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield node
            yield from _nodes(node)


def _source(module: str) -> str:
    path = _path(module)
    return path.read_text(encoding="utf-8") if path is not None else ""


def _is_package(module: str) -> bool:
    path = _path(module)
    return path is not None and path.name == "__init__.py"


def _path(module: str) -> Path | None:
    """The file of a module, found without running anything; None where it has none, or is not written in Python."""
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:  # a module without a file, such as __main__ at a prompt
        return None
    if spec is None:
        return None
    if not spec.submodule_search_locations:
        places = [Path(spec.origin)] if spec.origin and not rest else []
    else:
        roots = [Path(folder).joinpath(*rest) for folder in spec.submodule_search_locations]
        places = [place for root in roots for place in (root / "__init__.py", root.with_suffix(".py"))]
    return next((place for place in places if place.suffix == ".py" and place.is_file()), None)
