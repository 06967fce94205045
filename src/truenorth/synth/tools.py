"""Answers with tools: a calculator and confined Python are called by the model's own words and answer in turn.

Source: Schick et al. 2023, "Toolformer" (arXiv:2302.04761), calls in the text; Gou et al. 2024, "ToRA"
(arXiv:2309.17452), code and its output in turns. Python runs in a process that can compute and nothing else.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import NamedTuple

from truenorth.base import UserError
from truenorth.judges._code import FENCE
from truenorth.judges._maths import final_answer, number_of
from truenorth.judges.confine import Limits, run_confined
from truenorth.models.guidelines import with_guidance
from truenorth.models.protocol import Model, Tick
from truenorth.records import Message, Row, Source, as_messages
from truenorth.synth.asking import gathered, part_seed, say
from truenorth.synth.filters import Filtered, row_prompt

LONGEST = 2000  # characters of a tool's answer that are kept


class Tool(NamedTuple):
    """A tool. `call` finds one in a turn (the text of the call, or None); `use` answers it, or None if it cannot."""

    name: str
    about: str
    call: Callable[[str], str | None]
    use: Callable[[str], str | None]


def calculator(about: str = "You have a calculator.", pattern: str = r"CALC\(([^()\n]{1,200})\)") -> Tool:
    """Sums of whole and decimal numbers by + - * /, called as CALC(12 + 30) or by another pattern with one group."""

    def call(text: str) -> str | None:
        found = re.search(pattern, text)
        return found[1] if found else None

    return Tool("calculator", about, call, calculated)


def python_tool(
    about: str = "You have Python: write ```python and the code, and what it prints is shown to you.",
    *,
    limits: Limits | None = None,
) -> Tool:
    """The first Python block of a turn, confined; its answer is what it prints, or the last line of its error."""

    def call(text: str) -> str | None:
        return next((code for kind, code in FENCE.findall(text) if kind.lower() in ("python", "py")), None)

    def use(code: str) -> str | None:
        ran = run_confined(code, limits=limits)
        if ran.end != "done":
            return (
                None if ran.end != "failed" else (ran.stderr.strip().splitlines() or ["failed"])[-1][:LONGEST]
            )
        return ran.stdout.strip()[:LONGEST] or "(nothing printed)"

    return Tool("python", about, call, use)


def tool_answers(
    model: Model,
    prompts: Sequence[Row],
    tools: Sequence[Tool],
    *,
    n: int = 1,
    most_calls: int = 3,
    bare: bool = False,
    max_tokens: int = 64,
    temperature: float = 1.0,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """Rows (prompt, completion, calls, agrees): the turns from the first call to the answer, under what the tools are.

    The completion has the assistant's calls, the tools' answers (role "tool") and the last answer. `agrees`: the
    answer has the tool's last number as its own (None where either has none): the environment's verdict. Reasons:
    faults, "no tool called", "tool failed", "too many calls".

    Args:
        bare: prompt and last answer alone, as if the model had known: what the tool found is distilled.
        most_calls: of tools, in one answer.

    Raises:
        UserError: no tools, or no calls allowed.
    """
    if not tools or most_calls < 1:
        raise UserError(
            f"{len(tools)} tools, {most_calls} calls", where="tools", expected="one or more of each"
        )
    ask = partial(say, model, max_tokens=max_tokens, temperature=temperature, tick=tick)
    about = "\n".join(tool.about for tool in tools)
    talks = [Talk(row, with_guidance(row_prompt(row), about), i) for row in prompts for i in range(n)]
    for turn in range(most_calls + 1):
        for i in range(n):
            going = [t for t in talks if t.index == i and not t.over]
            asked = [[*t.prompt, *t.turns] for t in going]
            for t, [one] in zip(going, ask(asked, seed=part_seed(seed, turn, i)), strict=True):
                t.hear(one.text, one.fault, tools)
    return gathered(t.row(model, seed, bare) for t in talks)


class Talk:
    """A prompt and the turns so far; it is over with an answer that calls no tool, or with a fault."""

    def __init__(self, source: Row, prompt: list[Message], index: int):
        self.source, self.prompt, self.index = source, prompt, index
        self.turns: list[Message] = []
        self.found: list[str] = []
        self.fault, self.over = "", False

    def hear(self, text: str, fault: str, tools: Sequence[Tool]) -> None:
        """The model's next turn, and the answer of the tool that it calls."""
        self.turns.append({"role": "assistant", "content": text})
        called = next(((tool, call) for tool in tools if (call := tool.call(text)) is not None), None)
        if fault or called is None:
            self.fault, self.over = fault or ("" if self.found else "no tool called"), True
            return
        answer = called[0].use(called[1])
        if answer is None:
            self.fault, self.over = "tool failed", True
            return
        self.found.append(answer)
        self.turns.append({"role": "tool", "content": answer})

    def row(self, model: Model, seed: int, bare: bool) -> Row | str:
        if self.fault or not self.over:
            return self.fault or "too many calls"
        source = Source(
            "tools",
            "environment",
            model=model.name,
            seed=seed,
            parents=(self.source.id,),
            note=f"draw {self.index}: {'; '.join(self.found)}",
        )
        turns = self.turns[-1:] if bare else self.turns
        prompt = as_messages(row_prompt(self.source)) if bare else self.prompt
        agrees = same_number(self.turns[-1]["content"], self.found[-1])
        return Row(
            {"prompt": prompt, "completion": turns, "calls": len(self.found), "agrees": agrees}, source
        )


def same_number(answer: str, found: str) -> bool | None:
    """Is the answer's last number the tool's? None where either has none."""
    said, known = (number_of(final_answer(text)) for text in (answer, found))
    return None if said is None or known is None else said == known


def calculated(text: str) -> str | None:
    """The value of a sum of numbers by + - * / and brackets, exact; None for what is none, or a division by zero.

    >>> calculated("2 * (3 + 4)"), calculated("3 / 4"), calculated("1 / 3"), calculated("2 +"), calculated("1 / 0")
    ('14', '0.75', '1/3', None, None)
    """
    try:
        value = _value(ast.parse(text.replace("×", "*").strip(), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return None
    if value.denominator == 1:
        return str(value)
    ends = 10**20 % value.denominator == 0  # as a decimal
    return format(Decimal(value.numerator) / Decimal(value.denominator), "f") if ends else str(value)


def _value(node: ast.expr) -> Fraction:
    """Raises: ValueError: anything but numbers and the four operations."""
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return Fraction(str(number))
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_value(inner)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATIONS:
            return OPERATIONS[type(op)](_value(left), _value(right))
    raise ValueError("no sum")


OPERATIONS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
