"""The HTTP model against a real server on loopback that misbehaves."""

from __future__ import annotations

import math
import socket
import subprocess
import sys
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from servers import FAULTS, Behaviour, answer_of, is_refused, serving
from truenorth.base import UserError
from truenorth.models import HttpModel, Model

PROMPTS = [f"question number {i}" for i in range(120)]
KEY = "sk-very-secret-1234"


def model(url: str, **settings: object) -> HttpModel:
    return HttpModel(url, "m", **{"backoff_s": 0.01, "timeout_s": 2.0, **settings})  # type: ignore[arg-type]


def test_answers_come_in_the_order_asked_and_settings_arrive() -> None:
    behaviour = Behaviour(keep=True, delay_s=0.001)
    ticks: list[int] = []
    with serving(behaviour) as url:
        asked = model(url, extra={"service_tier": "flex"})
        answers = asked.sample(PROMPTS, 2, max_tokens=7, temperature=0.5, stop=["\n"], tick=ticks.append)
    assert isinstance(asked, Model)
    assert [[c.text for c in row] for row in answers] == [[answer_of(p)] * 2 for p in PROMPTS]
    assert sum(ticks) == len(PROMPTS)
    body = behaviour.bodies[0]
    assert (body["max_tokens"], body["temperature"], body["stop"]) == (7, 0.5, ["\n"])
    assert body["service_tier"] == "flex"
    seeds = {(b["messages"][0]["content"], b["seed"]) for b in behaviour.bodies}
    assert len(seeds) == 2 * len(PROMPTS)  # a seed of its own for each answer
    assert asked.usage.tokens_in == asked.usage.tokens_out == 2 * 3 * len(PROMPTS)


def test_half_a_character_in_an_answer_is_kept(tmp_path: Path) -> None:
    half = "cut \ud83d here"
    behaviour = Behaviour(keep=True, says=lambda prompt: half)
    with serving(behaviour) as url:
        for _ in range(2):
            [[answer]] = model(url, cache=tmp_path / "replies").sample(["Why?"])
            assert answer.text == half
    assert len(behaviour.bodies) == 1  # the second time from disk


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_mended_and_counted(fault: str) -> None:
    behaviour = Behaviour(seed=1, fault_rate=0.3, faults=(fault,), slow_s=0.5)
    with serving(behaviour) as url:
        asked = model(url, timeout_s=0.2 if fault == "slow" else 2.0, retries=12, in_flight=16)
        answers = asked.sample(PROMPTS[:30])
    assert [row[0].text for row in answers] == [answer_of(p) for p in PROMPTS[:30]]
    assert asked.usage.retries == behaviour.counts[fault] > 0
    assert sum(asked.usage.by_kind.values()) == asked.usage.retries
    kinds = {"429": "rate_limited", "429_plain": "rate_limited", "500": "server_error", "slow": "timeout"}
    kinds |= {"cut": "connection", "no_choices": "empty", "empty": "empty"}
    assert set(asked.usage.by_kind) == {kinds.get(fault, "malformed")}


def test_under_all_faults_at_once_nothing_is_lost_and_everything_is_counted() -> None:
    behaviour = Behaviour(seed=2, fault_rate=0.4, refusal_rate=0.1, slow_s=0.9)
    with serving(behaviour) as url:
        asked = model(url, timeout_s=0.6, retries=3)
        answers = [row[0] for row in asked.sample(PROMPTS)]
    refused = [is_refused(p, 0.1) for p in PROMPTS]
    assert len(answers) == len(PROMPTS)
    assert 0 < sum(refused) < len(PROMPTS)
    for prompt, answer, no in zip(PROMPTS, answers, refused):
        if answer.finish == "error":
            assert answer.text == ""
            assert answer.error
        elif no:
            assert (answer.finish, answer.text) == ("refusal", "I will not.")
        else:
            assert (answer.finish, answer.text) == ("stop", answer_of(prompt))
    usage = asked.usage
    errors = sum(a.finish == "error" for a in answers)
    assert errors == usage.errors > 0  # three retries are not always enough at this rate
    assert usage.answered + usage.errors == len(PROMPTS)
    assert usage.requests == usage.answered + sum(usage.by_kind.values())
    # on a busy machine a request may time out before it reaches the server
    assert usage.requests - usage.by_kind["timeout"] <= behaviour.counts["requests"] <= usage.requests
    assert usage.retries == usage.requests - len(PROMPTS)
    assert usage.refusals == sum(a.finish == "refusal" for a in answers)


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_honoured(as_date: bool) -> None:
    wait = formatdate(time.time() + 2, usegmt=True) if as_date else "0.4"
    behaviour = Behaviour(fault_rate=1.0, faults=("429",), retry_after=wait)
    with serving(behaviour) as url:
        start = time.monotonic()
        answer = model(url, retries=1).sample(["a"])[0][0]
        seconds = time.monotonic() - start
    assert answer.finish == "error"
    assert "rate_limited" in answer.error
    assert 0.4 <= seconds < 5


