"""The main job on a model of one's own: what it reads, who judges, what it refuses, and what it reports."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from servers import Behaviour, serving
from truenorth.base import UserError
from truenorth.cli.main import main
from truenorth.constitution import load
from truenorth.models.glance import glance
from truenorth.recipes.forecast import flops_a_second
from truenorth.recipes.overrides import with_overrides
from truenorth.recipes.own_prompts import part_of, read_prompts
from truenorth.recipes.own_roles import Means, roles
from truenorth.recipes.settings import Settings
from truenorth.recipes.signals import answer
from truenorth.recipes.training import tokens
from truenorth.records import Completion, Row, Source, prompt_text

PLACES = ["harbour", "market", "island", "ferry", "lighthouse", "capital", "boat", "net", "mast", "sail"]
POLICY = """
name: policy
version: "1"
principles:
  - id: short-e
    statement: The answer has an e in it.
    kind: value
    guidance: Use the letter e.
    checks: [{require: {answer: e}}]
    measured_by: classifier:moods.jsonl
"""
JUDGED = """
name: judged
version: "1"
principles:
  - id: calm
    statement: The answer is calm.
    kind: value
"""
SMALL = [
    "--set",
    "samples=4",
    "--set",
    "max_tokens=8",
    "--set",
    "cut=true",
    "--set",
    "steps=4",
    "--set",
    "batch=4",
]
SMALL += ["--set", "evaluations=2", "--set", "items=12", "--quiet"]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a constitution, prompts, labelled sentences and no key in the environment."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "judged.yaml").write_text(JUDGED)
    rows = [{"prompt": f"What of the {place} and number {n}?"} for place in PLACES for n in range(12)]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    moods = [
        {"text": f"the {w} is {'good' if i % 2 else 'bad'}", "label": i % 2} for i, w in enumerate(PLACES * 8)
    ]
    (tmp_path / "moods.jsonl").write_text("".join(json.dumps(row) + "\n" for row in moods))
    return tmp_path


def align(
    desk: Path,
    model: Path | str,
    *more: str,
    constitution: str = "policy.yaml",
    prompts: str = "prompts.jsonl",
) -> int:
    words = ["align", "--model", str(model), "--constitution", str(desk / constitution)]
    return main([*words, "--prompts", str(desk / prompts), "--out", str(desk / "run"), *SMALL, *more])


def report_of(desk: Path) -> dict[str, Any]:
    return json.loads((desk / "run" / "report.json").read_text())


def calm(text: str) -> str:
    """A judge's reply: a whole score from 1 to 5 that depends on the answer."""
    answer = re.search(r"ANSWER>>\n(.*?)\n<<", text, re.DOTALL)
    assert answer, text
    score = 1 + sum(answer[1].encode()) % 5
    return json.dumps({"score": score, "principle": "calm", "reason": "sounds like it"})


# prompts


def test_no_prompt_is_in_two_parts_and_duplicates_are_counted(tmp_path, tiny_llama):
    lines = [f"Tell me about boat {i}." for i in range(200)] + [
        "tell me  about BOAT 3.",
        "",
        "Tell me about boat 4.",
    ]
    (tmp_path / "p.txt").write_text("\n".join(lines))
    split = read_prompts(tmp_path / "p.txt", glance(tiny_llama(template="none")), max_tokens=8)
    parts = [{prompt_text(row.data["prompt"]) for row in part} for part in split[:3]]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 200
    assert split.dropped == {"duplicates": 2}  # the blank line is no prompt
    assert 120 <= len(parts[0]) <= 160  # about 70 %: 140, and four standard deviations of a binomial are 26


def test_more_prompts_in_the_file_move_none_to_another_part():
    rng = random.Random(0)
    clusters = [str(rng.random()) for _ in range(3000)]
    shares = [sum(part_of(c) == part for c in clusters) / 3000 for part in ("train", "watched", "test")]
    assert shares == pytest.approx([0.7, 0.1, 0.2], abs=0.03)
    assert [part_of(c) for c in clusters[:50]] == [part_of(c) for c in clusters][:50]


def test_prompts_of_one_cluster_stay_together(tmp_path, tiny_llama):
    rows = [{"prompt": f"Page {i} of story {i // 4}", "cluster": f"story {i // 4}"} for i in range(400)]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    split = read_prompts(tmp_path / "p.jsonl", glance(tiny_llama(template="none")), max_tokens=8)
    parts = [{row.data["cluster"] for row in part} for part in split[:3]]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 100


