"""A sum in the prompt must be solved by the answer. The check computes; it holds no list of answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

from truenorth.judges.checks._text import Patterns, applies, numbers

# A bare hyphen or slash between digits is a range, a date or a fraction, so those two need spaces.
OPERATORS = {
    r"\s*\+\s*": "+",
    r"\s+[-–−]\s+": "-",
    r"\s*−\s*": "-",
    r"\s*[*×·]\s*": "*",
    r"\s+x\s+": "*",
    r"\s+/\s+": "/",
    r"\s*÷\s*": "/",
    r"\s+plus\s+": "+",
    r"\s+minus\s+": "-",
    r"\s+times\s+": "*",
    r"\s+multiplied\s+by\s+": "*",
    r"\s+divided\s+by\s+": "/",
}
OPERAND = r"-?\d+(?:,\d{3})*(?:\.\d+)?"


def arithmetic(
    prompt: str, text: str, /, *, words: Mapping[str, str] | None = None, when_prompt: Patterns = ()
) -> float | None:
    """1 if the last number of the text is the value of the last sum in the prompt, else 0; None without one.

    Chains of any length are read with the usual precedence, exactly (fractions, no rounding).

    Args:
        words: further operator words, such as `{"und": "+", "mal": "*"}` for another language.

    >>> arithmetic("What is 3 + 4 times 2?", "It is 11.")
    1.0
    """
    if not applies(when_prompt, prompt):
        return None
    value = value_of(prompt, words or {})
    if value is None:
        return None
    said = numbers(text)
    return 1.0 if said and said[-1] == value else 0.0


def value_of(prompt: str, words: Mapping[str, str]) -> Fraction | None:
    """The value of the last chain of operations in the prompt; None if there is none, or it divides by 0."""
    operators = OPERATORS | {rf"\s+{re.escape(word)}\s+": sign for word, sign in words.items()}
    either = "|".join(operators)
    chains = re.findall(rf"(?<![\w.,])({OPERAND}(?:(?:{either}){OPERAND})+)(?!\w)", prompt, re.IGNORECASE)
    if not chains:
        return None
    pieces = re.split(rf"({either})", chains[-1], flags=re.IGNORECASE)
    terms = [Fraction(piece.replace(",", "")) for piece in pieces[::2]]
    signs = [next(s for p, s in operators.items() if re.fullmatch(p, o, re.IGNORECASE)) for o in pieces[1::2]]
    return evaluate(terms, signs)


def evaluate(terms: list[Fraction], signs: list[str]) -> Fraction | None:
    """`terms[0] signs[0] terms[1] ...`: products before sums, left to right."""
    total, product = Fraction(0), terms[0]
    for sign, term in zip(signs, terms[1:], strict=True):
        if sign == "*":
            product *= term
        elif sign == "/":
            if term == 0:
                return None
            product /= term
        else:
            total += product
            product = term if sign == "+" else -term
    return total + product
