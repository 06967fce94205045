"""MiniLLM's rounds: tokens come from the mixture, carry its log-probs, and the student moves to its teacher."""

from __future__ import annotations

import math

import pytest
import torch

from truenorth.base import UserError
from truenorth.learn.on_policy import minillm_rounds, mixed, mixed_answers
from truenorth.models.local import LocalModel

PROMPT = "The harbour opens"


@pytest.fixture
def student(tiny_llama) -> LocalModel:
    return LocalModel.load(tiny_llama(template="none", seed=1))


@pytest.fixture
def teacher(tiny_llama) -> LocalModel:
    return LocalModel.load(tiny_llama(template="none", seed=2, hidden=16))


def next_logps(model: LocalModel, ids) -> torch.Tensor:
    with torch.no_grad():
        return model.module(input_ids=torch.tensor([list(ids)])).logits[0, -1].log_softmax(-1)


def test_a_mixture_by_pencil():
    """Teacher 3/4 and student 1/4 on a word, a fifth of the teacher: 0.2 * 0.75 + 0.8 * 0.25 = 0.35."""
    student, teacher = torch.tensor([[1.0, 3.0]]).log(), torch.tensor([[3.0, 1.0]]).log()
    assert mixed(student, teacher, 0.2).exp()[0, 0].item() == pytest.approx(0.35)
    assert torch.equal(mixed(student, teacher, 0.0), student.log_softmax(1))
    assert torch.equal(mixed(student, teacher, 1.0), teacher.log_softmax(1))


def test_first_tokens_are_drawn_as_often_as_the_mixture_says(student, teacher):
    """4,000 draws: each of the ten likeliest words within four standard errors."""
    (made,) = mixed_answers(student, teacher, [PROMPT], share=0.1, n=4000, max_tokens=1)
    p = 0.1 * next_logps(teacher, made.prompt).exp() + 0.9 * next_logps(student, made.prompt).exp()
    counts = torch.bincount(torch.tensor([c[0] for c in made.completions]), minlength=len(p))
    for word in p.topk(10).indices.tolist():
        error = math.sqrt(p[word] * (1 - p[word]) / 4000)
        assert abs(counts[word] / 4000 - p[word]) < 4 * error


def test_each_token_carries_its_log_prob_under_the_mixture(student, teacher):
    for made in mixed_answers(
        student, teacher, [PROMPT, "Anna sells fish and"], share=0.2, n=3, max_tokens=6
    ):
        for completion, said in zip(made.completions, made.columns["sampled_logps"], strict=True):
            ids = list(made.prompt)
            for token, logp in zip(completion, said, strict=True):
                p = 0.2 * next_logps(teacher, ids).exp() + 0.8 * next_logps(student, ids).exp()
                assert logp == pytest.approx(math.log(p[token]), abs=1e-4)
                ids.append(token)


def test_the_same_seed_draws_the_same_and_another_others(student, teacher):
    one, two, other = (
        mixed_answers(student, teacher, [PROMPT], n=4, max_tokens=8, seed=seed)[0].completions
        for seed in (0, 0, 1)
    )
    assert one == two != other


def test_the_student_comes_nearer_to_its_teacher(student, teacher):
    prompts = [PROMPT, "Anna sells fish and", "What is the capital"]

    def divergence() -> float:
        total = 0.0
        for e in mixed_answers(student, teacher, prompts, share=0.0, n=16, max_tokens=6, seed=9):
            for completion in e.completions:
                ids = torch.tensor([[*e.prompt, *completion[:-1]]])
                with torch.no_grad():
                    new, old = (m.module(input_ids=ids).logits[0].log_softmax(-1) for m in (student, teacher))
                total += float((new.exp() * (new - old)).sum(1)[len(e.prompt) - 1 :].mean())
        return total / 48

    before = divergence()
    results = minillm_rounds(
        student,
        teacher,
        prompts,
        rounds=2,
        steps=10,
        lr=3e-3,
        n=8,
        max_tokens=6,
        batch=3,
        schedule="constant",
    )
    assert len(results) == 2
    assert results[-1].skipped == 0
    assert divergence() < 0.8 * before


def test_what_cannot_be_mixed_is_refused(student, teacher, tiny_llama):
    with pytest.raises(UserError, match=r"in \[0, 1\]"):
        mixed_answers(student, teacher, [PROMPT], share=1.5)
    other = LocalModel.load(tiny_llama(template="none", vocab=380))
    with pytest.raises(UserError, match="one tokenizer"):
        mixed_answers(student, other, [PROMPT])
    with pytest.raises(UserError, match="no room to answer"):
        mixed_answers(student, teacher, ["boats " * 400])
