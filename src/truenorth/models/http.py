"""Any OpenAI-compatible endpoint as a Model. Failures are values: counted, and never an empty answer."""

from __future__ import annotations

import copy
import ipaddress
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from truenorth.base import UserError, content_hash, json_text, seed_of
from truenorth.models.protocol import Tick
from truenorth.models.replies import (
    PATHS,
    Api,
    Reply,
    body,
    completion,
    echoed_logprobs,
    first_token_logprobs,
    option_logprobs,
)
from truenorth.models.reply_cache import ReplyCache
from truenorth.records import Completion, Prompt, Scored, prompt_text

if TYPE_CHECKING:
    from truenorth.models.transport import Failure, Policy, Usage

T = TypeVar("T")


class HttpModel:
    """A Model behind an HTTP endpoint. `usage` counts requests, retries, faults by kind, and tokens."""

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        key: str | None = None,
        api: Api = "chat",
        in_flight: int = 64,
        retries: int = 8,
        timeout_s: float = 120.0,
        backoff_s: float = 0.5,
        max_requests: int | None = None,
        cache: str | Path | None = None,
        extra: Mapping[str, Any] | None = None,
        max_tokens_field: str = "max_tokens",
        allow_insecure: bool = False,
    ):
        """
        Args:
            base_url: as a rule ends in /v1 (/chat/completions follows). https, or http on this machine.
            key: default the environment's OPENAI_API_KEY.
            api: "chat", or "completions" for base models.
            retries: further attempts at a request that met a rate limit, a server error, a timeout, a cut
                connection or an unreadable reply.
            timeout_s: for one attempt.
            backoff_s: before the first retry; doubles each time up to 30 s.
            max_requests: most requests in the life of this object, retries included; more rows are errors.
            cache: a file in which replies are kept, so that a killed job resumes without asking again.
            extra: further fields of each request.
            max_tokens_field: "max_completion_tokens" for OpenAI's reasoning models.
            allow_insecure: send prompts and key over plain http to another machine.

        Raises:
            UserError: an address that is not allowed, or a setting out of range.
        """
        from truenorth.models.transport import Endpoint, Policy, Usage

        _check_url(base_url, allow_insecure=allow_insecure)
        for field, value in (("in_flight", in_flight), ("timeout_s", timeout_s), ("backoff_s", backoff_s)):
            if value <= 0:
                raise UserError(f"{field} is {value}", where="HttpModel", expected="more than 0")
        self.base_url, self.model, self.api = base_url.rstrip("/"), model, api
        self.name = f"{model}@{urlsplit(base_url).netloc}"
        self.usage: Usage = Usage()
        self.policy: Policy = Policy(in_flight, retries, timeout_s, backoff_s, max_requests=max_requests)
        self._endpoint = Endpoint(self.base_url + PATHS[api], key or os.environ.get("OPENAI_API_KEY") or None)
        self._cache = ReplyCache(cache) if cache is not None else None
        self._extra, self._max_tokens_field = dict(extra or {}), max_tokens_field

    def __repr__(self) -> str:
        return f"HttpModel({self.base_url!r}, {self.model!r}, api={self.api!r})"

    def asking(self, **fields: Any) -> HttpModel:
        """The same endpoint with further fields of each request, such as `response_format`; usage, limits and
        cache are shared."""
        other = copy.copy(self)
        other._extra = {**self._extra, **fields}
        return other

    def close(self) -> None:
        """Close the cache."""
        if self._cache is not None:
            self._cache.close()

    def sample(
        self,
        prompts: Sequence[Prompt],
        n: int = 1,
        *,
        max_tokens: int = 64,
        temperature: float = 1.0,
        top_p: float = 1.0,
        seed: int = 0,
        stop: Sequence[str] = (),
        tick: Tick | None = None,
    ) -> list[list[Completion]]:
        """`n` completions of each prompt, in the order asked, one request each.

        What could not be had is a Completion with finish "error" that says why; a refusal's is "refusal".
        """
        settings: dict[str, Any] = {
            self._max_tokens_field: max_tokens,
            "temperature": temperature,
            "top_p": top_p,
        }
        if stop:
            settings["stop"] = list(stop)
        bodies = [
            self._body(prompt, settings | {"seed": seed_of(seed, prompt_text(prompt), k) % 2**31})
            for prompt in prompts
            for k in range(n)
        ]
        results = self._ask(bodies, completion, tick=tick, group=n, seed=seed)
        answers = [
            Completion("", finish="error", error=f"{r.kind}: {r.what}")
            if not isinstance(r, Completion)
            else r
            for r in results
        ]
        self.usage.refusals += sum(answer.finish == "refusal" for answer in answers)
        return [answers[i : i + n] for i in range(0, len(answers), n)]

    def answer_logprobs(
        self, prompts: Sequence[Prompt], options: Sequence[str], *, tick: Tick | None = None
    ) -> list[dict[str, float] | None]:
        """For each prompt, log-probabilities (nats) of the options as the first token of the answer.

        Options not among the endpoint's likeliest tokens are left out. None: none was, or no answer came.

        Raises:
            UserError: the endpoint serves no log-probabilities.
        """
        settings: dict[str, Any] = {self._max_tokens_field: 1, "temperature": 0}
        settings |= {"logprobs": True, "top_logprobs": 20} if self.api == "chat" else {"logprobs": 20}

        def read(reply: Reply) -> dict[str, float] | None:
            tokens = first_token_logprobs(reply)
            if tokens is None:
                raise UserError("the endpoint serves no log-probabilities", where=self.name)
            return option_logprobs(tokens, options)

        results = self._ask([self._body(prompt, settings) for prompt in prompts], read, tick=tick, group=1)
        return [result if isinstance(result, dict) else None for result in results]

    def logprobs(self, pairs: Sequence[tuple[Prompt, str]], *, tick: Tick | None = None) -> list[Scored]:
        """Log-probabilities (nats) of completions of plain-text prompts, by `echo` of the completions API.

        Raises:
            UserError: the endpoint cannot do this, a prompt is a chat, or an answer did not come.
        """
        if self.api != "completions" or any(not isinstance(prompt, str) for prompt, _ in pairs):
            raise UserError(
                "log-probabilities of given answers need api='completions' and plain-text prompts",
                where=self.name,
                fix="use a local model, or answer_logprobs for one-token verdicts",
            )
        settings = {self._max_tokens_field: 0, "echo": True, "logprobs": 1, "temperature": 0}
        scored: list[Scored] = []
        texts = [(prompt_text(prompt), text) for prompt, text in pairs]
        bodies = [self._body(prompt + text, settings) for prompt, text in texts]
        replies = self._ask(bodies, _whole, tick=tick, group=1)
        for (prompt, _), reply in zip(texts, replies):
            if not isinstance(reply, Reply):
                raise UserError(f"no log-probabilities came ({reply.what})", where=self.name)
            tokens = echoed_logprobs(reply, prompt)
            if tokens is None:
                raise UserError("the endpoint does not echo log-probabilities", where=self.name)
            scored.append(Scored(sum(tokens), tokens))
        return scored

    def _body(self, prompt: Prompt, settings: Mapping[str, Any]) -> dict[str, Any]:
        return body(self.api, self.model, prompt, {**settings, **self._extra})

    def _ask(
        self,
        bodies: Sequence[dict[str, Any]],
        read: Callable[[Reply], T],
        *,
        tick: Tick | None,
        group: int,
        seed: int = 0,
    ) -> list[T | Failure]:
        """Every body's result, in order: from the cache, or from the endpoint."""
        from truenorth.models.transport import Failure, ask_all, run

        results: list[Any] = [None] * len(bodies)
        left = [group] * -(-len(bodies) // group)

        def finished(i: int, result: Any) -> None:
            results[i] = result
            left[i // group] -= 1
            if tick is not None and left[i // group] == 0:
                tick(1)

        keys = [content_hash([self._endpoint.url, b], 32) for b in bodies] if self._cache else []
        missing = []
        for i in range(len(bodies)):
            kept = self._cache.get(keys[i]) if self._cache else None
            if kept is None:
                missing.append(i)
            else:
                self.usage.cached += 1
                finished(i, read(_stored(kept)))

        def read_and_keep(reply: Reply) -> tuple[Reply, T]:
            return reply, read(reply)

        def done(number: int, result: tuple[Reply, T] | Failure) -> None:
            if isinstance(result, Failure):
                finished(missing[number], result)
                return
            if self._cache:
                self._cache.put(keys[missing[number]], _to_store(result[0]))
            finished(missing[number], result[1])

        if missing:
            wanted = [bodies[i] for i in missing]
            run(
                ask_all(
                    self._endpoint,
                    wanted,
                    read_and_keep,
                    policy=self.policy,
                    usage=self.usage,
                    done=done,
                    seed=seed,
                )
            )
        return results


def _whole(reply: Reply) -> Reply:
    return reply


def _to_store(reply: Reply) -> bytes:
    return json_text([reply.choice, reply.tokens_in, reply.tokens_out]).encode()


def _stored(data: bytes) -> Reply:
    import json

    return Reply(*json.loads(data))


def _check_url(url: str, *, allow_insecure: bool) -> None:
    parts = urlsplit(url)
    expected = "https://..., or http:// on this machine"
    if parts.username or parts.password:
        raise UserError("a password in the address", where="base_url", fix="pass key= instead")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"{url!r} is not an address", where="base_url", expected=expected)
    if parts.scheme == "http" and not allow_insecure and not _is_loopback(parts.hostname):
        fix = "use https (from Python, allow_insecure=True sends prompts and key in the clear)"
        raise UserError(f"{url!r} is not encrypted", where="base_url", expected=expected, fix=fix)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
