"""The final answer of a worked solution equals a reference."""

from __future__ import annotations

from functools import lru_cache

from truenorth.judges._maths import NUMBER, final_answer, same_answer
from truenorth.judges.checks._text import Patterns, applies


def math_answer(
    prompt: str, text: str, /, *, answer: str | int | float, when_prompt: Patterns = ()
) -> float | None:
    r"""1 if the answer's last boxed, announced or last number is the same mathematics as `answer`, else 0.

    Args:
        answer: the reference; if it is a whole worked solution, its own final answer counts.

    >>> math_answer("", r"Half of it, so \boxed{\frac{1}{2}}.", answer="0.5")
    1.0
    """
    if not applies(when_prompt, prompt):
        return None
    wanted, said = wanted_of(str(answer)), final_answer(text)
    if same_answer(said, wanted):
        return 1.0
    return float(same_answer(number_in(said), wanted))


@lru_cache(maxsize=4096)
def wanted_of(reference: str) -> str:
    """The reference itself, or the final answer of a worked solution."""
    worked = "\n" in reference or "####" in reference or "\\boxed" in reference
    return final_answer(reference) if worked else reference


def number_in(said: str) -> str:
    """The last number of an answer given in words: "$18 a day" is 18; "" if there are several different."""
    found = {n.replace(",", "") for n in NUMBER.findall(said)}
    return found.pop() if len(found) == 1 and any(c.isalpha() for c in said) else ""
