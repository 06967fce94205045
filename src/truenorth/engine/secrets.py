"""Take secrets out of what is written down: settings, command lines, addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

HIDDEN = "[hidden]"
_WORDS = {
    "key",
    "apikey",
    "token",
    "secret",
    "password",
    "passwd",
    "authorization",
    "credential",
    "credentials",
}
_TOKENS = re.compile(r"\b(?:sk|pk|hf|ghp|gho|xox[abp])[-_][A-Za-z0-9_-]{8,}|\bBearer\s+\S+", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=://)[^/@\s]+@")
_QUERY = re.compile(r"([?&](?:[A-Za-z_-]*(?:key|token|secret|password))=)[^&\s]+", re.IGNORECASE)


def redact(value: Any) -> Any:
    """A copy of plain data without secrets: values named like `api_key` or `token`, keys inside text."""
    if isinstance(value, Mapping):
        return {k: HIDDEN if v and is_secret(str(k)) else redact(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact(item) for item in value]
    return _clean(value) if isinstance(value, str) else value


def redact_argv(argv: Sequence[str]) -> list[str]:
    """A command line without secrets: `--api-key X` and `--api-key=X` lose X."""
    shown: list[str] = []
    hide_next = False
    for word in argv:
        option, equals, _ = word.partition("=")
        secret = option.startswith("-") and is_secret(option.lstrip("-"))
        shown.append(HIDDEN if hide_next else f"{option}={HIDDEN}" if secret and equals else _clean(word))
        hide_next = secret and not equals
    return shown


def is_secret(name: str) -> bool:
    """Whether a setting of this name holds a secret: judged by its last word, so `max_tokens` does not."""
    return re.split(r"[-_. ]", name.lower())[-1] in _WORDS


def _clean(text: str) -> str:
    return _QUERY.sub(rf"\1{HIDDEN}", _USERINFO.sub(f"{HIDDEN}@", _TOKENS.sub(HIDDEN, text)))