@pytest.mark.parametrize(("template", "kind"), [("none", str), ("chatml", list)])
def test_a_model_gets_messages_if_it_has_a_template_else_text_to_go_on_with(desk, tiny_llama, template, kind):
    split = read_prompts(desk / "prompts.jsonl", glance(tiny_llama(template=template)), max_tokens=8)
    assert all(isinstance(row.data["prompt"], kind) for row in split.train)


def test_prompts_longer_than_the_context_are_counted(tmp_path, tiny_llama):
    lines = [f"Tell me about boat {i}." for i in range(200)] + ["word " * 300, "other " * 300]
    (tmp_path / "p.txt").write_text("\n".join(lines))
    split = read_prompts(tmp_path / "p.txt", glance(tiny_llama()), max_tokens=8)
    assert split.dropped == {"too long for the context": 2}


# who judges


def test_what_trains_does_not_measure_where_anything_else_can(desk):
    policy, judged = load(desk / "policy.yaml"), load(desk / "judged.yaml")
    assert roles(policy, Means())["short-e"] == ("checks", "classifier", "moods.jsonl")
    assert roles(judged, Means(judge="a"))["calm"] == ("judge", "itself", "")
    assert roles(judged, Means(judge="a", measure="b"))["calm"] == ("judge", "measure", "b")
    bare = load_text(desk, POLICY.replace("    measured_by: classifier:moods.jsonl\n", ""))
    assert roles(bare, Means())["short-e"] == ("checks", "itself", "")
    assert roles(bare, Means(judge="a"))["short-e"] == ("checks", "judge", "a")


def load_text(desk: Path, text: str):
    (desk / "other.yaml").write_text(text)
    return load(desk / "other.yaml", allow_code=True)


def test_a_measure_in_code_runs_only_where_it_is_allowed(desk):
    text = POLICY.replace("classifier:moods.jsonl", "house_checks:calm")
    (desk / "house_checks.py").write_text("def calm(prompt, text, /):\n    return 1.0\n")
    (desk / "code.yaml").write_text(text)
    with pytest.raises(UserError, match="--allow-code"):
        load(desk / "code.yaml")
    with pytest.raises(UserError, match="allow-code"):
        roles(load_text(desk, text), Means())
    assert roles(load_text(desk, text), Means(allow_code=True))["short-e"].measures == "code"


def test_settings_from_words_have_the_type_of_the_field():
    made = with_overrides(Settings(), ["lr=1e-5", "steps=7", "cut=true", "objective=dpo"])
    assert (made.lr, made.steps, made.cut, made.objective) == (1e-5, 7, True, "dpo")


# answers that go on with a text


class Writer:
    """A model that goes on with a text: its first answer is cut, its second has an end."""

    name = "writer"

    def sample(self, prompts, n=1, **settings):
        both = [Completion(" Tim lived in a", finish="length"), Completion(" Tim lived.")]
        return [both[:n] for _ in prompts]


def test_answers_to_plain_text_keep_the_space_they_begin_with_and_cut_ones_are_marked():
    rows = [Row({"prompt": "Once there was Tim."}, Source("test"))]
    lost: Counter[str] = Counter()
    for keep, expected in (
        (True, {" Tim lived in a": True, " Tim lived.": False}),
        (False, {" Tim lived.": None}),
    ):
        settings = Settings(samples=2, guided=0, cut=keep)
        found = answer(Writer(), rows, {}, settings, tick=None, count=lambda k, n: lost.update({k: n}))
        assert {row.data["completion"]: row.data.get("cut") for row in found} == expected
    assert lost == {"answers length": 1}


class Repeater:
    """A model that says the same twice, and then nothing."""

    name = "repeater"

    def sample(self, prompts, n=1, **settings):
        said = ["In the harbour.", "In the harbour.", "", " \n"]
        return [[Completion(text, finish="stop") for text in said[:n]] for _ in prompts]


def test_answers_that_repeat_stand_once_with_how_often_and_empty_ones_are_counted():
    rows = [Row({"prompt": f"Where is boat {i}?"}, Source("test")) for i in range(3)]
    lost: Counter[str] = Counter()
    settings = Settings(samples=4, guided=0)
    found = answer(Repeater(), rows, {}, settings, tick=None, count=lambda k, n: lost.update({k: n}))
    assert [(r.data["completion"], r.data["times"]) for r in found] == [("In the harbour.", 2)] * 3
    assert lost == {"answers empty": 6}  # two of each prompt's four


