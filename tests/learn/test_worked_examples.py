"""Every objective has a worked example in its docstring, and the example is right."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import truenorth.learn.objectives as catalogue

EVERY = [m.name for m in pkgutil.iter_modules(catalogue.__path__) if not m.name.startswith("_")]


@pytest.mark.parametrize("name", EVERY)
def test_an_objective_has_a_worked_example_and_it_is_right(name):
    module = importlib.import_module(f"{catalogue.__name__}.{name}")
    found = doctest.DocTestFinder(exclude_empty=True).find(module)
    assert any(test.examples for test in found), f"{name}: its docstring has no worked example (>>>)"
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in found:
        runner.run(test, out=said.append)
    assert not runner.failures, "".join(said)
