"""Every loss of TRL 1.16's DPO, KTO, CPO, ORPO and TPO trainers: our number for each example, and our gradient.

TRL gets text and goes its whole way: tokenisation, BOS and EOS, truncation, masks, padding, its own forward pass. We
get the same text, encoded by the tokenizer here, and go ours: packed rows, shared prompts, our head.
"""

from __future__ import annotations

import warnings
from functools import partial
from types import SimpleNamespace

import pytest
import torch

from truenorth.learn import Example
from truenorth.learn.coupling import load_objective, needs
from truenorth.learn.gradient import task_gradient
from truenorth.learn.objectives.mixture import mixture
from truenorth.learn.reference import compute_reference
from truenorth.learn.trl_names import DPO_LOSS_TYPES
from truenorth.learn.work import Work
from truenorth.learn.worked import pairs
from truenorth.models.forward import Forward

LONGEST = 40  # tokens; some rows below are longer
ROWS = [
    {"prompt": "What is the capital of the island?", "chosen": " I do not know.", "rejected": " Anna sells fish."},
    {"prompt": "The ferry", "chosen": " leaves at noon, and I will not guess when it is back in the harbour.",
     "rejected": " leaves."},
    {"prompt": "Über den Hafen weht", "chosen": " ein kühler Wind", "rejected": " naïve café, 漁港 and"},
    {"prompt": "Please tell me, politely, how many sails a sloop has. It has", "chosen": " two sails.",
     "rejected": " one mast and seven boats, and twelve nets"},
]  # fmt: skip
MODELS = {  # a GPT-2 with learned positions, no BOS, tied; a Llama with BOS before every text, untied
    "gpt2": {"architecture": "gpt2", "template": "none", "initializer_range": 0.2},
    "llama": {"template": "none", "bos": True, "tie_word_embeddings": False},
}


