"""Multiple-choice questions per CPU second beside lm-evaluation-harness 0.4.13, in turn in one process.

    python benchmarks/multiple_choice_vs_lm_eval.py [--cases plain shots long] [--repeats 5] [--threads 1]

Where lm_eval can be imported (its own environment, with this package on the path) its `HFLM.loglikelihood` is
the peer, on the same model and tokenizer in memory, batches of 32; everywhere a plain loop that does what it
does: every option a sequence of its own, sorted by length, padded, logits of every position. Both sides must
give the same accuracies and, within 1e-3 nats, the same log-likelihoods.

Cases, on a random Llama of 15M weights (vocabulary 32,000), four options of 1 to 6 words each: `plain`,
questions of 20 to 60 words; `shots`, the same behind five worked examples; `long`, questions of 100 to 200
words. Prints a table and one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import time
from collections.abc import Callable
from itertools import pairwise

import torch
import transformers
from judging_vs_generate import TEXTS, judge_model

from truenorth.measure import Question, multiple_choice
from truenorth.measure.multiple_choice import asked
from truenorth.models.local import LocalModel

CASES = {"plain": (60, 20, 60, 0), "shots": (16, 20, 60, 5), "long": (24, 100, 200, 0)}
Totals = list[float]


def questions_of(count: int, least: int, most: int, shots: int) -> list[Question]:
    words = re.findall(r"[A-Za-z]+", " ".join(path.read_text() for path in TEXTS))
    chance = random.Random(0)

    def text(low: int, high: int) -> str:
        start = chance.randrange(len(words) - high)
        return " ".join(words[start : start + chance.randint(low, high)])

    def stem() -> str:
        return f"Question: {text(least, most)}?\nAnswer:"

    before = "".join(f"{stem()} {text(1, 6)}\n\n" for _ in range(shots))
    return [
        Question(str(i), before + stem(), tuple(text(1, 6) for _ in range(4)), chance.randrange(4))
        for i in range(count)
    ]


def by_loop(model: LocalModel, pairs: list[tuple[str, str]], rows: int = 32) -> Totals:
    """The log-likelihood of every option, as lm-eval computes it."""
    ids = [model.tokenizer(a + b)["input_ids"] for a, b in pairs]
    starts = [len(model.tokenizer(a)["input_ids"]) for a, _ in pairs]
    totals = [0.0] * len(pairs)
    order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
    for at in range(0, len(order), rows):
        batch = order[at : at + rows]
        width = max(len(ids[i]) for i in batch) - 1
        padded = torch.tensor([ids[i][:-1] + [0] * (width - len(ids[i]) + 1) for i in batch])
        with torch.inference_mode():
            logp_BTV = model.module(padded).logits.float().log_softmax(-1)
        for logp_TV, i in zip(logp_BTV, batch):
            own = torch.tensor(ids[i][starts[i] :])
            where = torch.arange(starts[i] - 1, len(ids[i]) - 1)
            totals[i] = float(logp_TV[where, own].sum())
    return totals


def by_lm_eval(model: LocalModel) -> Callable[[list[tuple[str, str]]], Totals] | None:
    """None where it is not installed."""
    try:
        from lm_eval.api.instance import Instance
        from lm_eval.models.huggingface import HFLM
    except ImportError:
        return None
    peer = HFLM(pretrained=model.module, tokenizer=model.tokenizer, batch_size=32, device="cpu")

    def run(pairs: list[tuple[str, str]]) -> Totals:
        requests = [
            Instance(request_type="loglikelihood", doc={}, arguments=pair, idx=i)
            for i, pair in enumerate(pairs)
        ]
        return [total for total, _ in peer.loglikelihood(requests, disable_tqdm=True)]

    return run


def accuracies(questions: list[Question], totals: Totals) -> tuple[float, float]:
    """acc and acc_norm as lm-eval's `process_results` counts them."""
    right = normed = 0
    for i, q in enumerate(questions):
        own = totals[4 * i : 4 * i + 4]
        right += max(range(4), key=lambda k: own[k]) == q.answer
        normed += max(range(4), key=lambda k: own[k] / len(q.options[k])) == q.answer
    return right / len(questions), normed / len(questions)


def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    transformers.logging.set_verbosity_error()
    model, results = judge_model(), {}
    sides = {"loop": lambda pairs: by_loop(model, pairs), "lm-eval": by_lm_eval(model)}
    peers = {name: side for name, side in sides.items() if side is not None}
    multiple_choice(model, questions_of(2, 20, 60, 0))  # warm-up, and the model's self-check
    for case in given.cases:
        questions = questions_of(*CASES[case])
        pairs = [(str(p), o) for q in questions for p, o in asked(q)]
        rates: list[dict[str, float]] = []
        for _ in range(given.repeats):
            marks, found = [time.process_time()], []
            for peer in peers.values():
                found.append(peer(pairs))
                marks.append(time.process_time())
            ours = multiple_choice(model, questions)
            marks.append(time.process_time())
            nats = [p for c in ours.chosen for p in c.logprobs]
            far = max(abs(a - b) for totals in found for a, b in zip(nats, totals, strict=True))
            if far > 1e-3 or any(
                accuracies(questions, t) != (ours.acc.mean, ours.acc_norm.mean) for t in found
            ):
                raise SystemExit(f"{case}: the results differ, log-likelihoods by {far:.2g}")
            rates.append(
                {n: len(questions) / (b - a) for n, (a, b) in zip([*peers, "ours"], pairwise(marks))}
            )
        best = {name: round(max(r[name] for r in rates), 2) for name in rates[0]}
        ratios = {name: sorted(round(r["ours"] / r[name], 2) for r in rates) for name in peers}
        told = ", ".join(f"{n} {v[len(v) // 2]} ({v[0]}-{v[-1]})" for n, v in ratios.items())
        print(f"{case:>6}: {len(questions)} questions, acc {ours.acc.mean:.4f} on every side")
        print(f"        a CPU second {best}; times {told}")
        results[case] = {
            "rates": best,
            "ratios": ratios,
            "acc": ours.acc.mean,
            "largest difference, nats": far,
        }
    about = {
        "benchmark": "multiple_choice_vs_lm_eval",
        "unit": "questions per CPU second",
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
