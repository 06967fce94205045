"""Debate over a text that the judge does not see: each side quotes the sentence that speaks most for its answer.

Quotes that do not stand in the text are not heard. The judge reads what it heard as notes in front of the question:
p(answer | question, quotes) is the mean over quotes z of p(answer | question, z), weighed by p(question | z), so that
a quote about something else counts for little. All of it is likelihood: no debater and no judge needs to write.

Sources: Michael et al. 2023 (arXiv:2311.08702) and Khan et al. 2024 (arXiv:2402.06782), hidden passages and quotes that
are checked, consultancy as the baseline; Kenton et al. 2024 (arXiv:2407.04622). The weighing is the RAG-sequence model
of Lewis et al. 2020 (arXiv:2005.11401), with p(z | question) by Bayes' rule.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from truenorth.base import UserError, content_hash, seed_of
from truenorth.judges._prompts import plain_key, replace_last_user
from truenorth.judges.checks._text import sentences
from truenorth.judges.debate import stands_in
from truenorth.judges.logprob import Preference, dialogue, fill
from truenorth.records import Group, Judgement, Prompt

NOTE = 'A text that you cannot see says: "{quote}" {question}'
HERE = "truenorth quotes here"
SILENT = Preference(None, None, None, None)


@dataclass(frozen=True)
class QuoteDebate:
    """As a judge of a group of two: each answer's probability of being right, after a quote for each.

    Args:
        judge_model: decides by likelihoods; it sees quotes, never a text.
        debater: finds the quotes; it sees the texts.
        texts: a prompt's words (`dialogue`) -> the text that only the debaters see.
        note: what the last user turn becomes, with {quote} and, after it, {question}.
        support: no verdict where quotes make neither answer likelier by so many nats.
        seed: of the coin that gives a consultant its side.

    Raises:
        UserError: a note without {quote} and, after it, {question}.
    """

    judge_model: Any
    debater: Any
    texts: Mapping[str, str] = field(repr=False)
    note: str = NOTE
    support: float = -math.inf
    seed: int = 0
    name: str = ""
    alone: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 <= self.note.find("{quote}") < self.note.find("{question}"):
            raise UserError(
                f"note {self.note!r}", where="quote debate", expected="{quote} and, after it, {question}"
            )
        if not self.name:
            label = content_hash([sorted(self.texts.items()), self.note, str(self.support)], 8)
            who = f"{self.judge_model.name},{self.debater.name}"
            object.__setattr__(self, "name", f"quotes:{who}#{label}")

    def compare(self, prompts: Sequence[Prompt], a: Sequence[str], b: Sequence[str]) -> list[Preference]:
        """The debate: the probability that a is right, once both sides have quoted. Seats do not exist, so that both
        orders agree; no answer where the text has no sentences."""
        heard = zip(self.quotes(prompts, a, b), self.quotes(prompts, b, a), strict=True)
        return self.hear(prompts, a, b, [list(both) for both in heard])

    def consult(self, prompts: Sequence[Prompt], a: Sequence[str], b: Sequence[str]) -> list[Preference]:
        """Consultancy, the baseline: one side, drawn by coin, quotes for its answer and nobody contradicts."""
        first = [seed_of(self.seed, plain_key(p), x, y) % 2 for p, x, y in zip(prompts, a, b, strict=True)]
        sides = [(x, y) if up else (y, x) for up, x, y in zip(first, a, b)]
        quotes = self.quotes(prompts, [mine for mine, _ in sides], [theirs for _, theirs in sides])
        return self.hear(prompts, a, b, [[one] for one in quotes])

    def read(self, prompts: Sequence[Prompt], a: Sequence[str], b: Sequence[str]) -> list[Preference]:
        """The ceiling: the judge is given every sentence of the text."""
        return self.hear(prompts, a, b, [sentences(self._text(prompt)) for prompt in prompts])

    def unheard(self, prompts: Sequence[Prompt], a: Sequence[str], b: Sequence[str]) -> list[Preference]:
        """The floor: the judge alone, without any text, by how likely it finds each answer."""
        pairs = [
            self._behind(prompt, "", x) for prompt, *both in zip(prompts, a, b, strict=True) for x in both
        ]
        return [verdict(x, y) for x, y in np.reshape(totals(self.judge_model, pairs), (-1, 2))]

    def quotes(self, prompts: Sequence[Prompt], mine: Sequence[str], theirs: Sequence[str]) -> list[str]:
        """For each side to argue for, the sentence that makes its answer likeliest against the other; "" without
        one."""
        said = [sentences(self._text(prompt)) for prompt in prompts]
        pairs = [
            self._behind(prompt, one, answer)
            for prompt, lines, *both in zip(prompts, said, mine, theirs, strict=True)
            for one in lines
            for answer in both
        ]
        found = iter(np.reshape(totals(self.debater, pairs), (-1, 2)))
        for_mine = [[x - y for x, y in (next(found) for _ in lines)] for lines in said]
        return [lines[int(np.argmax(gain))] if lines else "" for lines, gain in zip(said, for_mine)]

    def hear(
        self, prompts: Sequence[Prompt], a: Sequence[str], b: Sequence[str], quotes: Sequence[Sequence[str]]
    ) -> list[Preference]:
        """The judge's verdict after quotes, of which those that do not stand in the text are left out. An answer gains
        by how much likelier it is than without them, nats, so that a short one has no start."""
        known = [
            list(dict.fromkeys(q for q in said if stands_in(q, self._text(prompt))))
            for prompt, said in zip(prompts, quotes, strict=True)
        ]
        asked = [
            self._behind(prompt, one, answer)
            for prompt, said, *both in zip(prompts, known, a, b, strict=True)
            for answer in ("", *both)
            for one in ("", *said)
        ]
        found = iter(totals(self.judge_model, asked))

        def heard(said: Sequence[str]) -> tuple[float, float]:
            """Log-likelihood of a question, or of it and an answer, without quotes and over all of them."""
            before, *after = (next(found) for _ in ("", *said))
            return before, float(np.logaddexp.reduce(after)) if after else 0.0

        told = []
        for said in known:
            (plain, noted), *sides = heard(said), heard(said), heard(said)
            gains = [(after - noted) - (before - plain) for before, after in sides]
            told.append(verdict(*gains) if said and max(gains) >= self.support else SILENT)
        return told

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]:
        """Only groups of two can be debated."""
        pairs = [g for g, group in enumerate(groups) if len(group.completions) == 2]
        told = [(groups[g].prompt, *groups[g].completions) for g in pairs]
        found = dict(zip(pairs, self.compare(*zip(*told)) if told else []))
        return [self._judgements(group, found.get(g)) for g, group in enumerate(groups)]

    def _judgements(self, group: Group, found: Preference | None) -> list[Judgement]:
        if found is None or found.first is None:
            reason = (
                "not a pair of answers" if found is None else "nothing to quote, or it speaks for neither"
            )
            return [Judgement(None, self.name, reason=reason) for _ in group.completions]
        return [Judgement(s, self.name, reason="after debate") for s in (found.first, 1 - found.first)]

    def _text(self, prompt: Prompt) -> str:
        return self.texts.get(dialogue(prompt), "")

    def _behind(self, prompt: Prompt, quote: str, answer: str) -> tuple[str, str]:
        """What is given, up to the quote, and what is to be likely: the question and its answer."""
        before, _, after = self.note.partition("{question}")
        tokenizer = getattr(self.judge_model, "tokenizer", None)
        turns = replace_last_user(prompt, lambda text: f"{HERE}{text}{after}")
        if not isinstance(prompt, str) and getattr(tokenizer, "chat_template", None):
            whole = tokenizer.apply_chat_template(list(turns), tokenize=False, add_generation_prompt=True)  # type: ignore[union-attr]
        else:
            whole = f"{dialogue(turns)}\n"
        start, _, question = whole.partition(HERE)
        told = fill(before.rstrip(), {"quote": quote}) if quote else ""
        return start + told, (" " if quote else "") + question + answer


def totals(model: Any, pairs: Sequence[tuple[str, str]]) -> list[float]:
    """Log-probabilities (nats) of texts that go on from others."""
    if not pairs:
        return []
    if hasattr(model, "continuation_logprobs"):
        return [sum(tokens) for tokens in model.continuation_logprobs(pairs)]
    return [one.total for one in model.logprobs(pairs)]


def verdict(a: float, b: float) -> Preference:
    """The first answer's share from log-odds, nats.

    >>> verdict(0.0, 0.0).first
    0.5
    """
    first = 1 / (1 + math.exp(min(700.0, b - a)))
    return Preference(first, first, first, True)
