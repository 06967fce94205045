"""Every objective: what it declares, a worked example, the identities of the papers, TRL's numbers."""

from __future__ import annotations

import inspect
import math
import warnings
from functools import partial

import learn_plain as plain
import pytest
import torch

from truenorth.base import UserError, names
from truenorth.learn import Task, token_logps
from truenorth.learn.coupling import label, load_objective, needs, shaped, shaped_scores
from truenorth.learn.objectives.dpo import dpo
from truenorth.learn.objectives.kl_anchor import kl_anchor
from truenorth.learn.objectives.sft import sft
from truenorth.learn.types import SCORED, Distribution, Logps, Pair, StatePair

CATALOGUE = names("truenorth.learn.objectives")
LOG2 = math.log(2)


def logps(*rows):
    """`Logps` of completions given as lists of token log-probs."""
    width = max(map(len, rows))
    mask = torch.tensor([[i < len(r) for i in range(width)] for r in rows])
    return Logps(torch.tensor([[*r, *[0.0] * (width - len(r))] for r in rows]), mask)


def pair(chosen, rejected):
    """One pair with these totals, in two tokens each."""
    return Pair(logps([chosen / 2] * 2), logps([rejected / 2] * 2))


# --- contract: every entry ---------------------------------------------------------------------------------


def drawn(coupling, seed):
    """Random inputs: six completions of 2, 2, 3, 3, 1 and 1 tokens, in three pairs or two groups of three."""
    generator = torch.Generator().manual_seed(seed)
    if coupling == "distribution":
        return Distribution(torch.randn(6, 11, generator=generator).log_softmax(1))
    if coupling == "state_pair":
        return StatePair(*torch.randn(2, 3, 5, generator=generator))
    if coupling in SCORED:
        return shaped_scores(coupling, torch.randn(6, 1, generator=generator))
    lengths, counts = [2, 2, 3, 3, 1, 1], [3, 3] if coupling == "group" else [2, 2, 2]
    return shaped(coupling, -torch.rand(sum(lengths), generator=generator), lengths, counts)


GROUPS = {"answer": 6, "pair": 3, "group": 2, "batch": 3, "distribution": 6}
GROUPS |= {"score": 6, "score_pair": 3, "token_score": 6, "state_pair": 3}
# what a column holds, where a one or zero for each loss (each completion of a group) would not do
UNSAFE = {"unsafe": torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])}
COLUMNS = {"safe_dpo": UNSAFE, "cost": UNSAFE, "minillm": {"sampled_logps": torch.full((6, 3), -0.5)}}


def given(name, need, seed=0):
    """Random arguments of an objective; its columns are 1, 0, 1, ... unless `COLUMNS` says otherwise."""
    count = 6 if need.coupling == "group" else GROUPS[need.coupling]
    columns = {n: torch.tensor([1.0, 0.0] * 3)[:count] for n in need.columns}
    columns |= COLUMNS.get(name, {})
    asked = {"policy": drawn(need.coupling, seed)}
    if need.reference:
        asked["reference"] = drawn(need.coupling, seed + 1)
    asked |= {name: drawn(need.coupling, seed + 3 + k) for k, name in enumerate(need.models)}
    if need.kl:
        asked["kl"] = mapped(drawn(need.coupling, seed + 2), lambda t: -t if t.is_floating_point() else t)
    return asked, columns


def mapped(value, change):
    return type(value)(*[mapped(v, change) if isinstance(v, tuple) else change(v) for v in value])


def called(name, seed=0):
    objective = load_objective(name)
    need = needs(objective)
    asked, columns = given(name, need, seed)
    return objective(**asked, **columns), need


@pytest.mark.parametrize("name", CATALOGUE)
def test_an_objective_gives_one_finite_float32_number_per_example_and_reduces_nothing(name):
    loss, need = called(name)
    assert loss.shape == (GROUPS[need.coupling],)
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss).all()


