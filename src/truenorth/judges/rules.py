"""A set of rules as a judge: each rule's probability of being broken, and a reward that adds them up.

Sources: Glaese et al., "Improving alignment of dialogue agents via targeted human judgements" (Sparrow, 2022), the
rule model and the penalties beside a preference reward; OpenAI's rule-based rewards (Mu et al., 2024), the
propositions with weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from truenorth.base import UserError, content_hash
from truenorth.judges._prompts import asked as prompt_words
from truenorth.judges._spoken import spoken
from truenorth.judges.ask import Asker, How
from truenorth.judges.checks import Check
from truenorth.judges.protocol import Judge
from truenorth.judges.rubric import request
from truenorth.records import Group, Judgement

BROKEN = 'Does the ANSWER break this rule: "{rule}"? Reply with Yes or No.'


class Rule(NamedTuple):
    """One rule. `check` decides it where there is one (1 is kept); else the model does."""

    text: str
    weight: float = 1.0
    check: Check | None = None


@dataclass(frozen=True)
class RulesJudge:
    """Score: 1 - the weighted mean of the probabilities that a rule is broken, plus a preference where there is one.

    Args:
        rules: id -> rule.
        preference: another judge, whose score counts `preference_weight` against 1 for all rules together.
        model: decides rules without a check.
        stop_at: a rule broken with at least this probability makes the score 0 ("hard" rules); above 1 never.

    Raises:
        UserError: there are no rules, one has no weight, or nothing decides one.
    """

    rules: Mapping[str, Rule]
    model: Any = None
    preference: Judge | None = None
    preference_weight: float = 1.0
    stop_at: float = 2.0
    how: How = "auto"
    name: str = ""
    asker: Asker | None = field(init=False, repr=False, compare=False)
    alone: ClassVar[bool] = False

    def __post_init__(self) -> None:
        undecided = [name for name, rule in self.rules.items() if rule.check is None]
        if not self.rules or any(r.weight <= 0 for r in self.rules.values()):
            raise UserError("no rules, or one without weight", where="rules judge")
        if undecided and self.model is None:
            raise UserError(
                f"nothing decides rule {undecided[0]}", where="rules judge", fix="a check, or a model"
            )
        object.__setattr__(self, "asker", Asker(self.model, self.how) if undecided else None)
        if not self.name:
            told = [[k, r.text, r.weight, r.check is not None] for k, r in self.rules.items()]
            also = self.preference.name if self.preference else ""
            label = content_hash([told, also, self.preference_weight, self.stop_at, BROKEN], 8)
            object.__setattr__(self, "name", f"rules:{self.model.name if self.model else 'checks'}#{label}")

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]:
        """A judgement per completion: `principle` is the rule most likely broken; `parts` has each rule's score,
        1 kept, and the preference's."""
        rows = spoken(groups)
        by_model = {name: rule for name, rule in self.rules.items() if rule.check is None}
        requests = [request(p, c, BROKEN.format(rule=r.text)) for p, c in rows for r in by_model.values()]
        answers = iter(self.asker.ask(requests, ["Yes", "No"]) if self.asker else ())
        liked = iter([j for g in self.preference.judge(groups) for j in g]) if self.preference else None
        made = []
        for group in groups:
            row = []
            for text in group.completions:
                also = next(liked) if liked else None
                if not text.strip():
                    row.append(Judgement(None, self.name, reason="empty completion"))
                    continue
                parts = []
                for name, rule in self.rules.items():
                    if rule.check is not None:
                        parts.append(Judgement(rule.check(prompt_words(group.prompt), text), "check", name))
                    else:
                        a = next(answers)
                        kept = None if a.shares is None else a.shares["No"]
                        parts.append(Judgement(kept, self.name, name, a.failure, a.raw))
                row.append(self._weigh(parts, also))
            made.append(row)
        return made

    def _weigh(self, parts: list[Judgement], also: Judgement | None) -> Judgement:
        scored = [
            (p.score, self.rules[p.principle].weight, p.principle) for p in parts if p.score is not None
        ]
        told = tuple(parts + ([also] if also else []))
        if not scored:
            return Judgement(None, self.name, reason="no rule got a verdict", parts=told)
        kept, _, worst = min(scored)
        if 1 - kept >= self.stop_at:
            return Judgement(0.0, self.name, worst, f"breaks {worst}", parts=told)
        score = sum(s * w for s, w, _ in scored) / sum(w for _, w, _ in scored)
        if also is not None and also.score is not None:
            score = (score + self.preference_weight * also.score) / (1 + self.preference_weight)
        return Judgement(score, self.name, worst, f"{worst} kept with {kept:.2f}", parts=told)
