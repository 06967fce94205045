"""The program in the answer prints what it should, run in a process that can compute and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from truenorth.judges._code import code_of
from truenorth.judges.checks._text import Patterns, applies
from truenorth.judges.confine import Limits, run_confined


def program(
    prompt: str,
    text: str,
    /,
    *,
    cases: Sequence[Mapping[str, str]],
    share: bool = False,
    timeout_s: float = 10.0,
    memory_mb: int = 1024,
    when_prompt: Patterns = (),
) -> float | None:
    """1 if the program prints the expected text for every case (spaces at line ends ignored), else 0.

    Args:
        cases: `{input: ..., output: ...}`; one run each.
        share: the share of cases passed instead of all or nothing.
        timeout_s, memory_mb: of one case.

    >>> program("", "print(int(input()) * 2)", cases=[{"input": "4", "output": "8"}])
    1.0
    """
    if not applies(when_prompt, prompt):
        return None
    code = code_of(text)
    limits = Limits(wall_s=timeout_s, cpu_s=max(1, round(timeout_s)), memory_mb=memory_mb)
    right = 0
    for case in cases:
        ran = run_confined(code, stdin=case.get("input", ""), limits=limits)
        if ran.end == "done" and tidy(ran.stdout) == tidy(case["output"]):
            right += 1
        elif not share:
            return 0.0
    return right / len(cases) if share else 1.0


def tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().split("\n"))
