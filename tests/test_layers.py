"""Imports point down the floors, the truth stays in its room, and light parts stay light.

Reads the syntax tree of every file, so an import counts wherever it stands: at the top, inside a
function, under TYPE_CHECKING, or as a dotted name in a string that some code imports later.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src"

# From the top floor to the bottom. On a floor with arrows a package may import those to its right;
# on a floor without, packages are siblings and do not import one another.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("cli", "->", "serve"),
    ("gallery", "->", "recipes", "->", "report"),
    ("learn", "decode", "edit", "measure", "guard"),
    ("synth",),
    ("judges",),
    ("models", "->", "engine"),
    ("worlds", "->", "constitution", "->", "records", "->", "stats", "->", "base"),
)
# The oracle and the world's truth. Only these may name it; what makes data or trains never does.
GOLD = re.compile(r"truenorth\.worlds(\.\w+)*\.gold(\.|$)")
MAY_SEE_GOLD = {"worlds", "measure", "recipes", "gallery"}
# The main job opens the truth only to measure, so starting it must not load it either.
MAIN_JOB = (
    "truenorth.worlds.harbour",
    "truenorth.recipes.align",
    "truenorth.recipes.harbour",
    "truenorth.recipes.own_model",
    "truenorth.cli.align",
)
# Packages that must be usable without torch and transformers, and fast to import.
LIGHT = ("base", "stats", "records", "constitution", "worlds", "engine", "cli")
HEAVY = ("torch", "transformers", "trl", "peft", "datasets", "sklearn")


def may_import() -> dict[str, set[str]]:
    """For each package, the packages of the house that it may import (itself included)."""
    allowed: dict[str, set[str]] = {}
    below: set[str] = set()
    for floor in reversed(FLOORS):
        right: set[str] = set()
        packages = [name for name in floor if name != "->"]
        for package in reversed(packages):
            allowed[package] = {package} | below | right
            right |= {package} if "->" in floor else set()
        below |= set(packages)
    return allowed


ALLOWED = may_import()


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of all that a file imports, by statement or by a dotted name in a string."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(level=0, module=str(module), names=names):
                yield from ((node.lineno, f"{module}.{alias.name}") for alias in names)
            case ast.Constant(value=str(text)) if re.fullmatch(r"truenorth(\.\w+)+(:\w+)?", text):
                yield node.lineno, text.replace(":", ".")


def violations(file: str, source: str) -> list[str]:
    """What is wrong with the imports of one file; `file` is its path below src."""
    tree = ast.parse(source, filename=file)
    parts = Path(file).with_suffix("").parts
    package = parts[1] if len(parts) > 2 or (SOURCE / "truenorth" / parts[1]).is_dir() else ""
    found = [
        f"{file}:{node.lineno}: relative import; write `from truenorth...`"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    for line, name in imported(tree):
        root, _, rest = name.partition(".")
        target = rest.partition(".")[0]
        if root != "truenorth" or target not in ALLOWED:  # another library, or `truenorth.__version__`
            continue
        if not package:
            found.append(f"{file}:{line}: the package's front door imports {name}; it must import nothing")
        elif target not in ALLOWED[package]:
            found.append(f"{file}:{line}: {package} imports {name}, which points up or sideways")
        if GOLD.match(name + ".") and package not in MAY_SEE_GOLD:
            found.append(f"{file}:{line}: {package} sees the world's truth ({name})")
    return found


def files() -> list[str]:
    return sorted(str(path.relative_to(SOURCE)) for path in (SOURCE / "truenorth").rglob("*.py"))


def loaded_by(statements: str) -> set[str]:
    """The modules that a fresh interpreter holds after running `statements`."""
    code = f"{statements}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_imports_point_down_the_floors():
    wrong = [line for file in files() for line in violations(file, (SOURCE / file).read_text())]
    assert not wrong, "\n" + "\n".join(wrong)


def test_every_package_has_a_floor():
    packages = {path.parent.name for path in (SOURCE / "truenorth").glob("*/__init__.py")}
    assert packages <= set(ALLOWED), f"no floor for {sorted(packages - set(ALLOWED))}"


@pytest.mark.parametrize(
    ("file", "source", "complaint"),
    [
        ("truenorth/base/x.py", "import truenorth.stats", "base imports truenorth.stats"),
        ("truenorth/learn/x.py", "from truenorth import measure", "learn imports truenorth.measure"),
        ("truenorth/measure/x.py", "def f():\n    from truenorth.learn import fit", ":2: measure imports"),
        ("truenorth/judges/x.py", 'find("truenorth.learn.objectives", "dpo")', "judges imports"),
        ("truenorth/report/x.py", "from truenorth.recipes.align import align", "report imports"),
        ("truenorth/synth/x.py", "from . import y", "relative import"),
        (
            "truenorth/synth/x.py",
            "from truenorth.worlds.harbour.gold import oracle",
            "sees the world's truth",
        ),
        ("truenorth/judges/x.py", "from truenorth.worlds.harbour import gold", "sees the world's truth"),
        ("truenorth/learn/x.py", "import truenorth.worlds.harbour.gold.facts", "sees the world's truth"),
        ("truenorth/__init__.py", "from truenorth.recipes import align", "front door"),
    ],
)
def test_a_wrong_import_is_found(file: str, source: str, complaint: str):
    assert any(complaint in line for line in violations(file, source))


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("truenorth/cli/x.py", "from truenorth.serve import app"),
        ("truenorth/gallery/x.py", "from truenorth.recipes import align\nfrom truenorth.report import page"),
        ("truenorth/recipes/x.py", "from truenorth.worlds.harbour.gold import oracle"),
        ("truenorth/learn/x.py", "import torch\nfrom truenorth.models import LocalModel"),
        ("truenorth/worlds/x.py", "from truenorth import __version__\nimport truenorth.constitution"),
        ("truenorth/base/x.py", "import trueskill.learn"),
    ],
)
def test_a_right_import_passes(file: str, source: str):
    assert violations(file, source) == []


def test_the_front_door_loads_nothing_but_itself():
    loaded = {name for name in loaded_by("import truenorth") if name.startswith("truenorth")}
    assert loaded == {"truenorth"}


@pytest.mark.parametrize("package", LIGHT)
def test_light_packages_load_no_heavy_library(package: str):
    """Every module of base, stats, records and constitution; of the others, the package itself."""
    whole = package in {"base", "stats", "records", "constitution"}
    modules = [
        f for f in files() if f.startswith(f"truenorth/{package}/") and (whole or f.endswith("/__init__.py"))
    ]
    names = [re.sub(r"/__init__$", "", f.removesuffix(".py")).replace("/", ".") for f in modules]
    names = [name for name in names if ".gold" not in name]
    heavy = loaded_by("\n".join(f"import {name}" for name in names)) & set(HEAVY)
    assert not heavy, f"{package} loads {sorted(heavy)} at import"


def test_what_makes_data_or_trains_never_loads_the_truth():
    """The syntax tree shows direct imports; this one follows them all."""
    apart = ("synth", "judges", "learn", "models", "engine", "constitution")
    names = [f.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for f in files()]
    mine = [name for name in names if name.split(".")[1:2] and name.split(".")[1] in apart]
    mine += [name for name in MAIN_JOB if name in names]
    gold = {
        name for name in loaded_by("\n".join(f"import {name}" for name in mine)) if GOLD.match(name + ".")
    }
    assert not gold, f"loaded on the way: {sorted(gold)}"
