"""Verdicts per CPU second: judges on a local model beside the same requests through transformers' generate, in
turn.

    python benchmarks/judging_vs_generate.py [--cases pairs "of 4" "of 8" checklist] [--repeats 5] [--threads 1]

The judge's own requests go to both sides. `generate` gets its best: sorted by length, left-padded batches of
8, SDPA, one new token, the verdict read from its scores; and, as most programs do it, 16 new tokens to be
parsed ("16 tokens"). Both sides must give the same verdict wherever the two likeliest options differ by a
thousandth.

Cases, on a random Llama of 15M weights (vocabulary 32,000), questions of 10 to 40 words and answers of 30 to
90: `pairs`, two answers to a question, compared in both orders; `of 4` and `of 8`, all pairs of so many
answers, in both orders; `checklist`, eight yes-or-no questions about each answer. A verdict is one request.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import transformers
from sampling_vs_generate import CASES as SIZES
from sampling_vs_generate import random_llama
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from truenorth.judges import ChecklistJudge, PairwiseJudge
from truenorth.judges.ask import Answer
from truenorth.models.local import LocalModel
from truenorth.records import Group

TEXTS = sorted((Path(__file__).parents[1] / "docs").glob("*.md"))
TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
CRITERIA = (
    "correct",
    "to the point",
    "complete",
    "polite",
    "free of jargon",
    "safe to follow",
    "honest",
    "short",
)


class Asked:
    """A model that keeps the requests it was asked, so that the other side gets the same ones."""

    def __init__(self, model: LocalModel):
        self.model, self.name, self.requests, self.options = model, model.name, [], []

    def answer_logprobs(self, prompts: Any, options: Any) -> list[dict[str, float]]:
        self.requests, self.options = list(prompts), list(options)
        return [dict.fromkeys(options, -1.0) for _ in prompts]


def judge_model() -> LocalModel:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=8000, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    texts = [path.read_text() for path in TEXTS]
    tokenizer.train_from_iterator([*texts, "Yes No Reply with Yes or No. A B C\n" * 100], trainer)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|im_end|>"
    )
    fast.chat_template = TEMPLATE
    module = random_llama(**SIZES["15m"], context=2048)
    return LocalModel.of(module, fast, name="random-15m")


def groups_of(count: int, answers: int) -> list[Group]:
    words = re.findall(r"[A-Za-z]+", " ".join(path.read_text() for path in TEXTS))
    chance = random.Random(0)

    def text(least: int, most: int) -> str:
        start = chance.randrange(len(words) - most)
        return " ".join(words[start : start + chance.randint(least, most)])

    return [Group(text(10, 40) + "?", [text(30, 90) + "." for _ in range(answers)]) for _ in range(count)]


def case_of(name: str, model: Any) -> tuple[Any, list[Group]]:
    if name == "checklist":
        questions = {f"Is the answer {c}?": 1.0 for c in CRITERIA}
        return ChecklistJudge(model, questions, how="logprobs"), groups_of(6, 1)
    count, answers = {"pairs": (16, 2), "of 4": (3, 4), "of 8": (1, 8)}[name]
    return PairwiseJudge(model, how="logprobs"), groups_of(count, answers)


def generated(
    model: LocalModel, requests: list[Any], options: list[str], new: int, rows: int = 8
) -> list[dict[str, float]]:
    """Probability of each option among the options, from `generate`'s scores of the first new token."""
    tokenizer = model.tokenizer
    texts = tokenizer.apply_chat_template(requests, tokenize=False, add_generation_prompt=True)
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    spelt = [[tokenizer.encode(s, add_special_tokens=False) for s in {o, " " + o}] for o in options]
    if any(len(s) > 1 for both in spelt for s in both):
        raise SystemExit("an option is more than one token")
    found: list[dict[str, float]] = [{} for _ in requests]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    for at in range(0, len(order), rows):
        batch = order[at : at + rows]
        width = max(len(ids[i]) for i in batch)
        padded = torch.tensor([[0] * (width - len(ids[i])) + ids[i] for i in batch])
        mask = torch.tensor([[0] * (width - len(ids[i])) + [1] * len(ids[i]) for i in batch])
        with torch.inference_mode():
            out = model.module.generate(
                padded,
                attention_mask=mask,
                do_sample=False,
                max_new_tokens=new,
                min_new_tokens=new,
                output_logits=True,
                return_dict_in_generate=True,
                pad_token_id=0,
            )
        p_BV = out.logits[0].float().softmax(-1)
        for i, p_V in zip(batch, p_BV):
            mass = [sum(float(p_V[s[0]]) for s in both) for both in spelt]
            found[i] = {o: m / sum(mass) for o, m in zip(options, mass)}
    return found


def same(ours: list[Answer], theirs: list[dict[str, float]]) -> bool:
    for one, other in zip(ours, theirs, strict=True):
        first, second = sorted(other.values(), reverse=True)[:2]
        if first - second > 1e-3 and one.choice != max(other, key=other.__getitem__):
            return False
    return True


def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--cases", nargs="+", default=["pairs", "of 4", "of 8", "checklist"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    transformers.logging.set_verbosity_error()
    model, results = judge_model(), {}
    model.forward  # noqa: B018 - the self-check, once a model
    heads = ("case", "requests", "generate/s", "16 tokens/s", "ours/s", "ratio (min-max)", "to 16")
    print("{:>10} {:>9} {:>11} {:>12} {:>8} {:>20} {:>7}".format(*heads))
    for case in given.cases:
        asked = Asked(model)
        judge, groups = case_of(case, asked)
        judge.judge(groups)
        requests, options = asked.requests, asked.options
        asker = case_of(case, model)[0].asker
        generated(model, requests[:4], options, 1)  # warm-up
        asker.ask(requests[:4], options)
        rates: list[tuple[float, float, float]] = []
        for _ in range(given.repeats):
            marks = [time.process_time()]
            theirs = generated(model, requests, options, 1)
            marks.append(time.process_time())
            generated(model, requests, options, 16)
            marks.append(time.process_time())
            ours = asker.ask(requests, options)
            marks.append(time.process_time())
            if not same(ours, theirs):
                raise SystemExit(f"{case}: the verdicts differ")
            rates.append(tuple(len(requests) / (b - a) for a, b in pairwise(marks)))  # type: ignore[arg-type]
        ratios = sorted(r[2] / r[0] for r in rates)
        long = sorted(r[2] / r[1] for r in rates)
        middle = len(ratios) // 2
        best = [max(r[k] for r in rates) for k in range(3)]
        print(
            f"{case:>10} {len(requests):>9} {best[0]:>11.1f} {best[1]:>12.1f} {best[2]:>8.1f} "
            f"{ratios[middle]:>8.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f}) {long[middle]:>7.2f}"
        )
        results[case] = {
            "requests": len(requests),
            "generate": round(best[0], 1),
            "generate, 16 tokens": round(best[1], 1),
            "ours": round(best[2], 1),
            "ratios": [round(r, 2) for r in ratios],
            "ratios to 16 tokens": [round(r, 2) for r in long],
        }
    about = {
        "benchmark": "judging_vs_generate",
        "unit": "verdicts per CPU second",
        "cases": results,
        "threads": given.threads,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    print(json.dumps(about))


if __name__ == "__main__":
    main()
