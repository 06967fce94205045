"""The examples in the docstrings of the statistics are right."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import truenorth.stats as package


@pytest.mark.parametrize("name", [m.name for m in pkgutil.iter_modules(package.__path__)])
def test_the_examples_of_a_module_are_right(name):
    said: list[str] = []
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder().find(importlib.import_module(f"truenorth.stats.{name}")):
        runner.run(test, out=said.append)
    assert not runner.failures, "".join(said)
