"""Going on: an adapter that was loaded, and a reference that was already asked."""

from __future__ import annotations

import copy
import math

import learn_plain as plain
import pytest
import torch

from truenorth.base import UserError
from truenorth.learn import Lora, Task, fit
from truenorth.learn import reference as reference_module
from truenorth.models import LocalModel


def test_a_loaded_adapter_goes_on_learning_and_is_its_own_reference(tiny_llama, tmp_path):
    model = LocalModel.load(tiny_llama())
    draw = plain.pairs(6)
    fit(model, [Task("p", draw, "dpo")], steps=8, lr=0.02, lora=Lora(rank=4)).adapter.save_pretrained(
        tmp_path
    )
    loaded, seen = LocalModel.load(tiny_llama(), adapter=tmp_path), []
    before = {n: p.detach().clone() for n, p in loaded.module.named_parameters()}
    with torch.no_grad():
        was = plain.logps(loaded.module, draw[0].prompt, draw[0].completions[0])
    result = fit(loaded, [Task("p", draw, "dpo")], steps=6, lr=0.02, on_step=seen.append)
    assert seen[0]["p/loss"] == pytest.approx(math.log(2), rel=1e-5)  # compared with the adapter as it was
    moved = [n for n, p in loaded.module.named_parameters() if not torch.equal(p, before[n])]
    assert moved
    assert all("lora_" in n for n in moved)
    with torch.no_grad():
        now = plain.logps(loaded.module, draw[0].prompt, draw[0].completions[0])
        assert float((now - was).abs().max()) > 1e-3
        result.merge()
        merged = plain.logps(loaded.module, draw[0].prompt, draw[0].completions[0])
    torch.testing.assert_close(merged, now, atol=1e-4, rtol=1e-4)
    assert not hasattr(loaded.module, "peft_config")


def test_an_adapter_on_an_adapter_is_refused(tiny_llama, tmp_path):
    model = LocalModel.load(tiny_llama())
    task = Task("p", plain.pairs(4), "dpo")
    fit(model, [task], steps=1, lr=0.02, lora=Lora(rank=2)).adapter.save_pretrained(tmp_path)
    loaded = LocalModel.load(tiny_llama(), adapter=tmp_path)
    with pytest.raises(UserError, match=r"has an adapter already.*lora=None"):
        fit(loaded, [task], steps=1, lr=0.02, lora=Lora(rank=2))


@pytest.mark.parametrize("objective", ["dpo", "kl_anchor", "tdpo1"])
@pytest.mark.parametrize("own", [True, False])
def test_a_reference_that_was_kept_is_not_asked_again(tmp_path, monkeypatch, objective, own):
    asked = []
    for name in ("completion_logps", "completion_rows"):
        whole = getattr(reference_module, name)
        monkeypatch.setattr(
            reference_module, name, lambda f, e, whole=whole: (asked.extend(e), whole(f, e))[1]
        )
    task = Task("p", plain.pairs(5), objective, batch=2)
    other = None if own else plain.policy_of(plain.tiny_llama(3))
    ended = []
    for _ in range(2):
        module = plain.tiny_llama()
        if ended:
            (tmp_path / "fit.pt").unlink()  # all steps again, the reference alone is kept
        fit(plain.policy_of(module), [task], steps=4, lr=0.01, reference=other, checkpoint=tmp_path)
        ended.append(copy.deepcopy(module.state_dict()))
    assert len(asked) == 5
    assert all(torch.equal(ended[0][k], ended[1][k]) for k in ended[0])
    fit(
        plain.policy_of(plain.tiny_llama()),
        [Task("p", plain.pairs(5, seed=1), objective, batch=2)],
        steps=4,
        lr=0.01,
        reference=other,
        checkpoint=tmp_path / "other data",
    )
    assert len(asked) == 10


def test_another_reference_is_another_file(tmp_path):
    task = Task("p", plain.pairs(3), "dpo")
    for i, seed in enumerate((1, 2)):
        other = plain.policy_of(plain.tiny_llama(seed))
        (tmp_path / "fit.pt").unlink(missing_ok=True)
        fit(
            plain.policy_of(plain.tiny_llama()), [task], steps=1, lr=0.0, reference=other, checkpoint=tmp_path
        )
        assert len(list(tmp_path.glob("reference-*.safetensors"))) == i + 1


def test_a_reference_file_that_cannot_be_read_is_one_clear_message(tmp_path):
    task = Task("p", plain.pairs(3), "dpo")
    fit(plain.policy_of(plain.tiny_llama()), [task], steps=1, lr=0.0, checkpoint=tmp_path)
    (file,) = tmp_path.glob("reference-*.safetensors")
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(UserError, match=r"cannot read these.*delete the file"):
        fit(plain.policy_of(plain.tiny_llama()), [task], steps=1, lr=0.0, checkpoint=tmp_path)
