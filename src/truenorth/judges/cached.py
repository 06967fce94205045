"""A judge that remembers its verdicts by who judged, how it asked, and what: a swapped judge reuses nothing.

What identifies a judge is read from the judge itself: its kind and settings, all code of its own package that it
can reach (the words of its prompts, how they are put together and how replies are read), the files that its checks
name, and its model: a local one by the bytes of its weights and its tokenizer's template, an endpoint by address,
name and settings.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

from truenorth.base import UserError, content_hash
from truenorth.judges._prompts import plain_key
from truenorth.judges._reach import code_of
from truenorth.judges.protocol import Judge
from truenorth.models.reply_cache import ReplyCache
from truenorth.records import Group, Judgement


class CachedJudge:
    """Judges through a file of verdicts. `hits` and `asked` count completions.

    A judge whose verdict depends on one answer alone (its class says `alone = True`) is remembered answer by
    answer, any other by whole groups. What got no answer is not kept: it is asked again next time.

    Raises:
        UserError: the judge has a part that cannot be told from another; give it an `identity`.
    """

    alone: ClassVar[bool] = False

    def __init__(self, judge: Judge, path: str | Path):
        self.judge_, self.identity = judge, identity_of(judge)
        self.name = judge.name
        self._cache = ReplyCache(path)
        self.hits = self.asked = 0

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]:
        """One judgement per completion, from the file or from the judge."""
        alone = getattr(self.judge_, "alone", False)
        pieces = [Group(g.prompt, [c]) for g in groups for c in g.completions] if alone else list(groups)
        keys = [self._key(piece) for piece in pieces]
        known = {k: v for k in dict.fromkeys(keys) if (v := self._get(k)) is not None}
        missing = {k: p for k, p in zip(keys, pieces) if k not in known}
        self.hits += sum(len(p.completions) for k, p in zip(keys, pieces) if k in known)
        self.asked += sum(len(p.completions) for p in missing.values())
        if missing:
            fresh = self.judge_.judge(list(missing.values()))
            for k, made in zip(missing, fresh, strict=True):
                known[k] = made
                if all(j.score is not None for j in made):
                    self._cache.put(k, json.dumps([_to_json(j) for j in made]).encode())
        found = iter([j for k in keys for j in known[k]])
        return [[next(found) for _ in g.completions] for g in groups]

    def close(self) -> None:
        """Close the file."""
        self._cache.close()

    def __enter__(self) -> CachedJudge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _key(self, piece: Group) -> str:
        return content_hash([self.identity, plain_key(piece.prompt), list(piece.completions)], 32)

    def _get(self, key: str) -> list[Judgement] | None:
        kept = self._cache.get(key)
        return None if kept is None else [_of_json(j) for j in json.loads(kept)]


def identity_of(judge: object) -> str:
    """A hash that differs wherever two judges could judge differently.

    Raises:
        UserError: a part of it has no content that could be compared.
    """
    return content_hash(_plain(judge, type(judge).__name__), 32)


def _plain(value: Any, where: str) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(given := getattr(value, "identity", None), str):
        return {"identity": given}
    if isinstance(value, Path):
        return _file(value)
    if isinstance(value, Mapping):
        return [[str(k), _plain(v, f"{where}.{k}")] for k, v in value.items()]
    if isinstance(value, (set, frozenset)):
        return sorted(json.dumps(_plain(v, where)) for v in value)
    if isinstance(value, partial):
        parts = [_plain(part, where) for part in (value.func, value.args, value.keywords)]
        return [*parts, _files_of(value.keywords)]
    if inspect.isfunction(value):
        return [value.__module__, value.__qualname__, _source(value), code_of(value.__module__)]
    if hasattr(value, "module") and hasattr(value, "tokenizer"):
        return ["local", weights_hash(value.module), str(getattr(value.tokenizer, "chat_template", ""))]
    if hasattr(value, "base_url") and hasattr(value, "model"):
        return ["endpoint", value.base_url, value.model, value.api, _plain(value._extra, where)]
    if hasattr(value, "tobytes"):
        return content_hash(
            [str(value.dtype), list(value.shape), hashlib.sha256(value.tobytes()).hexdigest()]
        )
    if is_dataclass(value) and not isinstance(value, type):
        own = [[f.name, _plain(getattr(value, f.name), f"{where}.{f.name}")] for f in fields(value) if f.init]
        return [type(value).__module__, type(value).__qualname__, _code_of_kind(type(value)), own]
    if isinstance(value, (list, tuple)):
        return [_plain(v, f"{where}[{i}]") for i, v in enumerate(value)]
    what = f"{where}: a {type(value).__name__} has no content to compare"
    raise UserError(what, where="cached judge", fix="give it an attribute `identity` that says what it is")


def _code_of_kind(kind: type) -> list[str]:
    """Of a class and of those that it inherits from: its prompts, and how it reads replies."""
    return [code_of(base.__module__) for base in kind.__mro__ if base is not object]


def _file(path: Path) -> list[str]:
    """A path, and what stands there: a rewritten file is another one."""
    return [str(path), hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""]


def _files_of(settings: Mapping[str, Any]) -> list[list[str]]:
    """The files that a check's settings name, in the folder that it was given."""
    folder = settings.get("folder")
    if folder is None:
        return []
    named = [Path(folder, v) for k, v in settings.items() if k != "folder" and isinstance(v, str) and v]
    return [_file(path) for path in named if path.is_file()]


def weights_hash(module: Any) -> str:
    """A hash of a torch module's parameters and buffers, by name, type and bytes."""
    import torch

    made = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(module.state_dict().items()):
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        made.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        made.update(flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b"")
    return made.hexdigest()


def _source(function: Any) -> str:
    try:
        return content_hash(inspect.getsource(function))
    except OSError:
        return function.__code__.co_code.hex()


def _to_json(j: Judgement) -> list[Any]:
    return [*j[:5], [_to_json(part) for part in j.parts]]


def _of_json(row: list[Any]) -> Judgement:
    score, judge, principle, reason, raw, parts = row
    return Judgement(score, judge, principle, reason, raw, tuple(_of_json(part) for part in parts))