def test_a_cut_answer_has_no_end_to_learn(tiny_llama):
    from truenorth.models.local import LocalModel

    model = LocalModel.load(tiny_llama(template="none"))
    row = {"prompt": "The ferry", "chosen": " leaves", "rejected": " opens"}
    rows = [Row({**row, "cut_chosen": cut, "cut_rejected": False}, Source("test")) for cut in (True, False)]
    cut, whole = tokens(model, rows, "chosen")
    assert [*cut.completion, model.tokenizer.eos_token_id] == whole.completion
    assert all(p.completion[-1] == model.tokenizer.eos_token_id for p in tokens(model, rows, "rejected"))


# refused before work


def edit(desk: Path, name: str, text: str) -> None:
    (desk / name).write_text(text)


@pytest.mark.parametrize(
    ("spoil", "more", "says"),
    [
        (lambda d: edit(d, "prompts.jsonl", ""), [], "the file is empty"),
        (
            lambda d: edit(d, "prompts.jsonl", '{"question": "Who?"}\n'),
            [],
            "columns question; expected a column prompt",
        ),
        (lambda d: edit(d, "prompts.jsonl", '{"prompt": "Who?"}\n' * 300), [], "1 prompts leave"),
        (lambda d: edit(d, "prompts.jsonl", '{"prompt": 7}\n' * 300), [], "row 1: a prompt of type int"),
        (lambda d: (d / "prompts.jsonl").unlink(), [], "no such file"),
        (lambda d: None, ["--set", "learning_rate=1"], "no setting 'learning_rate'"),
        (lambda d: None, ["--set", "stepz=1"], "did you mean steps?"),
        (lambda d: None, ["--set", "lr=fast"], "'fast' is not a number"),
        (lambda d: None, ["--set", "lr=nan"], "out of range"),
        (lambda d: None, ["--set", "max_tokens=250"], "every prompt is too long"),
        (lambda d: None, ["--judge", "openai:m"], "no address of the endpoint"),
        (lambda d: None, ["--judge", "m", "--base-url", "https://h/v1"], "'m' names no judge"),
        (lambda d: None, ["--judge", "openai:m", "--base-url", "http://example.org/v1"], "is not encrypted"),
        (
            lambda d: None,
            ["--judge", "openai:m", "--measure", "openai:m", "--base-url", "https://h/v1"],
            "would measure what it trained",
        ),
        (lambda d: edit(d, "policy.yaml", JUDGED), [], "nothing can judge calm"),
        (lambda d: (d / "moods.jsonl").unlink(), [], "give the folder of such files with --data"),
        (lambda d: edit(d, "moods.jsonl", '{"text": "good", "label": 1}\n'), [], "1 labelled texts"),
        (lambda d: edit(d, "policy.yaml", POLICY.replace("answer: e", "anser: e")), [], "anser"),
    ],
)
def test_bad_input_is_one_message_and_nothing_is_written(desk, tiny_llama, capsys, spoil, more, says):
    spoil(desk)
    assert align(desk, tiny_llama(template="none"), *more) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.startswith("truenorth: ")
    assert "Traceback" not in said
    assert not (desk / "run").exists()


