"""A process reward model as a judge: each step of a solution gets its probability of being right.

The model is transformers' own token classifier with one output, read at the last token of each step; `learn.fit` trains
it with the objective `prm` on what `stepped` encodes.

Sources: Lightman et al. 2023 (arXiv:2305.20050), the product over steps; Wang et al. 2024, "Math-Shepherd"
(arXiv:2312.08935), the lowest.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from truenorth.base import write_json
from truenorth.judges.critic import Over, Steps, over_steps
from truenorth.records import Group, Judgement, Prompt

META = "truenorth_steps.json"
ROWS = 64  # solutions of one forward pass


class Stepped(NamedTuple):
    """A solution in token ids; `ends` are the places of its steps' last tokens among the completion's."""

    prompt: list[int]
    completions: tuple[list[int], ...]  # one
    ends: list[int]


@dataclass(frozen=True)
class StepReward:
    """Scores an answer by its steps: the lowest probability of being right, or another of `over`.

    Args:
        module: `...ForTokenClassification` with one output, the logit of right.
        separator: a pattern between two steps; the step before it ends with it.
    """

    module: Any
    tokenizer: Any
    separator: str = r"\n+"
    over: Over = "lowest"
    name: str = "process reward model"
    alone: ClassVar[bool] = True

    def steps(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[Steps]:
        """Each answer's steps with their probabilities of being right."""
        import torch

        from truenorth.models.score_head import open_scores

        cut = [split(answer, self.separator) for answer in answers]
        told = [stepped(self.tokenizer, *each) for each in zip(prompts, cut, strict=True) if each[1]]
        forward = open_scores(self.module)
        found: list[list[float | None]] = []
        for at in range(0, len(told), ROWS):
            batch = told[at : at + ROWS]
            with torch.inference_mode():
                right = forward.scores(batch, each_token=True)[:, 0].sigmoid().tolist()
            for one in batch:
                length = len(one.completions[0])
                found.append([right[end] for end in one.ends])
                right = right[length:]
        each_found = iter(found)
        return [Steps([s.strip() for s in parts], next(each_found) if parts else []) for parts in cut]

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]:
        """A judgement per completion; `parts` has every step's."""
        rows = [(g.prompt, c) for g in groups for c in g.completions]
        found = iter(self.steps([p for p, _ in rows], [c for _, c in rows]))
        return [[over_steps(next(found), self.over, self.name) for _ in g.completions] for g in groups]

    def save(self, folder: str | Path) -> Path:
        """Write model and tokenizer as transformers does, and how answers are cut into steps."""
        from truenorth.models.hushed import hushed

        with hushed():
            self.module.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)
        told = {"separator": self.separator, "over": self.over, "name": self.name}
        return write_json(Path(folder) / META, told).parent

    @classmethod
    def load(cls, folder: str | Path) -> StepReward:
        """A saved one."""
        from transformers import AutoModelForTokenClassification, AutoTokenizer

        from truenorth.models.hushed import hushed

        with hushed():
            module = AutoModelForTokenClassification.from_pretrained(folder, use_safetensors=True).eval()
            tokenizer = AutoTokenizer.from_pretrained(folder)
        return cls(module, tokenizer, **json.loads((Path(folder) / META).read_text()))


def split(text: str, separator: str) -> list[str]:
    """The steps of a solution, each with the separator after it: joined they are the solution.

    >>> split("1 + 2 = 3, 3 + 4 = 7, so 7.", ", ")
    ['1 + 2 = 3, ', '3 + 4 = 7, ', 'so 7.']
    """
    ends = [found.end() for found in re.finditer(separator, text)]
    parts = [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]
    return [part for part in parts if part.strip()]


def stepped(tokenizer: Any, prompt: Prompt, steps: Sequence[str]) -> Stepped:
    """A solution as the model reads it, in its template where it has one.

    A step ends with the token that holds its last letter: the space after it belongs to the next token of most
    tokenizers.
    """
    from truenorth.models.encoding import Codec

    [pair] = Codec.of(tokenizer).pairs([(prompt, "".join(steps))], end=False)
    ends, length = [], 0
    offsets = tokenizer("".join(steps), add_special_tokens=False, return_offsets_mapping=True)[
        "offset_mapping"
    ]
    last = [end for _, end in offsets]
    for step in steps:
        ends.append(min(bisect_left(last, length + len(step.rstrip())), len(pair.completion) - 1))
        length += len(step)
    return Stepped(pair.prompt, (pair.completion,), ends)
