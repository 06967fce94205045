"""MiniLLM's rounds: answers drawn from teacher and student mixed, learned from, and drawn anew."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from truenorth.base import UserError, seed_of
from truenorth.learn.coupling import load_objective
from truenorth.learn.fit import FitResult, fit
from truenorth.learn.scoring import token_logps
from truenorth.learn.types import Example, Task
from truenorth.models.sampling import Ask, Begun, Decoder, begun, plan, sample_batch
from truenorth.records import Prompt, prompt_text


def minillm_rounds(
    student: Any,
    teacher: Any,
    prompts: Sequence[Prompt],
    *,
    rounds: int,
    steps: int,
    lr: float,
    share: float = 0.2,
    n: int = 1,
    max_tokens: int = 64,
    gamma: float = 1.0,
    corpus: Sequence[Example] = (),
    batch: int = 16,
    seed: int = 0,
    **settings: Any,
) -> list[FitResult]:
    """Train the student on answers that it and its teacher write together, round after round.

    Each round draws answers (`mixed_answers`) and takes `steps` steps on three tasks: `minillm` (what follows a
    token), `gkd` with beta 1 (the token itself) and, with a corpus, `sft` on it. The `gkd` part is not weighed by
    student / mixture, as the released code weighs it; with a small `share` the two are close.

    Args:
        student, teacher: LocalModels with the same words; the student warm-started by `sft`.
        share: of the teacher in the mixture.
        n: answers to a prompt.
        corpus: text that keeps the student's language, as examples.
        settings: further ones of `fit`; a `checkpoint` gets a folder for each round in it, and `on_step` counts
            the steps of all rounds.

    Source: Gu et al. 2023 (arXiv:2306.08543), algorithm 1.
    """
    folder, on_step = (settings.pop(name, None) for name in ("checkpoint", "on_step"))
    results = []
    for k in range(rounds):
        own = seed_of("minillm", seed, k)
        examples = mixed_answers(student, teacher, prompts, share=share, n=n, max_tokens=max_tokens, seed=own)
        tasks = [
            Task("following", examples, partial(load_objective("minillm"), gamma=gamma), batch=batch),
            Task("token", examples, partial(load_objective("gkd"), beta=1.0), batch=batch),
        ]
        tasks += [Task("corpus", corpus, "sft", batch=batch)] if corpus else []
        where: dict[str, Any] = {} if folder is None else {"checkpoint": f"{folder}/round-{k + 1}"}
        where |= {} if on_step is None else {"on_step": partial(_counted, on_step, k * steps)}
        results.append(
            fit(student, tasks, steps=steps, lr=lr, reference=teacher, seed=seed, **settings, **where)
        )
    return results


def _counted(on_step: Callable[[dict[str, float]], None], before: int, numbers: dict[str, float]) -> None:
    """Steps are numbered through all rounds."""
    on_step({**numbers, "step": before + numbers["step"]})


def mixed_answers(
    student: Any,
    teacher: Any,
    prompts: Sequence[Prompt],
    *,
    share: float = 0.2,
    n: int = 1,
    max_tokens: int = 64,
    seed: int = 0,
) -> list[Example]:
    """Answers whose every token is drawn from share * teacher + (1 - share) * student.

    The column `sampled_logps` holds each token's log-prob under that mixture, as `minillm` wants it. The same seed
    draws the same answers.

    Raises:
        UserError: a share outside [0, 1], or models that number their words differently.
    """
    if not 0 <= share <= 1:
        raise UserError(f"share {share}", where="mixed_answers", expected="in [0, 1]")
    if student.tokenizer.get_vocab() != teacher.tokenizer.get_vocab():
        raise UserError(
            "student and teacher have other words", where="mixed_answers", expected="one tokenizer"
        )
    asks = _asks(student, prompts, n, max_tokens, seed)
    shared = student.shares_prompts and teacher.shares_prompts
    tokens: list[Any] = [None] * len(asks)
    for rows in plan(asks, batch_tokens=student.batch_tokens, batch_rows=student.batch_rows):
        drawn = sample_batch(
            student.module.eval(),
            [asks[i] for i in rows],
            eos_ids=student.eos_ids,
            pad_id=student.pad_id,
            shared=shared,
            begin=partial(_begin, teacher.module.eval(), share),
        )
        for i, group in zip(rows, drawn, strict=True):
            tokens[i] = tuple(one.tokens for one in group)
    plain = [Example(ask.ids, answers) for ask, answers in zip(asks, tokens, strict=True)]
    own, theirs = token_logps(student, plain), token_logps(teacher, plain)
    return [
        e._replace(columns={"sampled_logps": [_mixture(t, s, share) for s, t in zip(mine, other)]})
        for e, mine, other in zip(plain, own, theirs, strict=True)
    ]


def _asks(student: Any, prompts: Sequence[Prompt], n: int, max_tokens: int, seed: int) -> list[Ask]:
    asks = []
    for i, prompt in enumerate(prompts):
        ids = student.encode_prompt(prompt)
        room = max_tokens if student.context is None else min(max_tokens, student.context - len(ids))
        if not ids or room < 1:
            what = "is empty" if not ids else f"of {len(ids)} tokens leaves no room to answer"
            raise UserError(f"prompt {i} {what}", where="mixed_answers", fix="drop it, or shorten it")
        asks.append(Ask(ids, [seed_of(seed, prompt_text(prompt), i, k) for k in range(n)], room))
    return asks


def _mixture(teacher_T: np.ndarray, student_T: np.ndarray, share: float) -> list[float]:
    with np.errstate(divide="ignore"):
        return np.logaddexp(np.log(share) + teacher_T, np.log(1 - share) + student_T).tolist()


def _begin(teacher: Any, share: float, module: Any, asks: Sequence[Ask], pad_id: int, shared: bool) -> Begun:
    """Both models' decoders for a batch, as one."""
    one, two = (begun(m, asks, pad_id, shared) for m in (module, teacher))
    return Begun(_Both(one.decoder, two.decoder, share), mixed(one.logits_RV, two.logits_RV, share))


class _Both:
    """Two decoders that grow the same rows."""

    def __init__(self, student: Decoder, teacher: Decoder, share: float):
        self.student, self.teacher, self.share = student, teacher, share

    def step(self, tokens_R: Tensor) -> Tensor:
        return mixed(self.student.step(tokens_R), self.teacher.step(tokens_R), self.share)

    def keep(self, order: Sequence[int], moves: Sequence[tuple[int, int]]) -> None:
        self.student.keep(order, moves)
        self.teacher.keep(order, moves)


def mixed(student_RV: Tensor, teacher_RV: Tensor, share: float) -> Tensor:
    """(R, V) log of share * teacher + (1 - share) * student, over the words that both have."""
    width = min(student_RV.shape[1], teacher_RV.shape[1])
    one_RV, two_RV = (x[:, :width].float().log_softmax(1) for x in (student_RV, teacher_RV))
    small, large = (math.log(s) if s > 0 else -math.inf for s in (share, 1 - share))
    return torch.logaddexp(two_RV + small, one_RV + large)