@pytest.mark.parametrize("name", CATALOGUE)
def test_an_objective_keeps_its_settings_behind_keywords_and_cites_or_explains_itself(name):
    objective = load_objective(name)
    kinds = {p.name: p.kind for p in inspect.signature(objective).parameters.values()}
    need = needs(objective)
    assert set(kinds) - set(need.settings) <= {"policy", "reference", "kl", *need.columns, *need.models}
    assert (objective.__doc__ or "").startswith("(")  # the returned shape comes first
    assert inspect.getmodule(objective).__name__.endswith("." + name)


@pytest.mark.parametrize("name", CATALOGUE)
def test_padding_and_the_order_of_examples_change_no_example(name):
    _, need = called(name)
    if need.coupling in ("distribution", "batch"):
        pytest.skip("no padding, or couples the batch")
    objective = load_objective(name)
    asked, columns = given(name, needs(objective))
    loss = objective(**asked, **columns)

    def padded(t):
        return torch.nn.functional.pad(t, (0, 3)) if t.ndim == 2 else t

    if need.coupling in ("answer", "pair", "group"):
        wider = {k: padded(v) if v.ndim == 2 and v.shape[1] == 3 else v for k, v in columns.items()}
        torch.testing.assert_close(
            objective(**{k: mapped(v, padded) for k, v in asked.items()}, **wider), loss
        )
    if need.coupling != "group":
        flipped = {k: mapped(v, lambda t: t.flip(0)) for k, v in asked.items()}
        back = {k: v.flip(0) for k, v in columns.items()}
        torch.testing.assert_close(objective(**flipped, **back), loss.flip(0))


# losses that hold a part of themselves fixed on purpose: their gradient is not the slope of their value
HELD_FIXED = {
    "dft": "the probability",
    "wpo": "the weight",
    "kto": "the reference point",
    "bco": "the reward shift",
    "minillm": "the advantage",
    "tdpo2": "the chosen answer's divergence",
}


@pytest.mark.parametrize("name", CATALOGUE)
def test_an_objectives_gradient_is_the_slope_of_its_value(name):
    """Central differences in float64 along a random direction of everything the model says."""
    if name in HELD_FIXED:
        pytest.skip(f"holds {HELD_FIXED[name]} fixed")
    objective = load_objective(name)
    asked, columns = given(name, needs(objective))
    columns = {k: v.double() for k, v in columns.items()}
    asked = {k: mapped(v, lambda t: t.double() if t.is_floating_point() else t) for k, v in asked.items()}
    fixed = {k: v for k, v in asked.items() if k not in ("policy", "kl")}
    leaves, draw = [], torch.Generator().manual_seed(4)

    def called_with(change):
        moving = {k: mapped(v, change) for k, v in asked.items() if k not in fixed}
        return objective(**moving, **fixed, **columns).sum()

    def leaf(t):
        leaves.append(t.clone().requires_grad_() if t.is_floating_point() else t)
        return leaves[-1]

    loss = called_with(leaf)
    leaves = [t for t in leaves if t.requires_grad]
    gradients = torch.autograd.grad(loss, leaves, allow_unused=True)
    along = [torch.randn(t.shape, generator=draw, dtype=torch.float64) * (t != 0) for t in leaves]
    slope = sum(float((g * d).sum()) for g, d in zip(gradients, along) if g is not None)

    def moved(h):
        turns = iter(along)
        return float(called_with(lambda t: t + h * next(turns) if t.is_floating_point() else t))

    assert (moved(1e-6) - moved(-1e-6)) / 2e-6 == pytest.approx(slope, rel=1e-5, abs=1e-6)


# --- worked examples ---------------------------------------------------------------------------------------


def test_sft_worked_example():
    """Probabilities 1/2 and 1/4, then 1/8 alone: log 2 + log 4 = 3 log 2, and 3 log 2."""
    assert sft(logps([-LOG2, -2 * LOG2], [-3 * LOG2])).tolist() == pytest.approx([3 * LOG2, 3 * LOG2])


