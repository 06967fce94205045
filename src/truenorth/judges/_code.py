"""Code in an answer, and tests of it: which can be checked from outside, and which must run beside it."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from textwrap import dedent
from typing import Any, NamedTuple

from truenorth.base import UserError
from truenorth.judges.confine import Limits, Ran, run_confined

FENCE = re.compile(r"^[ \t]*```[ \t]*(\w*)[^\n]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)
DEFINES = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Case(NamedTuple):
    """`call` must give `expected`. The value is compared outside of the process, where code cannot reach it."""

    call: str
    expected: Any


class Tests(NamedTuple):
    """What was read from tests; `setup` runs before, `asserts` beside the code."""

    setup: str
    cases: list[Case]
    asserts: list[str]


def code_of(text: str) -> str:
    """The Python blocks of an answer, joined; the whole answer if it has no block. One cut off at the end counts.

    >>> code_of("Here:\\n```python\\nx = 1\\n```\\nDone.")
    'x = 1\\n'
    """
    blocks = FENCE.findall(text)
    python = [
        dedent(code) for language, code in blocks if language.lower() in ("", "python", "py", "python3")
    ]
    return "\n".join(python) if blocks else text


def read_tests(tests: str | Sequence[str], *, entry: str = "") -> Tests:
    """Tests in Python: assert statements, or a function `check(candidate)` of them as in HumanEval.

    `assert f(1, [2]) == 3` becomes a case. Any other statement that asserts runs beside the code, and so does all
    that comes after a statement which may have changed something (`x.append(1)` between two asserts).

    Raises:
        UserError: not Python, or without an assert.
    """
    source = tests if isinstance(tests, str) else "\n".join(tests)
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError) as error:
        raise UserError(f"the tests are not Python ({error})", where="unit tests") from error
    setup: list[ast.stmt] = []
    found, tests_found, in_order = Tests("", [], []), False, False
    before: list[ast.stmt] = []  # what changes things between two asserts runs with the second
    for node in _statements(body, entry):
        if not _asserts(node):
            changes = tests_found and not isinstance(node, DEFINES)
            in_order = in_order or changes
            (before if changes else setup).append(node)
            continue
        tests_found = True
        case = None if in_order else _case(node)
        if case is not None:
            found.cases.append(case)
        else:
            found.asserts.append("\n".join(map(ast.unparse, [*before, node])))
            before = []
    if not tests_found:
        raise UserError("no assert among the tests", where="unit tests", expected="assert f(1) == 2")
    return found._replace(setup="\n".join(map(ast.unparse, setup)))


def _statements(body: Sequence[ast.stmt], entry: str) -> list[ast.stmt]:
    """In order; the body of `check(candidate)` stands for that function, about `entry`; its call and what it says of
    itself are left out."""
    found: list[ast.stmt] = []
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name == "check" and len(node.args.args) == 1 and entry:
            found += _renamed(node, node.args.args[0].arg, entry)
        elif not _calls_check(node):
            found.append(node)
    return found


def _asserts(node: ast.stmt) -> bool:
    """Is it an assert, or does it run one (in a loop, say)? A function that has one runs none."""
    return not isinstance(node, DEFINES) and any(isinstance(inner, ast.Assert) for inner in ast.walk(node))


def passed(code: str, tests: Tests, limits: Limits) -> tuple[int, int, Ran]:
    """(tests passed, tests, how the run ended). Code that ends early passes none of the rest."""
    whole = f"{code}\n{tests.setup}" if tests.setup else code
    ran = run_confined(whole, calls=[c.call for c in tests.cases], asserts=tests.asserts, limits=limits)
    total = len(tests.cases) + len(tests.asserts)
    if len(ran.replies) > total:  # more replies than questions: the code wrote some of them itself
        return 0, total, ran
    right = sum(_is(reply, case.expected) for reply, case in zip(ran.replies, tests.cases))
    held = (
        sum(reply.get("held") is True for reply in ran.replies[len(tests.cases) :])
        if ran.end == "done"
        else 0
    )
    return right + held, total, ran


def _is(reply: dict[str, Any], expected: Any) -> bool:
    """The reply's literal equals the expected value. What has no literal form equals nothing."""
    try:
        value = ast.literal_eval(reply["value"])
        return bool(value == expected)
    except (KeyError, TypeError, ValueError, SyntaxError, RecursionError, MemoryError):
        return False


def _case(node: ast.stmt) -> Case | None:
    if not isinstance(node, ast.Assert):
        return None
    test = node.test
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], (ast.Eq, ast.Is)):
        try:
            expected = ast.literal_eval(test.comparators[0])
            same = isinstance(test.ops[0], ast.Eq)
            return Case(ast.unparse(test.left), expected) if same else Case(ast.unparse(test), True)
        except (ValueError, TypeError, SyntaxError):
            return None
    return None


def _renamed(function: ast.FunctionDef, name: str, entry: str) -> list[ast.stmt]:
    class Rename(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.AST:
            return ast.copy_location(ast.Name(entry, node.ctx), node) if node.id == name else node

    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return [Rename().visit(s) for s in body]


def _calls_check(node: ast.stmt) -> bool:
    match node:
        case ast.Expr(value=ast.Call(func=ast.Name(id="check"))):
            return True
    return False