def test_an_endpoint_that_asks_to_wait_for_an_hour_is_given_up_at_once() -> None:
    with serving(Behaviour(fault_rate=1.0, faults=("429",), retry_after="3600")) as url:
        answer = model(url).sample(["a"])[0][0]
    assert answer.finish == "error"


def test_a_spent_budget_stops_the_asking_and_says_so() -> None:
    behaviour = Behaviour()
    with serving(behaviour) as url:
        asked = model(url, max_requests=20)
        answers = [row[0] for row in asked.sample(PROMPTS[:50])]
        again = asked.sample(["one more"])[0][0]
    assert behaviour.counts["requests"] == 20
    assert sum(a.finish == "stop" for a in answers) == 20
    assert all("budget of 20 requests" in a.error for a in [*answers, again] if a.finish == "error")
    assert asked.usage.by_kind["budget_spent"] == 31


def test_an_endpoint_that_is_not_there_is_one_clear_error() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(UserError, match="cannot be reached"):
        model(url).sample(PROMPTS)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refused_key_or_unknown_model_ends_the_job_with_one_message(status: int) -> None:
    behaviour = Behaviour(fatal_status=status)
    with serving(behaviour) as url, pytest.raises(UserError, match=f"HTTP {status}"):
        model(url).sample(PROMPTS)


def test_a_bad_request_is_an_error_of_its_row_and_not_retried() -> None:
    behaviour = Behaviour(fatal_status=400)
    with serving(behaviour) as url:
        asked = model(url)
        answers = asked.sample(["a", "b"])
    assert [row[0].finish for row in answers] == ["error", "error"]
    assert behaviour.counts["requests"] == 2
    assert asked.usage.by_kind == {"rejected": 2}


def test_the_key_is_sent_and_shown_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Behaviour(key=KEY)) as url:
        asked = model(url, key=KEY, cache=tmp_path / "replies.db")
        assert asked.sample(["a"])[0][0].text == "A"
        asked.close()
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        assert model(url).sample(["a"])[0][0].text == "A"
    with serving(Behaviour(key="another")) as url, pytest.raises(UserError) as caught:
        model(url, key=KEY).sample(["a"])  # this server says the key back
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    for shown in (repr(asked), repr(asked.__dict__), str(caught.value), stored.decode("latin1")):
        assert KEY not in shown
    assert "***" in str(caught.value)


def test_a_second_run_asks_only_for_what_the_cache_does_not_hold(tmp_path: Path) -> None:
    behaviour = Behaviour(refusal_rate=0.2)
    with serving(behaviour) as url:
        first = model(url, cache=tmp_path / "replies.db", max_requests=30)
        before = first.sample(PROMPTS[:50])
        first.close()
        second = model(url, cache=tmp_path / "replies.db")
        after = second.sample(PROMPTS[:50])
        other = second.sample(PROMPTS[:1], temperature=0.3)
        second.close()
    assert second.usage.cached == 30
    assert (
        behaviour.counts["requests"] == 51
    )  # the errors were not kept; another temperature is another question
    assert [b[0] for b in before if b[0].finish != "error"] == [
        a[0] for a, b in zip(after, before) if b[0].finish != "error"
    ]
    assert all(a[0].finish in ("stop", "refusal") for a in [*after, *other])


