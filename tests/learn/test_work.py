"""What a batch is divided by, what each group weighs, and what a step reports, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from truenorth.learn.coupling import load_objective, needs
from truenorth.learn.metrics import task_metrics
from truenorth.learn.types import Example, Needs
from truenorth.learn.work import Part, Work, denominator, grouped, starts

# 3 tokens in two answers that weigh a half each, and 3 tokens in one that weighs 2
EXAMPLES = [
    Example((1,), ((1, 2), (3,)), 0.5, {"labels": [[1.0, None], [0.0]]}),
    Example((1,), ((4, 5, 6),), 2.0, {"labels": [[None, math.nan, 1.0]]}),
]


@pytest.mark.parametrize(
    ("average", "each_answer", "want"),
    [
        ("per_token", True, 0.5 * 3 + 2 * 3),
        ("per_sequence", True, 0.5 * 2 + 2),
        ("per_sequence", False, 0.5 + 2),
        ("per_step", True, 0.5 * 2 + 2),  # three labels; what is not judged does not count
    ],
)
def test_a_batch_is_divided_by_the_weight_of_what_it_averages(average, each_answer, want):
    assert denominator(average, EXAMPLES, each_answer=each_answer) == want


def test_few_and_light_labels_are_no_division_by_more_or_by_nought():
    one = [EXAMPLES[0]._replace(completions=((1, 2),), columns={"labels": [[None, 1.0]]})]
    assert denominator("per_step", one, each_answer=True) == 0.5
    none = [one[0]._replace(columns={"labels": [[None, None]]})]
    assert 0 < denominator("per_step", none, each_answer=True) < 1e-6


def test_groups_are_answers_or_examples_with_their_share_of_the_whole():
    def made(coupling):
        found = grouped(
            Needs(coupling, False, "per_sequence", {}), EXAMPLES, (2, 1, 3), 4.0, torch.device("cpu")
        )
        return found.lengths, found.sizes, found.weight_G.tolist()

    assert made("answer") == ([2, 1, 3], [1, 1, 1], [0.125, 0.125, 0.5])
    assert made("group") == ([3, 3], [2, 1], [0.125, 0.5])
    assert starts([2, 1]) == [0, 2, 3]


def metrics(objective, part, examples, **settings):
    need = needs(load_objective(objective))
    need = need._replace(settings=need.settings | settings)
    found = task_metrics(Work("t", load_objective(objective), need, need.average, 1.0, None), part, examples)
    return {name.removeprefix("t/"): value for name, value in found.items()}


def test_what_pairs_report():
    # chosen -3 and -1, rejected -2 and -6; under the reference -4 and -2, -2 and -4
    part = Part(
        torch.tensor(0.7),
        torch.tensor([-1.0, -2.0, -2.0, -1.0, -6.0]),
        torch.tensor([-2.0, -2.0, -2.0, -2.0, -4.0]),
        (2, 1, 1, 1),
    )
    pairs = [Example((1,), ((1, 2), (3,))), Example((1,), ((4,), (5,)))]
    found = metrics("dpo", part, pairs, beta=0.5)
    # log-ratios 1, 0, 1, -2; by token 1, 0, 0, 1, -2: exp(d) - 1 - d
    kl = (2 * (math.e - 2) + (math.exp(-2) + 1)) / 5
    assert found == pytest.approx({
        "loss": 0.7, "logps/chosen": -2.0, "logps/rejected": -4.0, "kl": kl, "rewards/chosen": 0.5,
        "rewards/rejected": -0.5, "rewards/margins": 1.0, "rewards/accuracies": 1.0,
    })  # fmt: skip
    worse = part._replace(logp_T=torch.tensor([-1.0, -2.0, -2.0, -2.0, -4.0]))  # the second pair: 0 and 0
    assert metrics("dpo", worse, pairs)["rewards/accuracies"] == 0.5


def test_what_labelled_answers_report():
    # the first completion of each is labelled, the others are there for the estimate of KL
    part = Part(
        torch.tensor(0.1), torch.tensor([-1.0, -9.0, -2.0, -9.0, -5.0]), torch.full((5,), -3.0), (1,) * 5
    )
    labels = [(2, 1.0), (2, 0.0), (1, 1.0)]
    examples = [Example((1,), ((1,),) * n, 1.0, {"label": label}) for n, label in labels]
    found = metrics("kto", part, examples, beta=0.5)
    assert found["rewards/chosen"] == pytest.approx(0.5 * (2 - 2) / 2)
    assert found["rewards/rejected"] == pytest.approx(0.5 * 1)
    assert found["logps"] == pytest.approx(-26 / 5)
    alone = metrics("kto", part, [e._replace(columns={"label": 1.0}) for e in examples], beta=0.5)
    assert alone["rewards/chosen"] == pytest.approx(0.5 / 3)
    assert "rewards/rejected" not in alone


def test_what_scores_report():
    part = Part(torch.tensor(0.2), torch.zeros(0), None, (1,) * 4, torch.tensor([[2.0], [1.0], [0.0], [0.0]]))
    found = metrics("bradley_terry", part, [Example((1,), ((1,), (2,)))] * 2)
    assert found == pytest.approx(
        {
            "loss": 0.2,
            "mean_reward": 0.75,
            "min_reward": 0.0,
            "max_reward": 2.0,
            "accuracy": 0.5,
            "margin": 0.5,
        }
    )
