"""Merging 3 models of 400 MB and of 1 GB: `truenorth merge` beside mergekit 0.1.5, each as a whole process.

    python benchmarks/merge_vs_mergekit.py --peer PYTHON [--sizes 400 1000] [--methods linear ties dare_ties]

PYTHON is the interpreter of an environment with mergekit 0.1.5 (it need not be this one); without it only this
side runs. Sides take turns. The limit is a process that reads the inputs and writes the result's bytes, and
nothing else, with the same block size and threads. Wall and CPU seconds, peak memory; the last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

SIZES = {400: (10, 768, 2048, 32000), 1000: (14, 1024, 2816, 48000)}  # MB: layers, width, inner, vocabulary
SETTINGS = {
    "linear": "{weight: 0.4}",
    "task_arithmetic": "{weight: 0.4}",
    "slerp": "{}",
    "ties": "{weight: 0.5, density: 0.5}",
    "dare_ties": "{weight: 0.5, density: 0.5}",
    "dare_linear": "{weight: 0.5, density: 0.5}",
}
COPY = """
import os, sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
out, *files = sys.argv[1:]
handles = [os.open(f, os.O_RDONLY) for f in files]
size, block = os.fstat(handles[0]).st_size, 1 << 19
target = os.open(out, os.O_WRONLY | os.O_CREAT)
os.truncate(target, size)
def move(start):
    buffer = np.empty(min(block, size - start), np.uint8)
    for handle in handles:
        os.preadv(handle, [buffer], start)
    os.pwrite(target, buffer, start)
with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
    list(pool.map(move, range(0, size, block)))
os.fsync(target)
"""


def model(folder: Path, seed: int, layers: int, width: int, inner: int, vocab: int) -> Path:
    """A Llama with random float32 weights, drawn around the same base for every seed."""
    from safetensors.numpy import save_file

    sides = {"q": (width, width), "k": (width, width), "v": (width, width), "o": (width, width)}
    shapes = {"model.embed_tokens.weight": (vocab, width), "model.norm.weight": (width,)}
    for i in range(layers):
        layer = f"model.layers.{i}."
        shapes |= {f"{layer}self_attn.{name}_proj.weight": shape for name, shape in sides.items()}
        shapes |= {f"{layer}mlp.{name}_proj.weight": (inner, width) for name in ("gate", "up")}
        shapes |= {f"{layer}mlp.down_proj.weight": (width, inner)}
        shapes |= {f"{layer}{name}_layernorm.weight": (width,) for name in ("input", "post_attention")}
    tensors = {}
    for i, (name, shape) in enumerate(shapes.items()):
        tensors[name] = np.random.default_rng(i).standard_normal(shape, dtype=np.float32) * np.float32(0.02)
        if seed:
            own = np.random.default_rng(1000 * seed + i).standard_normal(shape, dtype=np.float32)
            tensors[name] += own * np.float32(0.001)
    folder.mkdir(parents=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": width, "vocab_size": vocab,
        "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": 8,
        "num_key_value_heads": 8, "tie_word_embeddings": True, "dtype": "float32",
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def configuration(method: str, folder: Path) -> Path:
    """The YAML of a merge, as both sides read it."""
    count = 2 if method == "slerp" else 3
    based = method != "linear"
    lines = [f"merge_method: {method}", *([f"base_model: {folder / 'm0'}"] if based else []), "models:"]
    first = 1 if based else 0
    lines += [
        f"  - {{model: {folder / f'm{i}'}, parameters: {SETTINGS[method]}}}" for i in range(first, count)
    ]
    lines += ["parameters: {t: 0.4}"] if method == "slerp" else []
    file = folder / f"{method}.yaml"
    file.write_text("\n".join(lines) + "\n")
    return file


def timed(command: list[str], out: Path) -> dict[str, float]:
    """One process: wall and CPU seconds, peak memory in MB."""
    shutil.rmtree(out, ignore_errors=True)
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, used = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    assert child.stderr
    if status:
        raise SystemExit(f"{command[:4]} failed: {child.stderr.read().decode()[-2000:]}")
    child.stderr.close()
    child.returncode = 0
    shutil.rmtree(out, ignore_errors=True)
    return {"wall_s": wall, "cpu_s": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024}


def commands(config: Path, out: Path, files: list[str], peer: str | None) -> dict[str, list[str]]:
    """What each side runs: ours, the copy that nothing is faster than, and mergekit where it is there."""
    cli = str(Path(sys.executable).with_name("truenorth"))
    found = {
        "truenorth": [cli, "merge", str(config), str(out), "--quiet"],
        "limit": [sys.executable, "-c", COPY, str(out.with_name("copied")), *files],
    }
    if peer:
        flags = ["--no-copy-tokenizer", "--no-write-model-card", "--quiet"]
        found["mergekit"] = [peer, "-m", "mergekit.scripts.run_yaml", str(config), str(out), *flags]
    return found


def made(root: Path, size: int) -> list[str]:
    """Three models' files. Each is made in a process of its own: a child's peak counts what its parent held."""
    for i in range(3):
        make = [sys.executable, __file__, "--make", str(root / f"m{i}"), str(i), str(size)]
        subprocess.run(make, check=True)
    return [str(root / f"m{i}" / "model.safetensors") for i in range(3)]


def compared(method: str, size: int, root: Path, files: list[str], options: Any) -> dict[str, object]:
    """One method at one size, the sides in turn."""
    out = root / "out"
    sides = commands(configuration(method, root), out, files, options.peer)
    runs: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    for _ in range(options.rounds):
        for side, command in sides.items():
            runs[side].append(timed(command, out))
            (root / "copied").unlink(missing_ok=True)
    return summary(method, size, runs)


def main() -> None:
    """A line for each method and size, and one JSON line of all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", help="the Python of an environment with mergekit 0.1.5")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), choices=SIZES)
    parser.add_argument("--methods", nargs="+", default=["linear", "ties", "dare_ties"], choices=SETTINGS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to put models (default: a temporary folder)")
    parser.add_argument("--make", nargs=3, metavar=("FOLDER", "SEED", "SIZE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.make:
        model(Path(args.make[0]), int(args.make[1]), *SIZES[int(args.make[2])])
        return
    lines = []
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for size in args.sizes:
            root = Path(folder) / str(size)
            files = made(root, size)
            for method in args.methods:
                lines.append(compared(method, size, root, files, args))
                print(json.dumps(lines[-1]), flush=True)
            shutil.rmtree(root)
    machine = {
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"case": "merge_vs_mergekit", **machine, "script_mb": own, "rows": lines}))


def summary(method: str, size: int, runs: dict[str, list[dict[str, float]]]) -> dict[str, object]:
    """The least of each number, and the ratios of the least."""
    best = {side: {key: min(run[key] for run in found) for key in found[0]} for side, found in runs.items()}
    line: dict[str, object] = {"method": method, "mb": size}
    for side, found in best.items():
        line |= {f"{side}_{key}": round(value, 2) for key, value in found.items()}
    line["of_limit"] = round(best["limit"]["wall_s"] / best["truenorth"]["wall_s"], 2)
    if "mergekit" in best:
        for key in ("wall_s", "cpu_s", "peak_mb"):
            line[f"ratio_{key}"] = round(best["mergekit"][key] / best["truenorth"][key], 2)
    return line


if __name__ == "__main__":
    main()