def test_a_killed_job_keeps_the_replies_it_had(tmp_path: Path) -> None:
    behaviour = Behaviour(delay_s=0.02)
    job = (
        "import sys; from truenorth.models import HttpModel\n"
        "m = HttpModel(sys.argv[1], 'm', in_flight=4, cache=sys.argv[2])\n"
        "m.sample([f'question number {i}' for i in range(2000)], tick=lambda k: print('.', flush=True))\n"
    )
    with serving(behaviour) as url:
        command = [sys.executable, "-c", job, url, str(tmp_path / "replies.db")]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        for _ in range(40):
            child.stdout.readline()
        child.kill()
        child.wait()
        child.stdout.close()
        asked = model(url, cache=tmp_path / "replies.db")
        asked.sample(PROMPTS[:40])
        asked.close()
    assert asked.usage.cached >= 36  # the first forty, but for what was in flight


def test_a_cache_that_is_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, but long enough to look at, " * 50)
    with pytest.raises(UserError, match="cache of replies"):
        HttpModel("http://127.0.0.1:1/v1", "m", cache=tmp_path / "notes.txt")


def test_a_prompt_is_ticked_when_its_last_answer_came() -> None:
    ticks: list[int] = []
    with serving(Behaviour()) as url:
        model(url).sample(["a", "b"], 3, tick=ticks.append)
        model(url).answer_logprobs(["a"], ["Yes"], tick=ticks.append)
    assert ticks == [1, 1, 1]


def test_verdicts_are_asked_for_as_one_token_with_its_likeliest_rivals() -> None:
    behaviour = Behaviour(keep=True)
    with serving(behaviour) as url:
        for api in ("chat", "completions"):
            model(url, api=api, max_tokens_field="most").answer_logprobs(["a"], ["Yes"])
    keys = ("most", "temperature", "logprobs", "top_logprobs")
    assert [[b.get(k) for k in keys] for b in behaviour.bodies] == [[1, 0, True, 20], [1, 0, 20, None]]


@pytest.mark.parametrize("api", ["chat", "completions"])
def test_one_token_verdicts_are_read_from_top_logprobs(api: str) -> None:
    with serving(Behaviour()) as url:
        told = model(url, api=api).answer_logprobs(["is it so?"], ["Yes", "No", "Perhaps"])
        nothing = model(url, api=api).answer_logprobs(["is it so?"], ["Perhaps"])
    # "Yes" and " Yes" are one answer: log(exp(-0.5) + exp(-2)).
    assert told[0] == pytest.approx({"Yes": math.log(math.exp(-0.5) + math.exp(-2.0)), "No": -1.5})
    assert nothing == [None]


def test_an_endpoint_without_logprobs_is_told_apart_from_one_that_fails() -> None:
    with serving(Behaviour(logprobs=False)) as url, pytest.raises(UserError, match="no log-probabilities"):
        model(url).answer_logprobs(["a"], ["Yes"])
    with serving(Behaviour(fault_rate=1.0, faults=("500",))) as url:
        assert model(url, retries=1).answer_logprobs(["a"], ["Yes"]) == [None]


def test_echoed_logprobs_are_those_of_the_completion_only() -> None:
    with serving(Behaviour()) as url:
        scored = model(url, api="completions").logprobs([("one two", " three four")])[0]
        with pytest.raises(UserError, match="api='completions'"):
            model(url).logprobs([("one", " two")])
    assert scored.tokens == (-5.0, -4.0)
    assert scored.total == -9.0


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("http://example.com/v1", False),
        ("ftp://localhost/v1", False),
        ("localhost:8000", False),
        ("https://user:word@example.com/v1", False),
        ("http://127.evil.com/v1", False),
        ("https://example.com/v1", True),
        ("http://localhost:8000/v1", True),
        ("http://[::1]:8000/v1", True),
    ],
)
def test_only_encrypted_or_local_addresses_are_allowed(url: str, fine: bool) -> None:
    if fine:
        HttpModel(url, "m")
        return
    with pytest.raises(UserError):
        HttpModel(url, "m")


def test_an_insecure_address_needs_permission() -> None:
    assert HttpModel("http://10.0.0.5:8000/v1", "m", allow_insecure=True).name == "m@10.0.0.5:8000"


def test_it_works_inside_a_running_event_loop() -> None:
    import asyncio

    async def notebook(url: str) -> str:
        return model(url).sample(["a"])[0][0].text

    with serving(Behaviour()) as url:
        assert asyncio.run(notebook(url)) == "A"
