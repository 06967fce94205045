"""Near-duplicates of short texts, beside rensa and datasketch; k-centre selection beside the plain greedy.

    python benchmarks/near_duplicates.py                       100,000 texts, with the peers that are installed
    python benchmarks/near_duplicates.py --texts 1000000       a million: ours alone unless --peers names others
    python benchmarks/near_duplicates.py --centres             100,000 x 384 vectors, 1,000 picks

Each side runs in a process of its own, from texts in memory to the rows that stay; CPU seconds and peak memory are
those of that process, the making of the texts taken off. --python names another interpreter for the peers, so that they
need not share our environment. The peers drop by estimated similarity without verifying it, as they are used.
The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np


def made_texts(count: int, *, seed: int = 0, share: float = 0.2) -> list[str]:
    """Texts of 8 to 20 words from a vocabulary of 40,000, common ones often; a fifth repeat an earlier text, as it was,
    or with the last word changed or left out."""
    rng = np.random.default_rng(seed)
    vocabulary = np.array([f"w{i:x}" for i in range(40_000)])
    words = vocabulary[(len(vocabulary) * rng.random(count * 20) ** 3).astype(int)]
    lengths = rng.integers(8, 21, count)
    again, source = rng.random(count) < share, rng.integers(0, np.maximum(np.arange(count), 1))
    change = rng.integers(0, 3, count)
    texts: list[str] = []
    at = 0
    for i in range(count):
        if again[i] and i:
            said = texts[source[i]].split(" ")
            texts.append(" ".join([[*said[:-1], "changed"], said[:-1], said][change[i]]))
        else:
            texts.append(" ".join(words[at : at + lengths[i]]))
            at += lengths[i]
    return texts


def truenorth(texts: list[str]) -> int:
    from truenorth.synth.dedupe import duplicates

    return duplicates(texts).count("")


def rensa(texts: list[str]) -> int:
    """128 hashes, 32 bands of 4, the first of each pair stays; candidates are verified by estimated similarity."""
    from rensa import RMinHash, RMinHashLSH

    index, made, kept = RMinHashLSH(threshold=0.8, num_perm=128, num_bands=32), {}, 0
    for i, text in enumerate(texts):
        said = text.lower().split()
        one = RMinHash(num_perm=128, seed=42)
        one.update([" ".join(pair) for pair in pairwise(said)])
        if all(one.jaccard(made[k]) < 0.8 for k in index.query(one)):
            index.insert(i, one)
            made[i] = one
            kept += 1
    return kept


def datasketch(texts: list[str]) -> int:
    """128 hashes, bands by its own choice for 0.8."""
    from datasketch import MinHash, MinHashLSH

    index, kept = MinHashLSH(threshold=0.8, num_perm=128), 0
    for i, text in enumerate(texts):
        said = text.lower().split()
        one = MinHash(num_perm=128)
        one.update_batch([" ".join(pair).encode() for pair in pairwise(said)])
        if not index.query(one):
            index.insert(i, one)
            kept += 1
    return kept


SIDES: dict[str, Callable[[list[str]], int]] = {
    "truenorth": truenorth,
    "rensa": rensa,
    "datasketch": datasketch,
}


def side(name: str, count: int) -> dict[str, float | int | str]:
    """One side, in this process."""
    texts = made_texts(count)
    SIDES[name](texts[:100])  # imports
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    kept = SIDES[name](texts)
    return {
        "side": name,
        "texts": count,
        "kept": kept,
        "cpu_s": round(time.process_time() - cpu, 2),
        "wall_s": round(time.perf_counter() - wall, 2),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "texts_mib": round(before / 1024),
        "load": round(os.getloadavg()[0], 1),
    }


def plain_greedy(x_ND: np.ndarray, k: int, first: int) -> list[int]:
    """One matrix-vector product a pick, in the vectors' own type, as coreset code does it."""
    norm_N = np.einsum("nd,nd->n", x_ND, x_ND)
    far_N = norm_N - 2 * (x_ND @ x_ND[first]) + norm_N[first]
    far_N[first] = -1
    picks = [first]
    while len(picks) < k:
        row = int(far_N.argmax())
        picks.append(row)
        np.minimum(far_N, norm_N - 2 * (x_ND @ x_ND[row]) + norm_N[row], out=far_N)
        far_N[row] = -1
    return picks


def clouds(kind: str, count: int, width: int = 384) -> np.ndarray:
    rng = np.random.default_rng(0)
    if kind == "texts":
        from truenorth.synth.embed import ngrams

        return ngrams(made_texts(count), size=width)
    x_ND = rng.normal(size=(count, width))
    if kind == "500 clusters":
        x_ND = rng.normal(size=(500, width))[rng.integers(0, 500, count)] + 0.5 * x_ND
        x_ND /= np.linalg.norm(x_ND, axis=1, keepdims=True)
    return x_ND.astype(np.float32)


def centres(count: int, k: int) -> list[dict[str, float | int | str]]:
    from truenorth.synth.diverse import k_centre

    found = []
    for kind in ("one cloud", "500 clusters", "texts"):
        x_ND = clouds(kind, count)
        k_centre(x_ND[:1000], 10)
        start = time.process_time()
        ours = k_centre(x_ND, k).picks
        middle = time.process_time()
        theirs = plain_greedy(x_ND, k, ours[0])
        end = time.process_time()
        exact = plain_greedy(x_ND.astype(np.float64), k, ours[0])
        found.append(
            {
                "case": f"{kind}, {count} x {x_ND.shape[1]}, {k} picks",
                "truenorth_s": round(middle - start, 2),
                "plain_s": round(end - middle, 2),
                "ratio": round((end - middle) / (middle - start), 1),
                "picks as plain in float64": ours == exact,
                "picks as plain in float32": ours == theirs,
                "load": round(os.getloadavg()[0], 1),
            }
        )
        print(found[-1], flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--peers", nargs="*", default=None, help="rensa datasketch")
    parser.add_argument("--python", default=sys.executable, help="of the peers")
    parser.add_argument("--centres", action="store_true", help="k-centre instead")
    parser.add_argument("--picks", type=int, default=1000)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        print(json.dumps(side(args.side, args.texts)))
        return
    if args.centres:
        print(json.dumps(centres(args.texts, args.picks)))
        return
    peers = args.peers if args.peers is not None else ["rensa", "datasketch"] if args.texts <= 100_000 else []
    found = []
    for name in ["truenorth", *peers]:
        python = sys.executable if name == "truenorth" else args.python
        command = [python, __file__, "--side", name, "--texts", str(args.texts)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{name}: {done.stderr.strip().splitlines()[-1]}")
            continue
        found.append(json.loads(done.stdout.splitlines()[-1]))
        print(found[-1], flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