def test_dpo_worked_example():
    """Margin (-1 - -4) - (-2 - -3) = 2, times beta 0.5 = 1: -log sigma(1) = log(1 + 1/e) = 0.313262."""
    assert float(dpo(pair(-1.0, -4.0), pair(-2.0, -3.0), beta=0.5)) == pytest.approx(0.313262, abs=1e-6)


def test_dpo_with_smoothing_and_sft_worked_example():
    """0.9 * log(1 + 1/e) + 0.1 * log(1 + e) = 0.281935 + 0.131326; plus 0.2 * (1 nat / 2 tokens) = 0.1."""
    loss = dpo(pair(-1.0, -4.0), pair(-2.0, -3.0), beta=0.5, label_smoothing=0.1, sft=0.2)
    assert float(loss) == pytest.approx(0.281935 + 0.131326 + 0.1, abs=2e-6)


def test_kl_anchor_worked_example():
    """KL((1/2, 1/2) || (1/4, 3/4)) = 1/2 log 2 + 1/2 log(2/3) = 1/2 log(4/3) = 0.143841."""
    old, new = (
        Distribution(torch.tensor([[0.5, 0.5]]).log()),
        Distribution(torch.tensor([[0.25, 0.75]]).log()),
    )
    assert float(kl_anchor(new, old)) == pytest.approx(0.5 * math.log(4 / 3), abs=1e-6)
    assert float(kl_anchor(old, old)) == pytest.approx(0.0, abs=1e-7)


# --- identities (methods A1, A4, D3) -----------------------------------------------------------------------


def test_dpo_is_log_two_where_policy_and_reference_agree():
    for chosen, rejected in [(-1.0, -2.0), (-300.0, -7.0)]:
        same = pair(chosen, rejected)
        assert float(dpo(same, same)) == pytest.approx(LOG2)
        assert float(dpo(same, same, label_smoothing=0.3)) == pytest.approx(LOG2)


def test_dpo_does_not_see_what_chosen_and_rejected_share():
    reference = pair(-5.0, -6.0)
    assert float(dpo(pair(-3.0, -9.0), reference)) == pytest.approx(
        float(dpo(pair(-13.0, -19.0), reference)), rel=1e-5
    )


def test_swapping_the_labels_changes_dpo_by_beta_times_the_margin():
    """l(d) - l(-d) = -beta d, with d = (-3 + 9) - (-5 + 6) = 5 and beta 0.2: -1."""
    there = dpo(pair(-3.0, -9.0), pair(-5.0, -6.0), beta=0.2)
    back = dpo(pair(-9.0, -3.0), pair(-6.0, -5.0), beta=0.2)
    assert float(there - back) == pytest.approx(-1.0, abs=1e-6)


def test_dpo_gradients_are_those_of_the_paper():
    """d/d chosen = -beta sigma(-beta d), the opposite for rejected; the reference's are minus those."""
    values = torch.tensor([-3.0, -9.0, -5.0, -6.0], requires_grad=True)
    one = torch.ones(1, 1, dtype=torch.bool)
    c, r, rc, rr = (Logps(v.view(1, 1), one) for v in values)
    (gradient,) = torch.autograd.grad(dpo(Pair(c, r), Pair(rc, rr), beta=0.2).sum(), values)
    slope = 0.2 / (1 + math.exp(0.2 * 5))
    assert gradient.tolist() == pytest.approx([-slope, slope, slope, -slope])


def test_smoothed_dpo_has_its_optimum_at_the_log_odds():
    """eps 0.1: beta * margin = log 9, where the slope is zero."""
    margin = torch.tensor([[math.log(9) / 0.1]], requires_grad=True)
    one = torch.ones(1, 1, dtype=torch.bool)
    zero = Logps(torch.zeros(1, 1), one)
    loss = dpo(Pair(Logps(margin, one), zero), Pair(zero, zero), beta=0.1, label_smoothing=0.1)
    (slope,) = torch.autograd.grad(loss.sum(), margin)
    assert float(slope) == pytest.approx(0, abs=1e-7)