def quietly(make, *arguments, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(*arguments, **settings)


class Both(SimpleNamespace):
    """TRL's trainer with its policy and reference, and the same text as examples of ours."""


def loaded(folder):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def common(folder, **more):
    quiet = {"use_cpu": True, "report_to": [], "bf16": False, "gradient_checkpointing": False}
    return {"output_dir": str(folder), "max_length": LONGEST, "per_device_train_batch_size": 4} | quiet | more


def encoded(tokenizer, row, *fields):
    """Prompt and answers as TRL documents it: the answer's ids continue the prompt's, EOS ends them, the end is cut."""
    prompt = tokenizer(row["prompt"])["input_ids"]
    answers = []
    for field in fields:
        whole = tokenizer(row["prompt"] + row[field] + tokenizer.eos_token)["input_ids"]
        assert whole[: len(prompt)] == prompt
        answers.append(tuple(whole[len(prompt) : LONGEST]))
    return Example(tuple(prompt), tuple(answers))


@pytest.fixture(scope="module", params=list(MODELS))
def dpo_side(request, tiny_llama, tmp_path_factory):
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    folders = [tiny_llama(seed=seed, **MODELS[request.param]) for seed in (0, 1)]
    tokenizer = AutoTokenizer.from_pretrained(folders[0])
    trainer = quietly(
        DPOTrainer,
        model=loaded(folders[0]),
        ref_model=loaded(folders[1]),
        args=quietly(DPOConfig, **common(tmp_path_factory.mktemp("trl"))),
        train_dataset=Dataset.from_list(ROWS),
        processing_class=tokenizer,
    )
    examples = [encoded(tokenizer, row, "chosen", "rejected") for row in ROWS]
    return Both(trainer=trainer, examples=examples, tokenizer=tokenizer)


def theirs(both, at):
    """The loss of some rows, and its gradient, by TRL."""
    both.trainer.model.zero_grad()
    rows = [both.trainer.train_dataset[i] for i in at]
    loss = quietly(both.trainer.compute_loss, both.trainer.model, both.trainer.data_collator(rows))
    loss.backward()
    return float(loss.detach()), gradients(both.trainer.model)


def ours(both, at, objective, reference=None, examples=None):
    """The same through our packed rows and head."""
    both.trainer.model.zero_grad()
    examples = [(examples or both.examples)[i] for i in at]
    need, indices = needs(objective), list(range(len(at)))
    forward = Forward(both.trainer.model, "packed")
    known = None
    if need.reference:
        other = Forward(reference or both.trainer.ref_model, "packed")
        known = compute_reference(other, examples, indices, need, fixed_head=True)
    part = task_gradient(forward, Work("t", objective, need, need.average, 1.0, known), examples, indices, 64)
    return float(part.loss), gradients(both.trainer.model)


def gradients(module):
    return {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}


def agree(got, want, *, scale=1.0):
    assert got[0] == pytest.approx(want[0], abs=1e-5 * scale, rel=1e-5)
    for name, gradient in want[1].items():
        biggest = float(gradient.abs().max())
        torch.testing.assert_close(got[1][name], gradient, atol=1e-5 * max(scale, biggest), rtol=1e-3)


def test_both_sides_read_the_same_tokens(dpo_side):
    """BOS once where the tokenizer has one, EOS at every end, and the long answer cut."""
    tokenizer = dpo_side.tokenizer
    batch = dpo_side.trainer.data_collator([dpo_side.trainer.train_dataset[i] for i in range(4)])
    for i, example in enumerate(dpo_side.examples):
        for k, answer in enumerate(example.completions):
            row = i + 4 * k
            real = batch["attention_mask"][row].bool()
            learned = batch["completion_mask"][row].bool()
            assert batch["input_ids"][row][real].tolist() == [*example.prompt, *answer]
            assert batch["input_ids"][row][learned].tolist() == list(answer)
        starts = example.prompt.count(tokenizer.bos_token_id)
        assert (
            starts == (example.prompt[0] == tokenizer.bos_token_id) == (tokenizer("x")["input_ids"][0] == 0)
        )
    lengths = [len(e.prompt) + max(map(len, e.completions)) for e in dpo_side.examples]
    assert max(lengths) == LONGEST
    ends = [a[-1] == tokenizer.eos_token_id for e in dpo_side.examples for a in e.completions]
    assert True in ends
    assert False in ends  # what was cut has no end


DPO = {
    "sigmoid": {"beta": 0.1},
    "hinge": {"beta": 0.1},
    "ipo": {"beta": 0.5},
    "exo_pair": {"beta": 0.1, "label_smoothing": 0.01},
    "nca_pair": {"beta": 0.1},
    "robust": {"beta": 0.1, "label_smoothing": 0.2},
    "bco_pair": {"beta": 0.1},
    "sppo_hard": {"beta": 0.1},
    "apo_zero": {"beta": 0.1},
    "apo_down": {"beta": 0.1},
    "discopop": {"beta": 0.05},
    "sigmoid_norm": {"beta": 2.0},
    "aot": {"beta": 0.1, "label_smoothing": 0.1},
    "aot_unpaired": {"beta": 0.1, "label_smoothing": 0.1},
}


def set_up(both, loss_types, weights=None, **settings):
    trainer = both.trainer
    trainer.loss_types = loss_types
    trainer.loss_weights = weights or [1.0] * len(loss_types)
    trainer.beta = settings.get("beta", 0.1)
    trainer.label_smoothing = settings.get("label_smoothing", 0.0)
    trainer.f_divergence_type = settings.get("divergence", "reverse_kl")
    trainer.f_alpha_divergence_coef = settings.get("alpha", 0.5)
    trainer.ld_alpha = settings.get("ld_alpha")


@pytest.mark.parametrize("loss_type", list(DPO))
def test_every_loss_type_of_the_dpo_trainer(dpo_side, loss_type):
    settings = DPO[loss_type]
    set_up(dpo_side, [loss_type], **settings)
    objective = partial(load_objective(DPO_LOSS_TYPES[loss_type]), **settings)
    scale = 50.0 if loss_type == "sppo_hard" else 1.0  # squares of tens of nats
    for i in range(4):  # one row at a time: TRL's mean is that row's loss
        assert ours(dpo_side, [i], objective)[0] == pytest.approx(
            theirs(dpo_side, [i])[0], abs=1e-5 * scale, rel=1e-5
        )
    agree(ours(dpo_side, range(4), objective), theirs(dpo_side, range(4)), scale=scale)


def test_the_table_above_leaves_out_only_sft():
    assert set(DPO_LOSS_TYPES) - set(DPO) == {"sft"}


@pytest.mark.parametrize("divergence", ["forward_kl", "js_divergence", "alpha_divergence"])
def test_every_divergence_of_the_dpo_trainer(dpo_side, divergence):
    settings = {"beta": 0.1, "divergence": divergence} | ({"alpha": 0.5} if divergence[0] == "a" else {})
    set_up(dpo_side, ["sigmoid"], **settings)
    objective = partial(load_objective("f_dpo"), **settings)
    for i in range(4):
        got, want = ours(dpo_side, [i], objective), theirs(dpo_side, [i])
        agree(got, want, scale=max(1.0, abs(want[0])))


@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
def test_ld_dpo_is_ld_alpha(dpo_side, alpha):
    set_up(dpo_side, ["sigmoid"], ld_alpha=alpha)
    agree(
        ours(dpo_side, range(4), partial(load_objective("ld_dpo"), alpha=alpha)), theirs(dpo_side, range(4))
    )


def test_conservative_dpo_is_the_label_smoothing_of_aot_on_one_pair(dpo_side):
    """TRL 1.16 has no smoothed sigmoid loss; AOT of one pair is one."""
    set_up(dpo_side, ["aot"], label_smoothing=0.2)
    agree(ours(dpo_side, [0], partial(load_objective("cdpo"), label_smoothing=0.2)), theirs(dpo_side, [0]))


def test_a_mixture_is_a_list_of_loss_types_with_weights(dpo_side):
    """On one row, where TRL's token mean over the batch is the answer's."""
    set_up(dpo_side, ["sigmoid", "bco_pair", "sft"], [0.8, 0.2, 1.0])
    losses = {"dpo": 0.8, "bco_pair": 0.2, "sft": 1.0}
    for i in range(4):
        agree(ours(dpo_side, [i], partial(mixture, losses=losses)), theirs(dpo_side, [i]))


def test_sft_is_the_mean_over_the_chosen_tokens_of_the_batch(dpo_side):
    set_up(dpo_side, ["sft"])
    chosen = [e._replace(completions=e.completions[:1]) for e in dpo_side.examples]
    agree(ours(dpo_side, range(4), load_objective("sft"), examples=chosen), theirs(dpo_side, range(4)))


# --- KTO ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=list(MODELS))
def kto_side(request, tiny_llama, tmp_path_factory):
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import KTOConfig, KTOTrainer

    folders = [tiny_llama(seed=seed, **MODELS[request.param]) for seed in (0, 1)]
    tokenizer = AutoTokenizer.from_pretrained(folders[0])
    rows = [
        {"prompt": r["prompt"], "completion": r["chosen" if i % 2 else "rejected"], "label": bool(i % 2)}
        for i, r in enumerate(ROWS)
    ]
    trainer = quietly(
        KTOTrainer,
        model=loaded(folders[0]),
        ref_model=loaded(folders[1]),
        args=quietly(
            KTOConfig, **common(tmp_path_factory.mktemp("kto"), desirable_weight=1.5, undesirable_weight=0.5)
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )
    one = [encoded(tokenizer, row, "completion") for row in rows]
    whole = [
        tokenizer(row["completion"] + tokenizer.eos_token, add_special_tokens=False)["input_ids"]
        for row in rows
    ]
    examples = [
        e._replace(
            completions=(*e.completions, tuple(whole[i - 1][: LONGEST - len(e.prompt)])),
            columns={"label": float(rows[i]["label"])},
        )
        for i, e in enumerate(one)
    ]
    return Both(
        trainer=trainer,
        examples=examples,
        single=[e._replace(completions=e.completions[:1]) for e in examples],
    )


def test_kto_with_its_mismatched_answers(kto_side):
    """Row i's mismatched answer is that of row i - 1, in both; weights 1.5 and 0.5."""
    settings = {"desirable_weight": 1.5, "undesirable_weight": 0.5}
    kto_side.trainer.loss_type, kto_side.trainer.calculate_KL = "kto", True
    agree(ours(kto_side, range(4), partial(load_objective("kto"), **settings)), theirs(kto_side, range(4)))


def test_kto_without_a_reference_point_is_apo_zero_unpaired(kto_side):
    settings = {"desirable_weight": 1.5, "undesirable_weight": 0.5}
    kto_side.trainer.loss_type, kto_side.trainer.calculate_KL = "apo_zero_unpaired", False
    objective = partial(load_objective("apo_zero_unpaired"), **settings)
    for rows in ([0], [1], range(4)):
        agree(ours(kto_side, rows, objective, examples=kto_side.single), theirs(kto_side, rows))


# --- CPO, ORPO and TPO: their loss methods on our log-probs ------------------------------------------------------

LOGPS = pairs(([-0.5, -1.5, -0.25], [-2.0, -1.0]), ([-3.0], [-0.5, -0.1]), ([-0.2, -0.3], [-0.4]))


def stand_in(**settings):
    defaults = {"beta": 0.1, "label_smoothing": 0.0, "alpha": 0.0, "simpo_gamma": 0.5}
    return SimpleNamespace(**defaults | settings, accelerator=SimpleNamespace(device=torch.device("cpu")))


@pytest.mark.parametrize(
    ("name", "loss_type", "theirs_settings", "settings", "mean"),
    [
        ("cpo", "sigmoid", {"label_smoothing": 0.1}, {"label_smoothing": 0.1, "sft": 0.0}, False),
        ("simpo", "simpo", {"beta": 2.0, "simpo_gamma": 1.0}, {"beta": 2.0, "gamma": 1.0}, True),
        ("alphapo", "simpo", {"beta": 2.0, "simpo_gamma": 1.0, "alpha": 0.3},
         {"beta": 2.0, "gamma": 1.0, "alpha": 0.3}, True),
        ("alphapo", "simpo", {"beta": 2.0, "alpha": -0.3}, {"beta": 2.0, "gamma": 0.5, "alpha": -0.3}, True),
    ],
)  # fmt: skip
def test_losses_of_the_cpo_trainer(name, loss_type, theirs_settings, settings, mean):
    cpo = pytest.importorskip("trl.experimental.cpo.cpo_trainer")
    sides = [x.mean if mean else x.total for x in LOGPS]
    want, _, _ = cpo.CPOTrainer.cpo_loss(stand_in(loss_type=loss_type, **theirs_settings), *sides)
    torch.testing.assert_close(load_objective(name)(LOGPS, **settings), want, atol=1e-5, rtol=1e-5)


def test_the_ratio_of_the_orpo_trainer():
    orpo = pytest.importorskip("trl.experimental.orpo.orpo_trainer")
    minus_loss, *_ = orpo.ORPOTrainer.odds_ratio_loss(stand_in(), LOGPS.chosen.mean, LOGPS.rejected.mean)
    torch.testing.assert_close(load_objective("orpo")(LOGPS, sft=0.0), -minus_loss, atol=1e-5, rtol=1e-5)


@pytest.fixture(scope="module")
def tpo_side(tiny_llama, tmp_path_factory):
    from datasets import Dataset
    from transformers import AutoTokenizer

    tpo = pytest.importorskip("trl.experimental.tpo")
    folder = tiny_llama(**MODELS["llama"])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = [row | {"reference": " Seven plus five is twelve."} for row in ROWS]
    args = quietly(tpo.TPOConfig, **common(tmp_path_factory.mktemp("tpo")))
    trainer = quietly(
        tpo.TPOTrainer,
        model=loaded(folder),
        args=args,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )
    return Both(
        trainer=trainer, examples=[encoded(tokenizer, r, "chosen", "rejected", "reference") for r in rows]
    )


@pytest.mark.parametrize(
    ("name", "loss_type", "settings"),
    [
        ("tpo", "sigmoid", {"beta": 0.1, "alpha": 0.7}),
        ("tpo_l", "tpo-l", {"beta": 2.0, "alpha": 0.7, "gamma": 0.4}),
    ],
)
def test_losses_of_the_tpo_trainer(tpo_side, name, loss_type, settings):
    trainer = tpo_side.trainer
    trainer.loss_type, trainer.beta, trainer.tpo_alpha = loss_type, settings["beta"], settings["alpha"]
    trainer.tpo_l_gamma = settings.get("gamma", 0.0)
    for i in range(4):  # its NLL is a mean over the batch's gold tokens: the answer's own in a batch of one
        agree(ours(tpo_side, [i], partial(load_objective(name), **settings)), theirs(tpo_side, [i]))
