"""Judge of answers against many constraints of all kinds: by code where that can tell, else by a checklist.

A prompt and its constraints are CFBench's, or one's own in the same shape (`cfbench.read_items`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from truenorth.base import UserError, content_hash
from truenorth.judges._kinds import KINDS
from truenorth.judges._prompts import asked, plain_key
from truenorth.judges.ask import Asker, How
from truenorth.judges.cfbench import Item
from truenorth.judges.checks import Check
from truenorth.judges.compile import bind
from truenorth.judges.rubric import CHECK, TELL, request, yes_or_no
from truenorth.records import Group, Judgement, Prompt

ASK = "The answer has to meet this requirement: {text}\n{look}\nDoes it, in full?"


@dataclass(frozen=True)
class ConstraintsJudge:
    """Scores an answer by the share of its prompt's constraints that it meets (CSR); `parts` has each in order.

    Args:
        items: prompts with their criteria; `read_items` reads them from a file.
        model: asked for what no check decides. Without one, such a criterion has no verdict.

    Raises:
        UserError: one prompt with two lists of criteria, or a check or setting that does not exist.
    """

    items: Sequence[Item]
    model: Any = None
    how: How = "auto"
    least: float = 0.0
    folder: str = ""
    name: str = ""
    asker: Asker | None = field(init=False, repr=False, compare=False)
    _ready: dict[str, tuple[Item, list[Check | None]]] = field(init=False, repr=False, compare=False)
    alone: ClassVar[bool] = True

    def __post_init__(self) -> None:
        model = None if self.model is None else Asker(self.model, self.how, self.least)
        object.__setattr__(self, "asker", model)
        ready: dict[str, tuple[Item, list[Check | None]]] = {}
        for number, item in enumerate(self.items, start=1):
            if ready.get(plain_key(item.prompt), (item, []))[0].criteria != item.criteria:
                fix = "leave one out, or give each a judge of its own"
                raise UserError(
                    "an earlier prompt is the same, with other criteria", where=f"item {number}", fix=fix
                )
            ready[plain_key(item.prompt)] = (item, self._checks(item))
        object.__setattr__(self, "_ready", ready)
        if not self.name:
            looks = [[k, v.look] for k, v in KINDS.items()]
            label = content_hash([[[*map(list, i.criteria)] for i in self.items], TELL, CHECK, ASK, looks], 8)
            by = "code" if self.model is None else self.model.name
            object.__setattr__(self, "name", f"constraints:{by}#{label}")

    def _checks(self, item: Item) -> list[Check | None]:
        named = [next(iter(c.check.items())) if c.check else None for c in item.criteria]
        where = f"constraints of {asked(item.prompt)[:40]!r}, check "
        return [
            bind(n[0], n[1] or {}, folder=Path(self.folder), where=where + n[0]) if n else None for n in named
        ]

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]:
        """A judgement per completion; none for a prompt without criteria. All questions are asked at once."""
        said = [(g.prompt, c, self._ready.get(plain_key(g.prompt))) for g in groups for c in g.completions]
        parts = [self._by_code(prompt, text, *ready) if ready else [] for prompt, text, ready in said]
        open_ones = [(i, k) for i, row in enumerate(parts) for k, part in enumerate(row) if part is None]
        if self.asker is not None:
            asking = [self._request(*said[i], k) for i, k in open_ones]
            for (i, k), answer in zip(open_ones, self.asker.ask(asking, ["Yes", "No"])):
                question = said[i][2][0].criteria[k].text  # type: ignore[index]
                parts[i][k] = yes_or_no(answer, name=self.name, question=question, hard=True)
        found = iter([self._made(text, row) for (_, text, _), row in zip(said, parts)])
        return [[next(found) for _ in g.completions] for g in groups]

    def _by_code(
        self, prompt: Prompt, text: str, item: Item, checks: Sequence[Check | None]
    ) -> list[Judgement | None]:
        """None: ask the model."""
        if not text.strip():
            return [Judgement(0.0, self.name, reason=c.text) for c in item.criteria]
        scores = [None if check is None else check(asked(prompt), text) for check in checks]
        return [
            None
            if score is None
            else Judgement(float(score >= 1), "check:" + next(iter(c.check or "")), reason=c.text)
            for score, c in zip(scores, item.criteria)
        ]

    def _request(self, prompt: Prompt, text: str, ready: Any, k: int) -> Any:
        item: Item = ready[0]
        look = KINDS[item.criteria[k].kind].look if item.criteria[k].kind else ""
        question = ASK.format(text=item.criteria[k].text, look=look)
        more = {"REFERENCE": item.reference} if item.reference else {}
        return request(prompt, text, CHECK.format(question=question, na=""), **more)

    def _made(self, text: str, parts: Sequence[Judgement | None]) -> Judgement:
        if not parts:
            return Judgement(None, self.name, reason="no constraints for this prompt")
        told = tuple(p or Judgement(None, self.name, reason="no check, and no model to ask") for p in parts)
        scores = [p.score for p in told if p.score is not None]
        if not text.strip():
            return Judgement(None, self.name, reason="empty completion", parts=told)
        reason = "; ".join(p.reason for p in told if p.score == 0)
        return Judgement(sum(scores) / len(scores) if scores else None, self.name, reason=reason, parts=told)