def test_a_hot_kl_anchor_is_the_variance_of_the_logit_differences():
    """T^2 KL(p^T || q^T) tends to sum_v (d_v - mean d)^2 / 2V as T grows (methods D3)."""
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(4, 7, generator=generator).double(), torch.randn(4, 7, generator=generator).double()
    hot = kl_anchor(Distribution(b.log_softmax(1)), Distribution(a.log_softmax(1)), temperature=1e4)
    d = a - b
    torch.testing.assert_close(hot, (d - d.mean(1, keepdim=True)).pow(2).sum(1) / 14, rtol=1e-3, atol=1e-6)


# --- declaring needs ---------------------------------------------------------------------------------------


def test_the_signature_says_what_is_needed():
    assert needs(sft)[:3] == ("answer", False, "per_token")
    assert needs(dpo)[:3] == ("pair", True, "per_sequence")
    assert needs(kl_anchor)[:3] == ("distribution", True, "per_token")
    assert needs(partial(dpo, beta=0.3)).settings["beta"] == 0.3


def test_a_label_names_the_objective_and_its_settings_the_same_in_every_process():
    assert label(partial(dpo, beta=0.3)) == "truenorth.learn.objectives.dpo:dpo(beta=0.3)"
    assert label("sft") == "truenorth.learn.objectives.sft:sft()"


def test_an_objective_without_a_declared_result_is_refused():
    def silent(policy: Logps):
        return policy.total

    with pytest.raises(UserError, match="does not say what it returns"):
        needs(silent)


def test_an_objective_named_from_elsewhere_is_found():
    assert load_objective("truenorth.learn.objectives.dpo:dpo") is dpo
    assert Task("t", [], "sft").batch == 16


# --- TRL ---------------------------------------------------------------------------------------------------


def word_tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {"<pad>": 0, "<eos>": 1} | {f"w{i}": i for i in range(2, plain.VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>")


@pytest.fixture(scope="module")
def trl_trainer(tmp_path_factory):
    """TRL's own trainer, its loss functions reachable pair by pair."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from datasets import Dataset
        from trl import DPOConfig, DPOTrainer

        config = DPOConfig(
            output_dir=str(tmp_path_factory.mktemp("trl")),
            beta=0.1,
            loss_type=["sigmoid", "sft"],
            loss_weights=[1.0, 0.3],
            use_cpu=True,
            report_to=[],
            bf16=False,
            gradient_checkpointing=False,
        )
        rows = [{"prompt": "w2 w3", "chosen": " w4", "rejected": " w5"}] * 2
        return DPOTrainer(
            model=plain.tiny_llama(0),
            ref_model=plain.tiny_llama(1),
            args=config,
            train_dataset=Dataset.from_list(rows),
            processing_class=word_tokenizer(),
        )


@pytest.mark.parametrize("which", ["sigmoid", "sft", "both"])
def test_dpo_is_trls_to_5e_5_a_pair(trl_trainer, which):
    ours = {"sigmoid": {}, "sft": {"sft": 1.0}, "both": {"sft": 0.3}}[which]
    trl_trainer.loss_types = ["sigmoid", "sft"]
    trl_trainer.loss_weights = {"sigmoid": [1.0, 0.0], "sft": [1.0, 1.0], "both": [1.0, 0.3]}[which]
    examples = plain.pairs(12, seed=4)
    policy, reference = (
        token_logps(plain.policy_of(m), examples) for m in (trl_trainer.model, trl_trainer.ref_model)
    )
    for example, new, old in zip(examples, policy, reference):
        row = dict(zip(("prompt_ids", "chosen_ids", "rejected_ids"), map(list, (example[0], *example[1]))))
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = trl_trainer.compute_loss(trl_trainer.model, trl_trainer.data_collator([row]))
        got = dpo(*(Pair(*(logps(c.tolist()) for c in side)) for side in (new, old)), beta=0.1, **ours)
        assert float(got) == pytest.approx(float(theirs), abs=5e-5)
