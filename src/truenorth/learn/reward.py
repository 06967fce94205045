"""Reward models: a language model with a score head, trained on comparisons, saved so that transformers loads it.

    judge = fit_reward("base", rows, folder="reward", steps=200, lr=1e-5)

The folder is an ordinary sequence classifier; the result is a `ClassifierJudge` over it, and so is
`ClassifierJudge.load(folder)`. Texts are encoded for training as the judge encodes them.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from truenorth.base import UserError, seed_of
from truenorth.judges.classifier import ClassifierJudge
from truenorth.learn.fit import fit
from truenorth.learn.types import Example, Objective, Task

PAIRS = ("prompt", "chosen", "rejected")


def fit_reward(
    base: str | Path | ClassifierJudge,
    rows: Sequence[Mapping[str, Any]],
    *,
    folder: str | Path | None = None,
    objective: str | Objective = "bradley_terry",
    outputs: int = 1,
    batch: int = 16,
    seed: int = 0,
    **settings: Any,
) -> ClassifierJudge:
    """Train a reward model on pairs, and save it.

    Args:
        base: a causal language model, or a sequence classifier to go on with.
        rows: TRL's columns `prompt`, `chosen`, `rejected`; others, such as `margin`, reach the objective.
        folder: where to save model and tokenizer.
        objective: of pairs of scores: `bradley_terry`, `ordinal`, `cost`, `irl`.
        outputs: of the head; several are an ensemble that shares its body.
        settings: of `fit`: `steps`, `lr` (1e-5 for 7B, more for smaller), `lora`, `checkpoint`, ...

    Raises:
        UserError: no such model, rows without those columns, or whatever `fit` refuses.
    """
    judge = base if isinstance(base, ClassifierJudge) else open_reward(base, outputs=outputs, seed=seed)
    examples = pair_examples(judge, rows)
    choose_pad(judge, [[*e.prompt, *c] for e in examples for c in e.completions])
    result = fit(judge, [Task("reward", examples, objective, batch=batch)], seed=seed, **settings)
    result.merge()
    if folder is not None:
        save(judge, folder)
    return judge


def open_reward(
    path: str | Path, *, outputs: int = 1, each_token: bool = False, seed: int = 0, device: Any = None
) -> ClassifierJudge:
    """A model with a score head: its own where the folder has one of this size, else a new one.

    A new head is drawn from N(0, 1 / (width + 1)) (Stiennon et al. 2020), its bias 0.

    Args:
        each_token: a token classifier, for process rewards (`prm`); not to be judged with as it is.
        device: default CUDA where there is one.
    """
    from transformers import (
        AutoModelForSequenceClassification,
        AutoModelForTokenClassification,
        AutoTokenizer,
    )

    from truenorth.models.hushed import hushed

    kind = AutoModelForTokenClassification if each_token else AutoModelForSequenceClassification
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings(), hushed():  # a new head is no news
            module, info = kind.from_pretrained(
                path,
                num_labels=outputs,
                use_safetensors=True,
                dtype=torch.float32,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
        tokenizer = AutoTokenizer.from_pretrained(path)
    except (OSError, ValueError) as error:
        why = str(error).splitlines()[0]
        raise UserError(f"cannot load ({why})", where=str(path), expected="a transformers model") from error
    if not isinstance(getattr(module, "score", None), torch.nn.Linear):
        raise UserError(
            f"{type(module).__name__} has no linear layer `score`", where=str(path), expected="a decoder"
        )
    if any(
        str(key).startswith("score.") for key in [*info["missing_keys"], *_names(info["mismatched_keys"])]
    ):
        _draw_head(module.score, seed)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return ClassifierJudge(module.to(device).eval(), tokenizer, f"reward:{path}")


def pair_examples(judge: ClassifierJudge, rows: Sequence[Mapping[str, Any]]) -> list[Example]:
    """Pairs as `judge` reads them: what both texts begin with is the prompt, their further columns are kept.

    Raises:
        UserError: naming the rows that lack a column, or whose texts have no first token in common.
    """
    found = []
    for i, row in enumerate(rows):
        missing = [name for name in PAIRS if not row.get(name)]
        if missing:
            raise UserError(
                f"row {i} of {len(rows)} has no {missing[0]}", where="fit_reward", expected=", ".join(PAIRS)
            )
        texts = [judge.ids(row["prompt"], answer_text(row[side])) for side in PAIRS[1:]]
        shared = _shared(*texts)
        if not shared:
            raise UserError(
                f"the texts of row {i} have no first token in common",
                where="fit_reward",
                fix="give a prompt, or a tokenizer that begins with BOS",
            )
        columns = {k: v for k, v in row.items() if k not in PAIRS}
        found.append(Example(texts[0][:shared], [t[shared:] for t in texts], columns=columns))
    return found


def answer_text(answer: Any) -> str:
    """The words of an answer: a string, or TRL's list of one assistant turn."""
    return answer if isinstance(answer, str) else "\n".join(turn["content"] for turn in answer)


def save(judge: ClassifierJudge, folder: str | Path) -> None:
    """Write model and tokenizer as transformers does."""
    judge.module.save_pretrained(folder)
    judge.tokenizer.save_pretrained(folder)


def choose_pad(judge: ClassifierJudge, texts: Sequence[Sequence[int]]) -> None:
    """Set a padding token that ends no text: transformers reads the score before the last run of it.

    Raises:
        UserError: every special token ends some text.
    """
    tokenizer = judge.tokenizer
    ends = {text[-1] for text in texts}
    for token in (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.bos_token_id):
        if token is not None and token not in ends:
            tokenizer.pad_token = tokenizer.convert_ids_to_tokens(token)
            judge.module.config.pad_token_id = token
            return
    raise UserError(
        "every token to pad with ends some text",
        where="fit_reward",
        fix="give the tokenizer a padding token of its own",
    )


def _shared(first: Sequence[int], second: Sequence[int]) -> int:
    """Tokens both begin with, one at least left to each."""
    most = min(len(first), len(second)) - 1
    return next((i for i in range(most) if first[i] != second[i]), most)


def _draw_head(head: torch.nn.Linear, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed_of("score head", seed) % 2**63)
    with torch.no_grad():
        head.weight.copy_(torch.randn(head.weight.shape, generator=generator) / (head.in_features + 1) ** 0.5)
        if head.bias is not None:
            head.bias.zero_()


def _names(mismatched: Any) -> list[str]:
    return [key if isinstance(key, str) else key[0] for key in mismatched]
