"""The plan and the stream: what is checked before a weight is read, what is written, what survives a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from edit_models import CONFIG, loaded, models, save, shapes, weights
from safetensors.torch import load_file, save_file

from truenorth.base import UserError
from truenorth.cli.main import main
from truenorth.edit import apply, make_plan, merge, parse, read_config, running
from truenorth.edit.arrays import narrow, rounded, widen
from truenorth.edit.method import method as method_of
from truenorth.edit.storage import header, layout


def config(method: str, paths, *, base: bool = False, top: str = "", **settings) -> str:
    lines = [f"merge_method: {method}", *([f"base_model: {paths[0]}"] if base else []), top, "models:"]
    for path in paths[1 if base else 0 :]:
        lines.append(f"  - {{model: {path}, parameters: {json.dumps(settings)}}}")
    return "\n".join(lines)


def made(text: str, out: Path, **how) -> dict[str, np.ndarray]:
    most = how.pop("max_shard_size", "5GB")
    return loaded(merge(make_plan(parse(text), max_shard_size=most), out, **how))


@pytest.mark.parametrize(
    "method", ["ties", "dare_ties", "della", "breadcrumbs", "slerp", "sce", "tsvm", "nuslerp"]
)
@pytest.mark.parametrize("threads", [1, 3])
def test_small_blocks_and_threads_change_nothing(method: str, threads: int, tmp_path: Path, monkeypatch):
    """A block of 8 elements cuts rows and tensors anywhere; the method on whole arrays is the measure."""
    monkeypatch.setattr(running, "BLOCK", 8)
    count = 2 if method == "slerp" else 3
    paths = models(tmp_path, count)
    settings = {"t": 0.3} if method == "slerp" else {"weight": 0.5}
    settings |= {"density": 0.5} if "density" in method_of(method).settings else {}
    top = f"parameters: {json.dumps(settings)}" if method not in ("sce", "tsvm") else ""
    out = made(config(method, paths, base=True, top=top), tmp_path / "out", threads=threads, seed=3)
    held = [weights(i) for i in range(count)]
    given = settings if top else {}
    for name, tensor in out.items():
        plain = apply(method, [h[name] for h in held[1:]], held[0][name], seed=3, parameter=name, **given)
        np.testing.assert_allclose(tensor, plain, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("method", ["dare_ties", "della"])
def test_random_bits_are_drawn_once_for_each_change(method: str, tmp_path: Path, monkeypatch):
    """Rescaling looks at a whole tensor before it merges it, and remembers which changes it saw staying."""
    drawn = []
    plain = running.noise_of

    def counting(*args, **named):
        drawn.append(args[4])
        return plain(*args, **named)

    monkeypatch.setattr(running, "noise_of", counting)
    paths = models(tmp_path, 3)
    made(config(method, paths, base=True, weight=0.5, density=0.5), tmp_path / "out", threads=2)
    assert sum(drawn) == 2 * sum(tensor.size for tensor in weights(0).values())


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc only")
def test_memory_that_is_freed_is_kept_for_the_next_array():
    """Fifty arrays of 512 KB, one after another: 6,400 pages to be had anew, or those of the first."""
    code = (
        "import resource, numpy as np\nfrom truenorth.edit.memory import keep_memory\n"
        "def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "def work(): [sum(np.ones(1 << 16) for _ in range(4)) for _ in range(50)]\n"
        "keep_memory(); work(); before = faults(); work(); print(faults() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 500


def test_one_weight_of_one_gives_back_the_file_bit_for_bit(tmp_path: Path):
    paths = models(tmp_path, 2)
    out = made(config("linear", paths[:1], weight=1.0), tmp_path / "out")
    for name, tensor in weights(0).items():
        np.testing.assert_array_equal(out[name], tensor)
    # and transformers' own reader takes the file
    assert set(load_file(tmp_path / "out" / "model.safetensors")) == set(shapes())


def test_a_result_in_several_files_is_the_same_and_transformers_loads_it(tmp_path: Path):
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    paths = models(tmp_path, 3)
    text = config("linear", paths, weight=0.5)
    whole = made(text, tmp_path / "whole")
    parts = made(text, tmp_path / "parts", max_shard_size=600)
    index = json.loads((tmp_path / "parts" / "model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) > 3
    assert all((tmp_path / "parts" / file).stat().st_size < 2000 for file in index["weight_map"].values())
    for name, tensor in whole.items():
        np.testing.assert_array_equal(parts[name], tensor)
    logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "parts")
    np.testing.assert_array_equal(model.model.norm.weight.detach().numpy(), whole["model.norm.weight"])
    again = made(config("linear", [tmp_path / "parts"], weight=1.0), tmp_path / "again")
    np.testing.assert_array_equal(again["model.norm.weight"], whole["model.norm.weight"])


def test_bfloat16_in_and_out_rounds_once(tmp_path: Path):
    """Sums are taken in float32 and rounded at the end; mergekit rounds after every step without dtype."""
    import torch

    paths = []
    for i in range(3):
        short = {n: torch.from_numpy(t).bfloat16() for n, t in weights(i).items()}
        paths.append(save(tmp_path / f"b{i}", {}, dtype="bfloat16"))
        save_file(short, paths[-1] / "model.safetensors")
    merge(make_plan(parse(config("task_arithmetic", paths, base=True, weight=0.3))), tmp_path / "out")
    ours = load_file(tmp_path / "out" / "model.safetensors")
    held = [load_file(path / "model.safetensors") for path in paths]
    for name, tensor in ours.items():
        base, *others = (h[name].float() for h in held)
        plain = base + sum((other - base) * 0.3 for other in others)
        assert tensor.dtype == torch.bfloat16
        torch.testing.assert_close(tensor, plain.bfloat16(), atol=0, rtol=2**-7)
        assert (tensor == plain.bfloat16()).float().mean() > 0.98
    assert json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == "bfloat16"


def test_rounding_is_torchs():
    import torch

    rng = np.random.default_rng(0)
    special = [np.nan, np.inf, -np.inf, 0.0, 65520.0, 3e38, 1 + 2**-9, 1 + 3 * 2**-9]
    values = np.concatenate([rng.standard_normal(5000) * 10.0 ** rng.integers(-30, 30, 5000), special])
    values = values.astype(np.float32)
    theirs = torch.from_numpy(values).bfloat16().view(torch.uint16).numpy()
    ours = narrow(values, "BF16")
    nan = np.isnan(values)
    np.testing.assert_array_equal(ours[~nan], theirs[~nan])
    assert np.isnan(widen(ours[nan], "BF16")).all()
    np.testing.assert_array_equal(narrow(values, "F16"), torch.from_numpy(values).half().numpy())
    assert rounded(np.array([1.001], np.float32), "BF16")[0] == 1.0


def test_dtype_rounds_the_inputs_first(tmp_path: Path):
    paths = models(tmp_path, 2)
    out = made(
        config("linear", paths, weight=0.5, top="dtype: bfloat16\nout_dtype: float32"), tmp_path / "out"
    )
    held = [rounded(weights(i)["model.norm.weight"], "BF16") for i in range(2)]
    np.testing.assert_array_equal(out["model.norm.weight"], (held[0] + held[1]) / 2)


def test_integers_are_copied_and_empty_tensors_pass(tmp_path: Path):
    paths = []
    for i in range(2):
        extra = {
            "steps": np.array([7], np.int64),
            "empty": np.zeros((0, 3), np.float32),
            "one": np.float32([i])[0:1],
        }
        paths.append(save(tmp_path / f"e{i}", weights(i) | extra))
    out = made(config("linear", paths, weight=0.5), tmp_path / "out")
    assert out["steps"] == 7
    assert out["empty"].shape == (0, 3)
    assert out["one"] == 0.5


# What is wrong, and what the message must say.
LINEAR = "merge_method: linear\nparameters: {weight: 1}\nmodels: "
WRONG = {
    "merge_method: tis\nmodels: [{model: m0}]": "line 1, merge_method: unknown name 'tis'.*did you mean ties",
    "merge_method: ties\nmodels: [{model: m0}]": "ties needs a base_model",
    "merge_method: linear": "neither models nor slices",
    "merge_method: linear\nmodel: []": "line 2, model: unknown key 'model'.*did you mean models",
    "merge_method: linear\nmodels:\n - model: m0\n   parameters:\n     wieght: 1": "line 5, .*'wieght'.*weight",
    "merge_method: linear\nmodels:\n - model: m0\n   parameters: {weight: {}}": r"line 4, .*not a filter: \{\}",
    "merge_method: linear\nmodels:\n - model: m0\n   parameters: {weight: much}": "weight is 'much'.*a number",
    "merge_method: linear\nmodels:\n - model: m0": "no weight for m0 at model.embed_tokens.weight",
    "merge_method: linear\ndtype: float12\nmodels: [{model: m0}]": "line 2, dtype: unknown type 'float12'",
    "merge_method: linear\nmodels: [{model: ./nowhere}]": "no such folder",
    "merge_method: linear\nmodels: [{model: bare}]": "no weights",
    "merge_method: linear\nmodels: [{model: cut, parameters: {weight: 1}}]": "truncated",
    "merge_method: linear\nmodels: [{model: m0}\n": "line 3.*not YAML",
    "merge_method: slerp\nbase_model: m0\nmodels: [{model: m1}, {model: m2}]\nparameters: {t: 0.5}": (
        "2 models for slerp; expected 1 besides the base"
    ),
    LINEAR + "[{model: m0}, {model: wide}]": r"m0: \[11, 6\]; wide: \[13, 6\].*tokenizer_source",
    LINEAR + "[{model: m0}, {model: short}]": "short has no tensor model.layers.2",
    LINEAR + "[{model: m0}]\ntokenizer_source: base": "m0 has no tokenizer.json",
    "merge_method: fisher\nmodels: [{model: m0}]": "fisher needs fisher of m0",
    "merge_method: passthrough\nslices:\n - sources: [{model: m0, layer_range: [2, 5]}]": "m0 has no layer",
    "merge_method: passthrough\nslices:\n - sources: [{model: m0, layer_range: [2, 2]}]": "line 3.*not a range",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_said_before_a_weight_is_read(text: str, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    models(tmp_path, 3)
    save(tmp_path / "wide", weights(0, vocab=13))
    save(tmp_path / "short", weights(0, layers=2))
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "config.json").write_text("{}")
    whole = (save(tmp_path / "cut", weights(0)) / "model.safetensors").read_bytes()
    (tmp_path / "cut" / "model.safetensors").write_bytes(whole[:-9])
    monkeypatch.setattr("truenorth.edit.reading.read", lambda *_: pytest.fail("weights were read"))
    with pytest.raises(UserError, match=f"(?s){WRONG[text]}"):
        merge(make_plan(parse(text)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_means_nothing_is_noted(tmp_path: Path):
    paths = models(tmp_path, 2)
    text = config("linear", paths, weight=0.5, density=0.3, top="parameters: {int8_mask: true}")
    notes = " ".join(make_plan(parse(text)).notes)
    assert "density means nothing to linear" in notes
    assert "int8_mask is not needed" in notes


def test_the_command_predicts_then_merges_then_knows_it_is_done(tmp_path: Path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    models(tmp_path, 3)
    (tmp_path / "soup.yaml").write_text(config("linear", ["m0", "m1", "m2"], weight=1))
    assert main(["merge", "soup.yaml", "out", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "3 with" not in told
    assert "in 1 file" in told
    assert not (tmp_path / "out").exists()
    assert main(["merge", "soup.yaml", "out", "--quiet"]) == 0
    before = (tmp_path / "out" / "model.safetensors").stat().st_mtime_ns
    assert main(["merge", "soup.yaml", "out", "--quiet"]) == 0
    assert (tmp_path / "out" / "model.safetensors").stat().st_mtime_ns == before
    (tmp_path / "soup.yaml").write_text(config("linear", ["m0", "m1"], weight=1))
    assert main(["merge", "soup.yaml", "out", "--quiet"]) == 2
    assert "already exists" in capsys.readouterr().err
    recipe = json.loads((tmp_path / "out" / "truenorth_merge.json").read_text())
    assert recipe["models"]["m1"][0][0] == "model.safetensors"
    assert read_config(tmp_path / "soup.yaml").method == "linear"


@pytest.mark.parametrize("at", [1, 4, 6, 13])
def test_a_kill_at_any_write_leaves_finished_files_and_the_same_result(at: int, tmp_path: Path):
    paths = models(tmp_path, 2)
    (tmp_path / "soup.yaml").write_text(config("linear", paths, weight=0.5))
    command = [
        sys.executable,
        "-m",
        "truenorth.cli",
        "merge",
        "soup.yaml",
        "out",
        "--quiet",
        "--max-shard-size",
        "1200",
    ]
    killed = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"TRUENORTH_KILL_AT": str(at)}, check=False
    )
    assert killed.returncode in (-signal.SIGKILL, 0)
    part = tmp_path / "out.part"
    finished = {file: file.stat().st_mtime_ns for file in part.glob("model-*")}
    out = merge(make_plan(read_config(tmp_path / "soup.yaml"), max_shard_size=1200), tmp_path / "out")
    if part.exists():
        pytest.fail("the unfinished folder is still there")
    kept = {part / file.name: file.stat().st_mtime_ns for file in out.glob("model-*.safetensors")}
    assert finished.items() <= kept.items()
    for name, tensor in loaded(out).items():
        np.testing.assert_allclose(tensor, (weights(0)[name] + weights(1)[name]) / 2, atol=1e-6)


def test_another_merge_does_not_go_on_from_an_unfinished_one(tmp_path: Path):
    paths = models(tmp_path, 2)
    part = tmp_path / "out.part"
    part.mkdir()
    (part / "plan.json").write_text("{}")
    (part / "model.safetensors").write_text("of another merge")
    out = made(config("linear", paths, weight=0.5), tmp_path / "out")
    assert out["model.norm.weight"].shape == (6,)


def test_memory_does_not_grow_with_the_model(tmp_path: Path):
    """Peak memory above the interpreter's own, of 3 x 48 MB: under a third of one model for linear and TIES."""
    tensors = {name: np.zeros(shape, np.float32) for name, shape in shapes().items()}
    rng = np.random.default_rng(0)
    paths = []
    for i in range(3):
        big = {"model.layers.0.mlp.up_proj.weight": rng.standard_normal((3000, 4000), dtype=np.float32)}
        paths.append(save(tmp_path / f"big{i}", tensors | big))
    code = (
        "import resource, sys\nfrom truenorth.edit import make_plan, merge, read_config\nimport truenorth.edit.carry\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "plan = make_plan(read_config(sys.argv[1])); before = peak()\n"
        "merge(plan, sys.argv[2], threads=1); print(peak() - before)"
    )
    for method, settings in (("linear", {"weight": 0.5}), ("ties", {"weight": 0.5, "density": 0.5})):
        file = tmp_path / f"{method}.yaml"
        file.write_text(config(method, paths, base=method == "ties", **settings))
        command = [sys.executable, "-c", code, str(file), str(tmp_path / method)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert int(done.stdout) < 16_000, method  # kilobytes


def test_a_head_of_its_own_in_one_model_unties_the_result(tmp_path: Path):
    """The others' head is their embedding. mergekit writes the head and leaves the configuration tied, so that
    transformers throws it away."""
    paths = models(tmp_path, 2)
    head = np.ones((11, 6), np.float32)
    paths.append(save(tmp_path / "untied", weights(2) | {"lm_head.weight": head}, tie_word_embeddings=False))
    out = made(config("linear", paths, weight=1.0), tmp_path / "out")
    mean = (weights(0)["model.embed_tokens.weight"] + weights(1)["model.embed_tokens.weight"] + head) / 3
    np.testing.assert_allclose(out["lm_head.weight"], mean, atol=1e-6)
    assert json.loads((tmp_path / "out" / "config.json").read_text())["tie_word_embeddings"] is False


def test_slices_change_the_number_of_layers_and_what_belongs_to_each(tmp_path: Path):
    paths = models(tmp_path, 3)
    text = (
        f"merge_method: passthrough\nslices:\n - sources: [{{model: {paths[1]}, layer_range: [0, 2]}}]\n"
        f" - sources: [{{model: {paths[2]}, layer_range: [1, 3]}}]\n"
    )
    out = made(text, tmp_path / "out")
    kinds = {"model.embed_tokens.weight": (1, ""), "model.norm.weight": (2, "")}
    for name, (i, _) in kinds.items():
        np.testing.assert_array_equal(out[name], weights(i)[name])
    for layer, (i, own) in enumerate([(1, 0), (1, 1), (2, 1), (2, 2)]):
        name = "model.layers.{}.mlp.up_proj.weight"
        np.testing.assert_array_equal(out[name.format(layer)], weights(i)[name.format(own)])
    assert json.loads((tmp_path / "out" / "config.json").read_text())["num_hidden_layers"] == 4


def test_statistics_come_from_files_beside_the_weights(tmp_path: Path):
    from safetensors.numpy import save_file as save_numpy

    paths = models(tmp_path, 2)
    name = "model.layers.0.mlp.up_proj.weight"
    rng = np.random.default_rng(5)
    grams = [x.T @ x for x in rng.standard_normal((2, 30, 6)).astype(np.float32)]
    lines = ["merge_method: regmean", "models:"]
    for i, path in enumerate(paths):
        save_numpy({name: grams[i]}, tmp_path / f"g{i}.safetensors")
        lines += [f"  - model: {path}", f"    gram: {tmp_path / f'g{i}.safetensors'}"]
    out = made("\n".join(lines), tmp_path / "out")
    held = [weights(i) for i in range(2)]
    np.testing.assert_allclose(out[name], apply("regmean", [h[name] for h in held], gram=grams), atol=1e-6)
    other = "model.norm.weight"
    np.testing.assert_allclose(out[other], (held[0][other] + held[1][other]) / 2, atol=1e-7)


def test_fisher_is_streamed_beside_the_weights(tmp_path: Path, monkeypatch):
    from safetensors.numpy import save_file as save_numpy

    monkeypatch.setattr(running, "BLOCK", 8)
    paths, rng = models(tmp_path, 2), np.random.default_rng(6)
    sharp = [{n: rng.random(s).astype(np.float32) for n, s in shapes().items()} for _ in paths]
    lines = ["merge_method: fisher", "models:"]
    for i, path in enumerate(paths):
        save_numpy(sharp[i], tmp_path / f"f{i}.safetensors")
        lines += [f"  - model: {path}", f"    fisher: {tmp_path / f'f{i}.safetensors'}"]
    out = made("\n".join(lines), tmp_path / "out")
    for name, tensor in out.items():
        (f, g), (a, b) = [s[name] for s in sharp], [weights(i)[name] for i in range(2)]
        np.testing.assert_allclose(tensor, (f * a + g * b) / (f + g), atol=1e-5)


@pytest.mark.parametrize("method", ["linear", "ties", "dare_ties", "della", "karcher", "model_stock", "tsvm"])
def test_a_device_computes_what_numpy_does(method: str, tmp_path: Path):
    """ "cpu:0" is torch on the CPU: the path that CUDA takes."""
    paths = models(tmp_path, 3)
    has = method_of(method)
    settings = {key: 0.5 for key in ("weight", "density") if key in has.settings}
    text = config(method, paths, base=has.base == "required", top=f"parameters: {json.dumps(settings)}")
    plain, on_torch = made(text, tmp_path / "numpy"), made(text, tmp_path / "torch", device="cpu:0")
    for name, tensor in plain.items():
        atol = 1e-4 if method == "tsvm" else 2e-6  # two libraries' singular vectors, in float32
        np.testing.assert_allclose(on_torch[name], tensor, atol=atol)
    with pytest.raises(UserError, match="cannot compute on 'sparrow'"):
        made(text, tmp_path / "no", device="sparrow")


def test_the_layout_is_safetensors_own(tmp_path: Path):
    placed = layout({"a": ("U8", (3,)), "b": ("F32", (2, 2)), "c": ("BF16", (5,))})
    (tmp_path / "x.safetensors").write_bytes(placed.header + bytes(placed.size - len(placed.header)))
    theirs = load_file(tmp_path / "x.safetensors")
    assert {n: tuple(t.shape) for n, t in theirs.items()} == {"a": (3,), "b": (2, 2), "c": (5,)}
    assert header(tmp_path / "x.safetensors")["b"].offset % 4 == 0
    assert CONFIG["num_hidden_layers"] == 3


def test_merging_loads_neither_torch_nor_transformers(tmp_path: Path):
    paths = models(tmp_path, 2)
    (tmp_path / "soup.yaml").write_text(config("linear", paths, weight=1))
    code = (
        "import sys\nfrom truenorth.cli.main import main\n"
        f"main(['merge', {str(tmp_path / 'soup.yaml')!r}, {str(tmp_path / 'out')!r}, '-q'])\n"
        "print(sorted({'torch', 'transformers', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
