"""Personal data out of rows, behind stand-ins that only the holder of a key can take back.

The same text gets the same stand-in in every row, so that who is who survives. What stands for what is in the key
file and nowhere else: without it nothing in the data leads back, not even by guessing, for stand-ins come from a
keyed hash (HMAC-SHA256). Whoever has the key has the personal data: keep it apart, and delete it to make the
scrubbing final.
"""

from __future__ import annotations

import json
import os
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from truenorth.base import UserError, write_json
from truenorth.synth.personal import KINDS, TRACES, Kind, find_personal, number_of

ATTEMPTS = 10_000


@dataclass
class Key:
    """The salt, and what each stand-in stands for, by kind. `counts`: replacements made, by kind."""

    salt: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    real: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)
    counts: Counter[str] = field(default_factory=Counter)
    _known: dict[tuple[str, str], str] = field(default_factory=dict, repr=False)

    def stand_in(self, kind: Kind, text: str) -> str:
        """The stand-in of a text, always the same, and of no other text.

        Raises:
            UserError: a kind with few possible stand-ins (IPv4: 131,072) has none left.
        """
        if (kind.name, text) not in self._known:
            taken = self.real.setdefault(kind.name, {})
            for attempt in range(ATTEMPTS):
                made = kind.fake(text, number_of(self.salt, kind.name, text, attempt))
                if taken.get(made, text) == text and made != text:
                    break
            else:
                raise UserError(
                    f"no stand-in left for another {kind.name}", where="scrub", fix="use a key a part"
                )
            taken[made] = text
            self._known[kind.name, text] = made
        return self._known[kind.name, text]

    def meaning(self, made: str) -> str | None:
        """What a stand-in stands for; None if it is none of this key's."""
        return next((said[made] for said in self.real.values() if made in said), None)

    @classmethod
    def load(cls, path: str | Path) -> Key:
        """The key of a file.

        Raises:
            UserError: not readable, or not a key.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
            salt, real = data["salt"], data["real"]
            bytes.fromhex(salt)
            known = {(kind, text): made for kind, entries in real.items() for made, text in entries.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            why = f"no {error}" if isinstance(error, KeyError) else getattr(error, "strerror", None) or error
            what = f"cannot read the key ({why})"
            raise UserError(what, where=str(path), expected="a file that `scrub` wrote") from error
        return cls(salt, real, _known=known)

    def save(self, path: str | Path) -> Path:
        """Write the key, readable by its owner only."""
        path = write_json(path, {"salt": self.salt, "real": self.real})
        os.chmod(path, 0o600)
        return path


def scrub(text: str, key: Key, kinds: Sequence[Kind] = KINDS) -> str:
    """The text with stand-ins. `restore` of it, with the same key and kinds, is the text again."""
    named = {kind.name: kind for kind in kinds}
    made, at = [], 0
    for found in find_personal(text, kinds):
        made += [text[at : found.start], key.stand_in(named[found.kind], found.text)]
        at = found.end
        key.counts[found.kind] += 1
    return "".join([*made, text[at:]])


def restore(text: str, key: Key) -> str:
    """The text with what its stand-ins stand for; each is replaced once, so that nothing real is mistaken."""
    made, at, start = [], 0, 0
    while match := TRACES.search(text, start):
        real = key.meaning(match[0])
        start = match.start() + 1 if real is None else match.end()
        if real is not None:
            made += [text[at : match.start()], real]
            at = match.end()
    return "".join([*made, text[at:]])


def each_text(value: Any, change: Callable[[str], str]) -> Any:
    """Plain data with every text in it changed; names of fields, and roles, stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, (list, tuple)):
        return [each_text(item, change) for item in value]
    if isinstance(value, Mapping):
        return {name: v if name == "role" else each_text(v, change) for name, v in value.items()}
    return value