def test_a_missing_or_truncated_model_is_one_message(desk, tiny_llama, tmp_path, capsys):
    assert align(desk, tmp_path / "nowhere") == 2
    assert "no such model folder" in capsys.readouterr().err
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in tiny_llama(template="none").iterdir():
        data = file.read_bytes()
        (broken / file.name).write_bytes(data[: len(data) // 2] if file.suffix == ".safetensors" else data)
    assert align(desk, broken) == 2
    assert "truncated or damaged weights" in capsys.readouterr().err


def test_labels_too_few_to_fit_are_refused(desk, tiny_llama, capsys):
    (desk / "labels.jsonl").write_text('{"prompt": "a", "completion": "b", "label": true}\n')
    assert align(desk, tiny_llama(), "--labels", str(desk / "labels.jsonl"), constitution="judged.yaml") == 2
    assert "1 labels, 1 of them good" in capsys.readouterr().err


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(desk, tiny_llama, capsys):
    assert align(desk, tiny_llama(template="none"), "--dry-run", "--lora", "4") == 0
    said = capsys.readouterr().out
    for words in (
        "short-e: trained by its checks, measured by a classifier moods.jsonl",
        "adapters of rank 4",
        "GiB",
    ):
        assert words in said
    assert not (desk / "run").exists()


def test_a_dry_run_counts_the_answers_that_opinions_and_guidance_add(desk, tiny_llama, capsys):
    rows = [{"prompt": f"I think the {p} is at {n}. Where is it at {n}?"} for p in PLACES for n in range(12)]
    edit(desk, "prompts.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert align(desk, tiny_llama(), "--dry-run") == 0
    said = capsys.readouterr().out
    assert (
        "4 to each prompt, 1 more under the guidance of each principle that has some (1), 8 more to each of "
        in said
    )
    trained = re.search(r"(\d+) train", said)
    assert trained
    assert f"8 more to each of {trained[1]} without the user's opinion" in said


# the whole job


def test_the_whole_job_on_a_model_that_continues_text(desk, tiny_llama):
    rows = [json.loads(line) for line in (desk / "prompts.jsonl").read_text().splitlines()]
    text = "".join(json.dumps({**row, "completion": " The ferry leaves at noon."}) + "\n" for row in rows)
    (desk / "prompts.jsonl").write_text(text)
    status = align(desk, tiny_llama(template="none"), "--set", "lr=1e-3")
    report = report_of(desk)
    assert status == (0 if report["verdict"]["passed"] else 1)
    assert report["principles"]["short-e"]["measured_by"] == "classifier:moods.jsonl"
    assert report["principles"]["short-e"]["paired"]["n"] == 12
    assert set(report["drift"]) == {"length", "truncated", "repeated_4", "distinct_2", "human_text"}
    assert report["kl"]["unit"] == "nats per answer"
    weights = (desk / "run" / "model" / "model.safetensors").read_bytes()
    assert (
        align(desk, tiny_llama(template="none"), "--set", "lr=1e-3") == status
    )  # resumed: nothing is done again
    assert report_of(desk)["principles"] == report["principles"]
    assert (desk / "run" / "model" / "model.safetensors").read_bytes() == weights


def test_lora_saves_an_adapter_and_a_template_without_system_turn_is_reported(desk, tiny_llama):
    from truenorth.models.local import LocalModel

    base = tiny_llama(template="drops_system")
    align(desk, base, "--lora", "2", "--set", "lr=5e-2")
    assert (desk / "run" / "model" / "adapter_model.safetensors").exists()
    assert not (desk / "run" / "model" / "model.safetensors").exists()
    assert any("no place for a system turn" in note for note in report_of(desk)["notes"])
    pair = [([{"role": "user", "content": "Who?"}], "The ferry.")]
    both = [LocalModel.load(base, adapter=a).logprobs(pair)[0].total for a in (None, desk / "run" / "model")]
    assert both[0] != both[1]


def test_a_loss_that_is_not_finite_ends_the_job_with_one_message(desk, tiny_llama, capsys):
    assert align(desk, tiny_llama(template="none"), "--set", "lr=1e30", "--set", "steps=30") == 2
    assert "not finite" in capsys.readouterr().err


def test_a_principle_measured_by_what_trained_it_gets_no_verdict(desk, tiny_llama):
    text = POLICY.replace("    measured_by: classifier:moods.jsonl\n", "").strip()
    (desk / "policy.md").write_text(f"---\n{text}\n---\n")  # Markdown with front matter is a constitution too
    words = ("--set", "lr=1e-2", "--constitution", str(desk / "policy.md"))
    assert align(desk, tiny_llama(template="none"), *words) == 1
    assert (
        load(desk / "run" / "constitution.md").hash == load(desk / "policy.md").hash
    )  # `why` reads the copy
    report = report_of(desk)
    assert report["verdict"]["passed"] is None
    assert "No verdict" in report["verdict"]["sentence"]
    assert report["principles"]["short-e"]["measured_by"].endswith("which trained")


# endpoints


def test_a_misbehaving_endpoint_loses_nothing_and_everything_is_counted(desk, tiny_llama):
    faults = ("429", "500", "slow", "cut", "malformed", "empty")
    server = Behaviour(fault_rate=0.15, faults=faults, refusal_rate=0.05, slow_s=0.1, says=calm)
    with serving(server) as url:
        align(
            desk,
            tiny_llama(template="none"),
            "--judge",
            "openai:m",
            "--base-url",
            url,
            constitution="judged.yaml",
        )
    report = report_of(desk)
    lost = report["losses"]
    assert lost["verdicts without an answer"] == 0 or lost["verdicts missing: refusals"] > 0
    assert lost.get("verdicts missing: errors", 0) == 0  # every fault was mended
    met = sum(server.counts[f] for f in ("429", "500", "cut", "malformed", "empty"))
    told = sum(n for name, n in lost.items() if name.startswith("requests ") and name != "requests retries")
    assert met == told > 0
    assert lost["requests retries"] == met
    assert f"{server.counts['requests']:,} requests" in report["tables"][-1]["caption"]


def test_too_many_losses_are_exit_status_3_and_a_second_start_asks_only_for_the_rest(
    desk, tiny_llama, capsys
):
    server = Behaviour(refusal_rate=0.6, says=calm)
    options = ["--judge", "openai:m", "--base-url"]
    with serving(server) as url:
        words = [*options, url]
        assert align(desk, tiny_llama(template="none"), *words, constitution="judged.yaml") == 3
        said = capsys.readouterr().err
        assert "verdicts are missing" in said
        assert "refusals" in said
        assert len(said.strip().splitlines()) == 1
        asked = server.counts["requests"]
        assert (
            align(
                desk, tiny_llama(template="none"), *words, "--max-losses", "0.9", constitution="judged.yaml"
            )
            == 1
        )
    kept = report_of(desk)["tables"][-1]["caption"]
    assert (
        f"{asked} from the cache" in kept
        or int(re.search(r"([\d,]+) from the cache", kept)[1].replace(",", "")) >= asked
    )


def test_max_requests_is_respected(desk, tiny_llama, capsys):
    server = Behaviour(says=calm)
    with serving(server) as url:
        words = ["--judge", "openai:m", "--base-url", url, "--max-requests", "50"]
        assert align(desk, tiny_llama(template="none"), *words, constitution="judged.yaml") == 3
    assert server.counts["requests"] == 50
    assert "--max-requests" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("says", "status", "message"),
    [
        (lambda text: '{"score": 3, "reason": "fine"}', 2, "the same score, 0.50, for all"),
        (lambda text: "I would rather not say.", 3, "verdicts are missing"),
    ],
)
def test_a_judge_that_says_nothing_or_always_the_same_is_one_message(
    desk, tiny_llama, capsys, says, status, message
):
    with serving(Behaviour(says=says)) as url:
        words = ["--judge", "openai:m", "--base-url", url]
        assert align(desk, tiny_llama(template="none"), *words, constitution="judged.yaml") == status
    said = capsys.readouterr().err
    assert message in said
    assert len(said.strip().splitlines()) == 1


def test_the_speed_of_a_core_is_tried_once_a_process_so_that_plans_agree_with_themselves():
    assert flops_a_second() == flops_a_second()


# measuring alone


@pytest.fixture
def questions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": f"Where is the {place}?"} for place in PLACES[:4]] + [{"prompt": "far " * 999}]
    Path("questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("policy.yaml").write_text(
        POLICY.replace("measured_by: classifier:moods.jsonl", "measured_by: check:require")
    )
    Path("judged.yaml").write_text(JUDGED)


def test_measuring_wants_no_hundred_prompts_and_says_what_was_left_out(questions, tiny_llama, capsys):
    words = ["measure", "--model", str(tiny_llama()), "--constitution", "policy.yaml", "--quiet"]
    assert main([*words, "--prompts", "questions.jsonl", "--out", "m"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert re.search(r"short-e \S+ \S+ to \S+ 4 0", said)
    assert "The prompts of questions.jsonl" in said
    assert "Left out: 1 too long for the context." in said


def test_a_dry_run_of_measuring_counts_prompts_and_writes_nothing(questions, tiny_llama, capsys):
    words = ["measure", "--model", str(tiny_llama()), "--constitution", "policy.yaml", "--out", "m"]
    assert main([*words, "--prompts", "questions.jsonl", "--dry-run"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "short-e: 4 prompts, measured by checks" in said
    assert "would write m" in said
    assert not Path("m").exists()
    assert main([*words, "--prompts", "questions.jsonl", "--against", "./nowhere", "--dry-run"]) == 2
    assert "no such model folder" in capsys.readouterr().err


def test_a_principle_without_checks_is_measured_by_an_endpoint_and_refused_without_one(
    questions, tiny_llama, capsys
):
    words = ["measure", "--model", str(tiny_llama()), "--constitution", "judged.yaml", "--quiet"]
    words += ["--prompts", "questions.jsonl", "--out", "m"]
    assert main(words) == 2
    assert (
        "nothing can measure calm; expected checks or `measured_by: classifier:FILE`"
        in capsys.readouterr().err
    )
    assert main([*words, "--measure", "openai:m"]) == 2
    assert "no address of the endpoint; --measure-url" in capsys.readouterr().err
    with serving(Behaviour(says=lambda prompt: '{"score": 4, "principle": "calm", "reason": "x"}')) as url:
        assert main([*words, "--measure", "openai:m", "--measure-url", url]) == 0
    assert re.search(r"calm +0.750 +\S+ to \S+ +4 +0", capsys.readouterr().out)  # (4 - 1) / (5 - 1)
