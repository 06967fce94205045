"""Labels for the steps of a solution without anybody who labels: how often a step can still be led to the right end.

Source: Wang et al. 2024, "Math-Shepherd" (arXiv:2312.08935), section 3.2: from each prefix N completions; the hard
label says that one of them is right (equation 3), the soft label how many (equation 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from truenorth.base import UserError
from truenorth.judges import Judge
from truenorth.judges.logprob import dialogue
from truenorth.judges.step_reward import split
from truenorth.models.protocol import Model, Tick
from truenorth.records import Completion, Group, Row, Source
from truenorth.synth.answers import answer_text
from truenorth.synth.asking import gathered
from truenorth.synth.continuing import TEMPLATE, begun
from truenorth.synth.filters import Filtered, row_prompt


def rollout_labels(
    model: Model,
    rows: Sequence[Row],
    judge: Judge,
    *,
    n: int = 8,
    separator: str = r"\n+",
    labels: Literal["hard", "soft"] = "hard",
    right: float = 0.5,
    template: str = TEMPLATE,
    max_tokens: int = 64,
    temperature: float = 1.0,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """Step-wise rows as TRL's (prompt, completions, labels), and `shares`, of solutions (rows prompt, completion).

    From every step but the last the model completes the solution `n` times; the last step's label is the judge's
    verdict on the solution itself. A solution of which some step has no completion with a verdict is dropped: "no
    verdict"; so is one without steps: "blank".

    Args:
        judge: of a whole solution: right at a score of `right` or more. `VerifiableJudge` where answers are known.
        separator: a pattern between two steps; the step before it ends with it.
        labels: "hard" (a completion is right, true or false) or "soft" (the share that is, a fraction).
        template: see `begun`.
        tick: called with the number of prefixes completed.

    Raises:
        UserError: no completions asked for, or other labels.
    """
    if n < 1 or labels not in ("hard", "soft"):
        raise UserError(f"n {n}, labels {labels!r}", where="rollouts", expected="n >= 1; hard or soft")
    steps = [split(answer_text(row.data["completion"]), separator) for row in rows]
    starts = [(k, "".join(parts[:i])) for k, parts in enumerate(steps) for i in range(1, len(parts))]
    asked = [begun(model, row_prompt(rows[k]), start.rstrip(" "), template=template) for k, start in starts]
    settings = {"max_tokens": max_tokens, "temperature": temperature, "seed": seed}
    drawn = model.sample(asked, n, **settings, tick=tick) if asked else []  # type: ignore[arg-type]
    tries = [
        (k, [_joined(start, one.text) for one in group if _ended(one)])
        for (k, start), group in zip(starts, drawn, strict=True)
    ]
    tries += [(k, ["".join(parts)] if parts else []) for k, parts in enumerate(steps)]
    verdicts = judge.judge([Group(row_prompt(rows[k]), texts) for k, texts in tries]) if tries else []
    shares: list[list[float | None]] = [[] for _ in rows]
    for (k, _), found in zip(tries, verdicts, strict=True):
        known = [one.score >= right for one in found if one.score is not None]
        shares[k].append(sum(known) / len(known) if known else None)

    def made(row: Row, parts: Sequence[str], share: Sequence[float | None]) -> Row | str:
        known = [x for x in share if x is not None]
        if not parts or len(known) < len(share):
            return "no verdict" if parts else "blank"
        said = known if labels == "soft" else [x > 0 for x in known]
        source = Source(
            "rollouts", "environment", model=model.name, judge=judge.name, seed=seed, parents=(row.id,)
        )
        told = {"prompt": dialogue(row_prompt(row)), "completions": list(parts), "labels": said}
        return Row({**told, "shares": known, "rollouts": n}, source)

    return gathered(made(*one) for one in zip(rows, steps, shares, strict=True))


def _joined(start: str, text: str) -> str:
    """What a model went on with behind a start that it was shown without the spaces at its end: for most tokenizers a
    space belongs to the word after it, and one left over leads to words that were never read after one."""
    return start + text.lstrip(" ") if start.endswith(" ") else start + text


def _ended(one: Completion) -> bool:
    return one.finish == "stop"
