"""The value of a mathematical expression in plain text or LaTeX, read by a small grammar: no code is run.

Two expressions are the same if they agree at several random values of their letters.
"""

from __future__ import annotations

import cmath
import math
import random
import re
from collections.abc import Mapping

FUNCTIONS = {
    "sqrt": cmath.sqrt,
    "sin": cmath.sin,
    "cos": cmath.cos,
    "tan": cmath.tan,
    "ln": cmath.log,
    "log": cmath.log10,
    "exp": cmath.exp,
}
CONSTANTS = {"pi": math.pi, "e": math.e, "i": 1j}
TOKEN = re.compile(r"\d+\.?\d*|\.\d+|" + "|".join([*FUNCTIONS, "pi"]) + r"|[A-Za-z]|[-+*/^()!]")
NAMES = re.compile("|".join([*FUNCTIONS, "pi"]))
A_WORD = re.compile(r"[A-Za-z]{3,}")  # "cat" is a word, not c times a times t
LONGEST = 400  # characters; longer is no final answer
DEEPEST = 50  # brackets and signs inside one another


class NotMaths(ValueError):
    """The text is not an expression of this grammar."""


def equal_values(a: str, b: str, *, points: int = 4, tolerance: float = 1e-9) -> bool:
    """Do both expressions have the same value, whatever their letters stand for?

    >>> equal_values("2(x+1)", "2x + 2"), equal_values("1/3", "0.33")
    (True, False)
    """
    try:
        trees = [tokens_of(a), tokens_of(b)]
        letters = sorted({t for t in trees[0] + trees[1] if len(t) == 1 and t.isalpha()} - set(CONSTANTS))
        draw = random.Random(0)
        for _ in range(points if letters else 1):
            known = {name: complex(draw.uniform(0.5, 2.0)) for name in letters}
            x, y = (Reader(tokens, known).whole() for tokens in trees)
            if not abs(x - y) <= tolerance * max(1.0, abs(x), abs(y)):
                return False
    except (NotMaths, ArithmeticError, ValueError):
        return False
    return True


def tokens_of(text: str) -> list[str]:
    """Raises: NotMaths: a character that is no part of an expression, a word, or too long a text."""
    if len(text) > LONGEST or A_WORD.search(NAMES.sub(" ", text)):
        raise NotMaths("too long, or in words")
    tokens = TOKEN.findall(text)
    if "".join(tokens) != re.sub(r"\s+", "", text):
        raise NotMaths(f"not an expression: {text!r}")
    return tokens


class Reader:
    """Recursive descent over tokens: sums of products of powers of atoms, with products left unwritten."""

    def __init__(self, tokens: list[str], letters: Mapping[str, complex]):
        self.tokens, self.letters, self.at, self.depth = tokens, letters, 0, 0

    def whole(self) -> complex:
        value = self.sum()
        if self.at != len(self.tokens):
            raise NotMaths(f"unexpected {self.tokens[self.at]!r}")
        return value

    def next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1]

    def sum(self) -> complex:
        value = self.product()
        while self.next() in ("+", "-"):
            value += self.product()  # which takes the sign
        return value

    def product(self) -> complex:
        value = self.signed()
        while True:
            if self.next() in ("*", "/"):
                value = value * self.signed() if self.take() == "*" else value / self.signed()
            elif self.next() not in "+-*/^)!":  # the end, "", is in every text
                value *= self.power()
            else:
                return value

    def signed(self) -> complex:
        if self.next() in ("+", "-"):
            self.deeper()
            value = (
                self.signed() if self.take() == "+" else 0 - self.signed()
            )  # -z would end in -0i: another root
            self.depth -= 1
            return value
        return self.power()

    def power(self) -> complex:
        base = self.atom()
        while self.next() == "!":
            self.take()
            base = factorial(base)
        if self.next() != "^":
            return base
        self.take()
        exponent = self.signed()
        if abs(exponent) > 1000:
            raise NotMaths("too large a power")
        return base**exponent

    def atom(self) -> complex:
        """A number, a name, a call, or what stands in brackets."""
        token = self.take() if self.next() else ""
        if token == "(":
            self.deeper()
            value = self.sum()
            if not self.next() or self.take() != ")":
                raise NotMaths("a bracket is not closed")
            self.depth -= 1
            return value
        if token in FUNCTIONS:
            return self.function(token)
        if token and (token[0].isdigit() or token[0] == "."):
            return complex(float(token))
        if token in CONSTANTS:
            return complex(CONSTANTS[token])
        if token in self.letters:
            return self.letters[token]
        raise NotMaths(f"unexpected {token!r}")

    def function(self, name: str) -> complex:
        """sin(x)^2 is (sin x)^2, as is sin^2 x; sin 2x is sin(2x); sqrt takes what stands next to it alone."""
        self.deeper()
        exponent = complex(1)
        if self.next() == "^":
            self.take()
            exponent = self.atom()
            if exponent.imag or exponent.real <= 0:
                raise NotMaths("an inverse function")
        if self.next() == "(" or name == "sqrt":
            argument = self.atom()
        else:
            argument = self.power()
            while self.next() not in "+-*/^()!" and self.next() not in FUNCTIONS:
                argument *= self.power()
        self.depth -= 1
        return FUNCTIONS[name](argument) ** exponent

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise NotMaths("too deep")


def factorial(value: complex) -> complex:
    n = value.real
    if value.imag or n != int(n) or n > 150:  # below 0: `math.factorial` refuses
        raise NotMaths("a factorial of no small whole number")
    return complex(math.factorial(int(n)))
