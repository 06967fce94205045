"""Contrastive instruction tuning: the release's loss, exact under any split, and it does hold wordings alike."""

from __future__ import annotations

from types import SimpleNamespace

import learn_plain as plain
import pytest
import torch
import torch.nn.functional as F

from truenorth.base import UserError
from truenorth.learn import Example, Task, fit
from truenorth.learn.coupling import load_objective, needs
from truenorth.learn.gradient import task_gradient
from truenorth.learn.objectives.coin import coin
from truenorth.learn.paraphrases import coin_tasks
from truenorth.learn.types import StatePair
from truenorth.learn.work import Work
from truenorth.models.local import LocalModel
from truenorth.models.opening import open_forward


def states(module, examples):
    """(B, 2, D) transformers' own last hidden states, text by text."""
    found = [
        module.model(input_ids=torch.tensor([[*e.prompt, *c]])).last_hidden_state[0, -1]
        for e in examples
        for c in e.completions
    ]
    return torch.stack(found).unflatten(0, (-1, 2))


def of_the_release(first, second, temperature):
    """ContrastiveLoss of luka-group/CoIN: cross entropies over cosines, rows and columns."""
    alike = F.cosine_similarity(first[:, None], second[None], dim=2) / temperature
    labels = torch.arange(len(first))
    return (F.cross_entropy(alike, labels) + F.cross_entropy(alike.T, labels)) / 2


def test_it_is_the_releases_loss():
    first, second = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0))
    found = coin(StatePair(first, second), temperature=0.05).mean()
    torch.testing.assert_close(found, of_the_release(first, second, 0.05))


@pytest.mark.parametrize("micro_tokens", [1, 60, 10_000])
def test_its_gradient_is_that_of_the_whole_batch_under_any_split(micro_tokens):
    module, examples = plain.tiny_llama(), plain.pairs(5)
    held = states(module, examples)
    loss = of_the_release(held[:, 0], held[:, 1], 0.05)
    want = torch.autograd.grad(2.0 * loss, list(module.parameters()), allow_unused=True)
    objective = load_objective("coin")
    work = Work("c", objective, needs(objective), "per_sequence", 2.0, None)
    part = task_gradient(open_forward(module), work, examples, list(range(5)), micro_tokens)
    torch.testing.assert_close(part.loss, loss.detach())
    for p, g in zip(module.parameters(), want, strict=True):
        torch.testing.assert_close(p.grad, g if g is not None else p.grad, atol=1e-5, rtol=1e-3)


def test_training_holds_both_wordings_alike_and_other_requests_apart(tiny_llama):
    """Cosine to the other wording, less the mean cosine to all others: it grows, and imitation alone does less."""

    def asked(text: str) -> list[dict[str, str]]:
        return [{"role": "user", "content": text}]

    rows = [
        {"prompt": asked(f"{ask} {what}?"), "paraphrase": asked(f"{what}: {other}"), "completion": answer}
        for ask, other in (("Who sells", "name the seller"), ("How many", "give their number"))
        for what, answer in (("fish", "Anna."), ("sails", "Two."), ("nets", "I do not know."))
    ]

    def gap(weight: float) -> float:
        model = LocalModel.load(tiny_llama(template="chatml", seed=1))
        tasks = coin_tasks(model, rows, weight=weight, batch=6)
        fit(model, tasks[: 2 if weight else 1], steps=25, lr=3e-3, schedule="constant")
        with torch.no_grad():
            held = F.normalize(states(model.module, tasks[1].examples), dim=-1)
        alike = held[:, 0] @ held[:, 1].T
        return float(alike.diagonal().mean() - alike.mean())

    assert gap(1.0) > gap(0.0) + 0.1


def test_rows_that_teach_nothing_are_refused_in_words(tiny_llama):
    model = LocalModel.load(tiny_llama(template="chatml", seed=1))
    with pytest.raises(UserError, match="row 0 has no paraphrase"):
        coin_tasks(model, [{"prompt": "a", "completion": "b"}])
    with pytest.raises(UserError, match="both wordings of row 0 are the same"):
        coin_tasks(model, [{"prompt": "a", "paraphrase": "a", "completion": "b"}])
    with pytest.raises(UserError, match="no first token in common"):
        coin_tasks(model, [{"prompt": "a", "paraphrase": "b", "completion": "c"}])
    with pytest.raises(UserError, match="not pairs"):
        fit(
            SimpleNamespace(module=plain.tiny_llama()),
            [Task("c", [Example((1,), ((2,),))], "coin")],
            steps=1,
            lr=1e-3,
        )
