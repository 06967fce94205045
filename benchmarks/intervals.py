"""Statistics: how long the large cases take, and how often nominal 95 % intervals hold the truth.

    python benchmarks/intervals.py                 speed and coverage
    python benchmarks/intervals.py --coverage      coverage only
    python benchmarks/intervals.py --speed         speed only

Coverage compares our intervals with those that garak 0.17.1, AlpacaEval 2 and arena-hard-auto v2 print, each as
its source computes it, on data of its own kind: independent as it supposes, and in clusters as it comes. The last
line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Callable

import numpy as np
from scipy.special import expit

from truenorth.measure.readers import Result, Scored
from truenorth.recipes.compare import compare_results
from truenorth.stats import bradley_terry, controlled, mean, rogan_gladen

LEVEL = 0.95


def timed(work: Callable[[], object]) -> dict[str, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {
        "wall_s": round(time.perf_counter() - wall, 1),
        "cpu_s": round(time.process_time() - cpu, 1),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "load": round(os.getloadavg()[0], 1),
    }


def million_votes(votes: int = 1_000_000, models: int = 100, prompts: int = 100_000) -> dict[str, float]:
    """Names as strings, ties in a tenth of votes, 500 draws of whole prompts."""
    rng = np.random.default_rng(0)
    strength = rng.normal(size=models)
    a = rng.integers(0, models, votes)
    b = (a + rng.integers(1, models, votes)) % models
    y = (rng.random(votes) < expit(strength[a] - strength[b])).astype(float)
    y[rng.random(votes) < 0.1] = 0.5
    names = [f"model {m}" for m in range(models)]
    first, second = [names[m] for m in a], [names[m] for m in b]
    prompt = rng.integers(0, prompts, votes)
    return timed(lambda: bradley_terry(first, second, y, clusters=prompt, draws=500).table())


def twenty_systems(items: int = 10_000, *, graded: bool = False) -> dict[str, float]:
    """Nineteen against the first, with eight slices each."""
    rng = np.random.default_rng(0)
    hard, results = rng.random(items), []
    for m in range(20):
        right = rng.random(items) < np.clip(hard + 0.01 * m, 0, 1)
        scores = rng.beta(2, 2, items) if graded else right.astype(float)
        rows = [
            Scored(f"q{i}", "acc", float(s), f"q{i}", {"topic": f"t{i % 8}"}) for i, s in enumerate(scores)
        ]
        results.append(Result(f"m{m}", "made", rows))
    return timed(lambda: compare_results(results))


def garak(runs: int, *, tied: float, items: int = 100, outputs: int = 5) -> dict[str, float]:
    """Hit rates of a detector with sensitivity 0.9, specificity 0.95 measured on 200 labels, true rate 0.25.

    garak: percentile bootstrap of all outputs as independent, corrected with the detector's rates as if known.
    """
    rng, true, held, ours = np.random.default_rng(1), 0.25, 0, 0
    for _ in range(runs):
        at = (
            rng.beta(true * (1 / tied - 1), (1 - true) * (1 / tied - 1), items)
            if tied
            else np.full(items, true)
        )
        hit = rng.random((items, outputs)) < at[:, None]
        flag = np.where(hit, rng.random(hit.shape) < 0.9, rng.random(hit.shape) < 0.05).ravel()
        se, sp = rng.binomial(100, 0.9), rng.binomial(100, 0.95)
        slope = se / 100 + sp / 100 - 1
        draws = rng.binomial(flag.size, flag.mean(), 2000) / flag.size
        low, high = np.quantile(np.clip((draws + sp / 100 - 1) / slope, 0, 1), [0.025, 0.975])
        held += low <= true <= high
        labels = np.repeat(np.arange(items), outputs)
        e = rogan_gladen(flag, sensitivity=(se, 100), specificity=(sp, 100), clusters=labels)
        ours += e.low <= true <= e.high
    return {"theirs": float(held / runs), "ours": float(ours / runs)}


def alpaca(runs: int, *, items: int = 805) -> dict[str, float]:
    """Length-controlled win rates: 1.96 times the spread of predictions against the sandwich."""
    rng, held, ours = np.random.default_rng(2), 0, 0
    truth = expit(0.8 * rng.normal(size=2_000_000) - 0.8).mean()
    for _ in range(runs):
        style, hard = np.tanh(rng.normal(0.7, 1, items)), rng.normal(size=items)
        y = (rng.random(items) < expit(-style + 0.8 * hard - 0.8)).astype(float)
        found = controlled(y, {"length": style}, difficulty=hard)
        held += abs(found.win_rate.mean - truth) <= 1.96 * found.prediction_se
        ours += found.win_rate.low <= truth <= found.win_rate.high
    return {"theirs": float(held / runs), "ours": float(ours / runs)}


def arena(runs: int, *, prompts: int = 500, tied: float = 1.5) -> dict[str, float]:
    """One model against the baseline, two games a prompt, clear wins counted three times.

    arena-hard: the copies drawn apart 100 times; its printed interval is from 5 % to 95 %, so its nominal share is
    90 %; "theirs_95" takes 2.5 % and 97.5 % of the same draws. Ours: the same weighted share, prompts drawn whole.
    """
    rng, wide, printed, ours = np.random.default_rng(3), 0, 0, 0

    def games(n: int) -> tuple[np.ndarray, np.ndarray]:
        lean = rng.normal(0.3, tied, n)[:, None]
        won = (rng.random((n, 2)) < expit(lean)).astype(float)
        clear = rng.random((n, 2)) < np.abs(expit(lean) - 0.5) * 1.6
        return won, np.where(clear, 3.0, 1.0)

    won, weight = games(2_000_000)
    truth = (won * weight).sum() / weight.sum()
    for _ in range(runs):
        won, weight = games(prompts)
        copies = np.repeat(won.ravel(), weight.ravel().astype(int))
        draws = rng.binomial(len(copies), copies.mean(), 100) / len(copies)
        low, high = np.quantile(draws, [0.05, 0.95])
        printed += low <= truth <= high
        low, high = np.quantile(draws, [0.025, 0.975])
        wide += low <= truth <= high
        top, bottom = (won * weight).sum(1), weight.sum(1)
        share = top.sum() / bottom.sum()
        e = mean(share + (top - share * bottom) / bottom.mean())
        ours += e.low <= truth <= e.high
    return {"theirs_90": printed / runs, "theirs": wide / runs, "ours": float(ours / runs)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--coverage", action="store_true")
    parser.add_argument("--runs", type=int, default=1000, help="simulations a case")
    args = parser.parse_args()
    both, found = args.speed == args.coverage, {}
    if args.speed or both:
        found["20 systems x 10,000 items, right or wrong"] = twenty_systems()
        found["20 systems x 10,000 items, graded"] = twenty_systems(graded=True)
        found["1,000,000 votes, 100 models, 500 draws of 100,000 prompts"] = million_votes()
    if args.coverage or both:
        found["garak, outputs independent"] = garak(args.runs, tied=0.0)
        found["garak, outputs of a prompt alike (0.5)"] = garak(args.runs, tied=0.5)
        found["AlpacaEval 2, length-controlled"] = alpaca(args.runs)
        found["arena-hard, two games a prompt"] = arena(args.runs)
    for name, value in found.items():
        print(f"{name:60} {value}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
