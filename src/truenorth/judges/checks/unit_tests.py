"""The code in the answer passes tests, run in a process that can compute and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from truenorth.judges._code import Tests, code_of, passed, read_tests
from truenorth.judges.checks._text import Patterns, applies
from truenorth.judges.confine import Limits


def unit_tests(
    prompt: str,
    text: str,
    /,
    *,
    tests: str | Sequence[str],
    entry: str = "",
    share: bool = False,
    timeout_s: float = 10.0,
    memory_mb: int = 1024,
    packages: bool = False,
    when_prompt: Patterns = (),
) -> float | None:
    """1 if every test passes, else 0. The code has no network, no other processes and no files.

    `assert f(2) == 4` is compared outside of the process. Any other assert runs beside the code, which could be
    written to fool it: prefer comparisons with a literal where answers are trained on the result.

    Args:
        tests: Python asserts, or HumanEval's `check(candidate)`, whose function is named by `entry`.
        share: the share of tests passed instead of all or nothing.
        timeout_s, memory_mb: of one answer with all its tests.
        packages: allow installed packages beside the standard library.

    >>> unit_tests("", "def double(x): return 2 * x", tests="assert double(4) == 8")
    1.0
    """
    if not applies(when_prompt, prompt):
        return None
    limits = Limits(wall_s=timeout_s, cpu_s=max(1, round(timeout_s)), memory_mb=memory_mb, packages=packages)
    right, total, _ = passed(code_of(text), _tests(_joined(tests), entry), limits)
    return right / total if share else float(right == total)


def _joined(tests: str | Sequence[str]) -> str:
    return tests if isinstance(tests, str) else "\n".join(tests)


@lru_cache(maxsize=1024)
def _tests(tests: str, entry: str) -> Tests:
    return read_tests(tests, entry=entry)
