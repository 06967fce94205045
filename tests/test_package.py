"""What a user installs: the wheel holds every file of the package, and its front door is light."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

import truenorth

ROOT = Path(__file__).parent.parent
# What pip calls, without the environment of its own that pip would download for it.
BUILD = "import sys, setuptools.build_meta as backend; backend.build_wheel(sys.argv[1], {})"

HELP = """
import sys
from truenorth.cli.main import main
try:
    main(["--help"])
except SystemExit as end:
    assert not end.code, end.code
heavy = {"torch", "transformers", "datasets", "trl", "peft", "scipy", "sklearn"} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the tree, as pip would, with the tools that are installed."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    skip = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", tree / "src", ignore=skip)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    command = [sys.executable, "-c", BUILD, str(folder)]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_every_file_of_the_package(wheel: Path):
    source = ROOT / "src"
    files = (path for path in (source / "truenorth").rglob("*") if path.is_file())
    wanted = {str(path.relative_to(source)) for path in files if "__pycache__" not in path.parts}
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    assert "truenorth/py.typed" in wanted
    assert wanted - held == set(), "add the suffix to [tool.setuptools.package-data]"
    assert any(name.endswith("licenses/LICENSE") for name in held)


def test_the_wheel_stays_small(wheel: Path):
    """A few megabytes, models included: the budget of a package that people install to look at."""
    assert wheel.stat().st_size < 30e6


def test_the_version_is_the_packages_own(wheel: Path):
    assert wheel.name.split("-")[1] == truenorth.__version__


def test_help_comes_without_torch(capsys: pytest.CaptureFixture[str]):
    """Seconds are reported, not asserted: they are the machine's. What is loaded is ours."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    assert done.returncode == 0, done.stderr
    assert "align" in done.stdout
    with capsys.disabled():
        print(f" [truenorth --help: {seconds:.2f} s] ", end="")


def test_tests_refuse_to_run_on_the_code_of_another_checkout(tmp_path: Path):
    """Tests of one state beside code of another fail for no reason that is theirs."""
    (tmp_path / "src" / "truenorth").mkdir(parents=True)
    (tmp_path / "src" / "truenorth" / "__init__.py").write_text("")
    (tmp_path / "pyproject.toml").write_text("")
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests/base"]
    where = {**os.environ, "PYTHONPATH": str(tmp_path / "src")}
    done = subprocess.run(command, cwd=ROOT, env=where, capture_output=True, text=True, timeout=120)
    assert done.returncode == 4
    assert f"truenorth would be that of {tmp_path / 'src'}" in done.stdout + done.stderr
