"""Distillation, weighted imitation and held first tokens: identities, limits, and TRL's numbers."""

from __future__ import annotations

import math
import warnings
from functools import partial

import learn_plain as plain
import pytest
import torch
from safetensors.torch import load_file
from test_columns import autograd, same, step

from truenorth.base import UserError
from truenorth.learn import Task, fit
from truenorth.learn.coupling import needs
from truenorth.learn.gradient import task_gradient
from truenorth.learn.objectives.adpa import adpa
from truenorth.learn.objectives.dckd import dckd
from truenorth.learn.objectives.dft import dft
from truenorth.learn.objectives.gkd import gkd
from truenorth.learn.objectives.minillm import minillm
from truenorth.learn.objectives.sft import sft
from truenorth.learn.objectives.token_constrained import token_constrained
from truenorth.learn.types import Distribution, Logps, Pair
from truenorth.learn.work import Work
from truenorth.models import LocalModel
from truenorth.models.forward import Forward


def distributions(seed=0, rows=5, words=7):
    draw = torch.Generator().manual_seed(seed)
    return Distribution(torch.randn(rows, words, generator=draw, dtype=torch.float64).log_softmax(1))


# --- GKD ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [1.0, 0.9, 2.0])
@pytest.mark.parametrize("beta", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_gkd_is_trls_in_value_and_gradient(beta, temperature):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from trl.experimental.gkd.gkd_trainer import GKDTrainer
    draw = torch.Generator().manual_seed(1)
    student, teacher = (torch.randn(1, 6, 11, generator=draw) for _ in range(2))
    found = []
    for theirs in (True, False):
        leaf = student.clone().requires_grad_()
        if theirs:
            loss = GKDTrainer.generalized_jsd_loss(
                leaf, teacher, labels=torch.zeros(1, 6), beta=beta, temperature=temperature
            )
        else:
            each = (Distribution(x[0].log_softmax(1)) for x in (leaf, teacher))
            loss = gkd(*each, beta=beta, temperature=temperature).mean()
        loss.backward()
        found.append((loss.detach(), leaf.grad))
    torch.testing.assert_close(found[1], found[0], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("beta", [0.0, 0.3, 0.5, 1.0])
def test_a_student_equal_to_its_teacher_has_nothing_to_learn(beta):
    torch.testing.assert_close(gkd(distributions(), distributions(), beta=beta), torch.zeros(5).double())


def test_half_way_the_divergence_is_symmetric_and_at_most_log_two():
    a, b = distributions(0), distributions(1)
    torch.testing.assert_close(gkd(a, b), gkd(b, a))
    apart = [
        Distribution(torch.tensor([[1.0, 1e-30]]).log()),
        Distribution(torch.tensor([[1e-30, 1.0]]).log()),
    ]
    assert float(gkd(*apart)) == pytest.approx(math.log(2), abs=1e-5)


def test_near_the_ends_the_mixed_divergence_is_a_share_of_a_kl():
    """JSD / beta tends to KL(teacher || student) as beta falls to 0; JSD / (1 - beta) to the other at 1."""
    student, teacher = distributions(0), distributions(1)
    low, high = gkd(student, teacher, beta=1e-5) / 1e-5, gkd(student, teacher, beta=1 - 1e-5) / 1e-5
    torch.testing.assert_close(low, gkd(student, teacher, beta=0.0), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(high, gkd(student, teacher, beta=1.0), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("words", [80, 97, 120])
def test_a_teacher_of_another_width_and_table_teaches_the_words_both_have(words):
    student, examples = plain.tiny_llama(0), plain.documents(3)
    examples = [e._replace(completions=[[t % 80 for t in e.completions[0]]]) for e in examples]
    teacher = plain.tiny_llama(1, vocabulary=words, hidden_size=16)
    parts, width = [], min(words, plain.VOCABULARY)
    for e in examples:
        new = plain.logits(student, e.prompt, e.completions[0])[:, :width].log_softmax(1)
        with torch.no_grad():
            old = plain.logits(teacher, e.prompt, e.completions[0])[:, :width].log_softmax(1)
        parts.append((old.exp() * (old - new)).sum(1))
    want = autograd(student, torch.cat(parts).mean())
    same(step(student, examples, partial(gkd, beta=0.0), reference=teacher, micro_tokens=20), want)


# --- DCKD, ADPA -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("top_k", [0, 5, 10_000])
@pytest.mark.parametrize("micro_tokens", [10_000, 30])
def test_the_dckd_step_is_autograds(micro_tokens, top_k):
    """Over all words, the teacher's five likeliest, or more than there are."""
    student, teacher, examples = plain.tiny_llama(0), plain.tiny_llama(1), plain.pairs(3)
    losses = []
    for e in examples:
        loss = -plain.logps(student, e.prompt, e.completions[0]).mean()
        for c, weight in zip(e.completions, (2.0, 0.5)):
            new = plain.logits(student, e.prompt, c).log_softmax(1)
            with torch.no_grad():
                old = plain.logits(teacher, e.prompt, c).log_softmax(1)
                least = old.topk(min(top_k or old.shape[1], old.shape[1]), 1).values[:, -1:]
            loss = loss + weight * (old.exp() * (old - new) * (old >= least)).sum(1).mean()
        losses.append(loss)
    want = autograd(student, torch.stack(losses).mean())
    objective = partial(dckd, chosen=2.0, rejected=0.5, top_k=top_k)
    same(step(student, examples, objective, reference=teacher, micro_tokens=micro_tokens), want)


def test_of_a_teachers_likeliest_words_only_their_log_probs_are_kept(tmp_path):
    """Five words a token: their log-probs and numbers and the token's own, here 11 numbers for 32 hidden ones."""
    teacher, examples = plain.tiny_llama(1), plain.pairs(3)
    task = Task("t", examples, partial(dckd, top_k=5), batch=3)
    seen = []
    for _ in range(2):  # the second fit finds what was kept
        fit(
            plain.policy_of(plain.tiny_llama(0)), [task], steps=1, lr=0.0,
            reference=plain.policy_of(teacher), checkpoint=tmp_path, on_step=seen.append,
        )  # fmt: skip
        (tmp_path / "fit.pt").unlink()
    (file,) = tmp_path.glob("reference-*.safetensors")
    tokens = sum(len(c) for e in examples for c in e.completions)
    assert load_file(file)["values"].shape == (tokens, 11)
    assert seen[0]["loss"] == seen[1]["loss"]


def test_adpa_counts_a_teachers_likeliest_words_only():
    """Probabilities 1/2, 1/4, 1/4 of the teacher: with two words the third one's advantage of log 3 is left out."""
    student = Distribution(torch.tensor([[0.2, 0.3, 0.5]]).log())
    after = Distribution(torch.tensor([[0.50, 0.26, 0.24]]).log())
    before = Distribution(torch.tensor([[0.25, 0.67, 0.08]]).log())
    want = -(0.2 * math.log(2) + 0.3 * math.log(0.26 / 0.67))
    assert float(adpa(student, after, before, top_k=2)) == pytest.approx(want, abs=1e-6)
    torch.testing.assert_close(adpa(student, after, before, top_k=9), adpa(student, after, before))


def test_dckd_without_divergences_is_imitation_of_the_chosen_answer():
    some = Pair(Logps.of([[-1.0, -3.0]]), Logps.of([[-2.0]]))
    assert float(dckd(some, some, some, chosen=0.0, rejected=0.0)) == pytest.approx(2.0)


def test_teachers_that_agree_have_no_advantage_to_teach():
    a, b = distributions(0), distributions(1)
    torch.testing.assert_close(adpa(a, b, b), torch.zeros(5).double())


def test_the_adpa_gradient_is_the_students_own_share_of_the_centred_advantage():
    """d loss / d logits = -p (A - mean of A under p): a constant added to A at a state changes nothing."""
    teacher, before = distributions(1), distributions(2)
    shifted = Distribution(teacher.logp_TV + 3.0)
    advantage = teacher.logp_TV - before.logp_TV
    p = distributions(0).logp_TV.exp()
    want = -p * (advantage - (p * advantage).sum(1, keepdim=True))
    for reference in (teacher, shifted):
        leaf = distributions(0).logp_TV.clone().requires_grad_()
        adpa(Distribution(leaf.log_softmax(1)), reference, before).sum().backward()
        torch.testing.assert_close(leaf.grad, want)


def test_adpa_reads_two_teachers_and_fit_asks_for_the_one_that_is_missing():
    student, after, before = (plain.tiny_llama(s) for s in (0, 1, 2))
    examples, seen = plain.documents(3), []
    with torch.no_grad():
        parts = []
        for e in examples:
            new, a, b = (
                plain.logits(m, e.prompt, e.completions[0]).log_softmax(1) for m in (student, after, before)
            )
            parts.append(-(new.exp() * (a - b)).sum(1))
    task = Task("t", examples, "adpa", batch=3)
    policy = plain.policy_of(student)
    with pytest.raises(UserError, match="asks for a model 'baseline'"):
        fit(policy, [task], steps=1, lr=0.0, reference=plain.policy_of(after))
    models = {"baseline": plain.policy_of(before)}
    fit(policy, [task], steps=1, lr=0.0, reference=plain.policy_of(after), models=models, on_step=seen.append)
    assert seen[0]["t/loss"] == pytest.approx(float(torch.cat(parts).mean()), rel=1e-4)


def test_a_teacher_with_other_words_is_refused(tiny_llama):
    student, teacher = (LocalModel.load(tiny_llama(vocab=v)) for v in (400, 340))
    assert student.tokenizer.get_vocab() != teacher.tokenizer.get_vocab()
    task = Task("t", plain.documents(2), "gkd")
    fit(
        student, [task], steps=1, lr=0.0, reference=teacher
    )  # the smaller table is the beginning of the larger
    shuffled = LocalModel.load(tiny_llama(template="none", vocab=340))
    table = {"a": 7} | {w: i + 1 for w, i in student.tokenizer.get_vocab().items()}
    shuffled.tokenizer.get_vocab = lambda: table
    with pytest.raises(UserError, match=r"number their words differently.*sft task"):
        fit(student, [task], steps=1, lr=0.0, reference=shuffled)


# --- MiniLLM --------------------------------------------------------------------------------------------------


def test_the_two_parts_of_minillm_are_the_gradient_of_the_sequence_divergence():
    """All 9 answers of 2 tokens from 3 words: E[long-range part] + E[single step] = d KL(student || teacher)."""
    draw = torch.Generator().manual_seed(0)
    first, second = torch.randn(3, generator=draw).double(), torch.randn(3, 3, generator=draw).double()
    t_first, t_second = (torch.randn(s, generator=draw).double().log_softmax(-1) for s in ((3,), (3, 3)))
    first.requires_grad_()
    second.requires_grad_()

    def student():
        return first.log_softmax(0), second.log_softmax(1)

    a, b = student()
    joint, teacher = a[:, None] + b, t_first[:, None] + t_second
    exact = torch.autograd.grad((joint.exp() * (joint - teacher)).sum(), (first, second))
    total = 0.0
    for i in range(3):
        for j in range(3):
            a, b = student()
            p = joint[i, j].exp().detach()
            mask = torch.ones(1, 2, dtype=torch.bool)
            new = Logps(torch.stack([a[i], b[i, j]])[None], mask)
            old = Logps(torch.stack([t_first[i], t_second[i, j]])[None], mask)
            steps = gkd(
                Distribution(torch.stack([a, b[i]])),
                Distribution(torch.stack([t_first, t_second[i]])),
                beta=1.0,
            )
            total = total + p * (minillm(new, old).sum() + steps.sum())
    got = torch.autograd.grad(total, (first, second))
    torch.testing.assert_close(got, exact)


def test_minillm_has_no_advantage_where_student_and_teacher_agree():
    some = Logps(torch.tensor([[-1.0, -2.0, -0.5]], requires_grad=True), torch.ones(1, 3, dtype=torch.bool))
    loss = minillm(some, Logps(some.token_BT.detach(), some.mask_BT), include_current=True)
    assert float(loss.detach()) == 0.0
    assert torch.autograd.grad(loss.sum(), some.token_BT)[0].abs().max() == 0


def test_without_discounted_future_the_advantage_is_the_tokens_own_reward():
    new, old = Logps.of([[-1.0, -2.0]]), Logps.of([[-0.5, -4.0]])
    own = minillm(new, old, gamma=0.0, include_current=True)
    assert float(own) == pytest.approx(
        -(0.5 / 2 + -2.0 / 1)
    )  # divided by the two tokens, then the one, that are left


# --- DFT and held first tokens --------------------------------------------------------------------------------


def test_dft_is_trls_loss_and_its_gradient_is_minus_the_probability():
    logp = torch.tensor([[-0.1, -3.0]], requires_grad=True)
    policy = Logps(logp, torch.ones(1, 2, dtype=torch.bool))
    loss = dft(policy)
    want = (-logp * logp.exp().detach()).sum()  # trl 1.16, sft_trainer.py: loss_type "dft"
    assert float(loss.detach()) == pytest.approx(float(want.detach()))
    torch.testing.assert_close(torch.autograd.grad(loss.sum(), logp)[0], -logp.detach().exp())


def test_held_tokens_pull_as_imitation_does_at_the_reference():
    """Value 2/beta log 2 a token (betas 0.5, 2, 2, 2, 2, 0.1), gradient -1 each."""
    logp = -torch.arange(1.0, 7.0)[None].requires_grad_()
    policy = Logps(logp, torch.ones(1, 6, dtype=torch.bool))
    loss = token_constrained(policy, Logps(logp.detach(), policy.mask_BT))
    assert float(loss.detach()) == pytest.approx(math.log(2) * (2 / 0.5 + 4 * 2 / 2.0 + 2 / 0.1))
    torch.testing.assert_close(torch.autograd.grad(loss.sum(), logp)[0], -torch.ones(1, 6))


def test_the_released_weight_is_the_gradient_of_held_tokens():
    """-w log p with w = 2 (1 - sigma(beta (log p - log aligned)))."""
    draw = torch.Generator().manual_seed(0)
    logp, aligned = (-3 * torch.rand(1, 7, generator=draw) for _ in range(2))
    leaf = logp.clone().requires_grad_()
    mask = torch.ones(1, 7, dtype=torch.bool)
    token_constrained(Logps(leaf, mask), Logps(aligned, mask)).sum().backward()
    beta = torch.tensor([0.5, 2, 2, 2, 2, 0.1, 0.1])
    torch.testing.assert_close(leaf.grad, -2 * (1 - torch.sigmoid(beta * (logp - aligned))))


def test_a_weak_hold_is_imitation_and_a_strong_one_stops_what_has_risen():
    leaf = torch.tensor([[-0.5, -2.0]], requires_grad=True)
    mask, aligned = torch.ones(1, 2, dtype=torch.bool), torch.tensor([[-2.0, -2.5]])
    for beta, want in ((1e-6, -1.0), (1e3, 0.0)):
        loss = token_constrained(Logps(leaf, mask), Logps(aligned, mask), beta=beta)
        torch.testing.assert_close(
            torch.autograd.grad(loss.sum(), leaf)[0], torch.full((1, 2), want), atol=1e-4, rtol=0
        )


def test_packing_leaks_nothing_from_one_document_to_another():
    """Each document's loss and gradient alone add up to those of all of them in one row."""
    module, examples = plain.tiny_llama(), plain.documents(6)
    tokens = sum(len(e.completions[0]) for e in examples)
    whole_loss, whole = step(module, examples, sft)
    loss, total = 0.0, None
    for e in examples:
        part, gradients = step(module, [e], sft)
        share = len(e.completions[0]) / tokens
        loss += share * float(part)
        scaled = {n: g * share for n, g in gradients.items()}
        total = scaled if total is None else {n: total[n] + g for n, g in scaled.items()}
    assert float(whole_loss) == pytest.approx(loss, rel=1e-5)
    for name, gradient in whole.items():
        torch.testing.assert_close(gradient, total[name], atol=2e-5, rtol=1e-4)


def test_the_other_documents_of_a_row_do_not_change_a_documents_loss():
    module, examples = plain.tiny_llama(), plain.documents(4)
    others = plain.documents(4, seed=9)
    need = needs(sft)
    found = []
    for rest in (others[1:], examples[1:]):
        rows = [examples[0], *rest]
        forward = Forward(module, "packed")
        work = Work("t", sft, need, "per_token", 1.0, None)
        found.append(task_gradient(forward, work, rows, list(range(4)), 10_000))
    n = len(examples[0].completions[0])
    torch.testing.assert_close(found[0].logp_T[:n], found[1].logp_T[:n], atol=1e-5, rtol=1e-5)
