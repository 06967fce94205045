"""Personal data in text that has a shape of its own: addresses, numbers, keys; each with a check and a stand-in.

A stand-in keeps the shape, so that a model still learns it, and lies where nothing real is: example.com, the country
code 999, the country ZZ, the card prefix 9999, addresses set aside for documents. Names have no shape: they
are found by a list. Recall is that of the patterns: what they do not describe is not found.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from truenorth.base import UserError


class Kind(NamedTuple):
    """One kind of personal data. `fake(found, number)` is the stand-in of a text for a number below 2^48; `trace`
    finds stand-ins and nothing beside them."""

    name: str
    pattern: re.Pattern[str]
    real: Callable[[str], bool]
    fake: Callable[[str, int], str]
    trace: str


class Found(NamedTuple):
    """Where personal data stands in a text."""

    start: int
    end: int
    kind: str
    text: str


def digits(text: str) -> str:
    """The digits of a text, whatever stands between them."""
    return re.sub(r"\D", "", text)


def luhn(number: str) -> int:
    """The last digit that makes a card number of the digits before it (ISO 7812).

    >>> luhn("7992739871")
    3
    """
    doubled = [int(d) * (2 if i % 2 == 0 else 1) for i, d in enumerate(reversed(number))]
    return -sum(d - 9 if d > 9 else d for d in doubled) % 10


def iban_remainder(text: str) -> int:
    """An IBAN modulo 97 (ISO 7064): 1 if its check digits are right."""
    plain = re.sub(r"\s", "", text).upper()
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97


def is_card(text: str) -> bool:
    """13 to 19 digits (ISO 7812), of which the last is right."""
    plain = digits(text)
    return 13 <= len(plain) <= 19 and luhn(plain[:-1]) == int(plain[-1])


def is_iban(text: str) -> bool:
    """15 to 34 signs (ISO 13616) with the right check digits."""
    return 15 <= len(re.sub(r"\s", "", text)) <= 34 and iban_remainder(text) == 1


def is_address(text: str) -> bool:
    """An IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_phone(text: str) -> bool:
    """7 to 15 digits (E.164), with a leading + or in two groups or more."""
    return 7 <= len(digits(text)) <= 15


def always(text: str) -> bool:
    """For kinds of which the pattern says enough."""
    return True


def refill(found: str, number: int, prefix: str, *, last: Callable[[str], int] | None = None) -> str:
    """The digits of a text replaced, in place, by a prefix and a number; `last`: the check digit."""
    many = len(digits(found)) - (last is not None)
    plain = (prefix + f"{number:015d}"[-(many - len(prefix)) :])[:many]
    plain += str(last(plain)) if last is not None else ""
    left = iter(plain)
    return re.sub(r"\d", lambda _: next(left), found)


def fake_iban(found: str, number: int) -> str:
    """An IBAN of ZZ, which is no country, with right check digits."""
    body = f"{number:015d}"
    return f"ZZ{98 - iban_remainder('ZZ00' + body):02d}{body}"


def fake_address(found: str, number: int) -> str:
    """An address of the same version that nobody has: of 2001:db8::/32 (examples) or 198.18.0.0/15 (benchmarks)."""
    if ":" in found:
        return f"2001:db8::{number >> 32 & 0xFFFF:x}:{number >> 16 & 0xFFFF:x}:{number & 0xFFFF:x}"
    return str(ipaddress.IPv4Address((198 << 24 | 18 << 16) + number % (1 << 17)))


# In the order of claims: what two kinds describe belongs to the first.
KINDS: tuple[Kind, ...] = (
    Kind(
        "email",
        re.compile(r"(?<![\w.+-])[\w.+-]+@(?:[^\W_](?:[\w-]*[^\W_])?\.)+[^\W\d_]{2,}(?![\w@])"),
        always,
        lambda found, number: f"user{number:012x}@example.com",
        r"user[0-9a-f]{12}@example\.com",
    ),
    Kind(
        "key",
        re.compile(r"(?<![\w-])(?:(?:sk|pk|hf|ghp|gho|xox[abp])[-_]|AKIA)[A-Za-z0-9_-]{8,}(?![\w-])"),
        always,
        lambda found, number: f"sk-removed{number:012x}",
        r"sk-removed[0-9a-f]{12}",
    ),
    Kind(
        "iban",
        re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b"),
        is_iban,
        fake_iban,
        r"ZZ\d{17}",
    ),
    Kind(
        "card",
        re.compile(r"(?<![\w.+-])\d(?:[ -]?\d){12,18}(?![\w-])"),
        is_card,
        lambda found, number: refill(found, number, "9999", last=luhn),
        r"9(?:[ -]?9){3}(?:[ -]?\d){9,15}(?![\w-])",
    ),
    Kind(
        "ssn",
        re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])"),
        always,
        lambda found, number: refill(found, number, "000"),
        r"000-\d\d-\d{4}",
    ),
    Kind(
        "ip",
        re.compile(
            r"(?:(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}|(?<![\w.:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})"
            r"(?![\w:]|\.\d)"
        ),
        is_address,
        fake_address,
        r"198\.1[89]\.\d{1,3}\.\d{1,3}|2001:db8:(?::[0-9a-f]{1,4}){3}",
    ),
    Kind(
        "phone",
        re.compile(
            r"(?<![\w.+-])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,14}(?:[ .-]\d{1,5}){0,6}"
            r"|\(\d{2,4}\)[ .-]?\d{3,4}[ .-]\d{3,4}|\d{3}[ .-]\d{3}[ .-]\d{4})(?![\w-]|\.\d)"
        ),
        is_phone,
        lambda found, number: f"+999 {number % 10**12:012d}",
        r"\+999 \d{12}",
    ),
)
NAME = r"Person-[0-9a-f]{12}"  # the stand-in of a listed name
TRACES = re.compile(rf"(?<!\w)(?:{'|'.join([*(kind.trace for kind in KINDS), NAME])})(?!\w)")


def kinds_of(given: Sequence[str] = ()) -> tuple[Kind, ...]:
    """The kinds of these names; all by default.

    Raises:
        UserError: an unknown name.
    """
    known = {kind.name: kind for kind in KINDS}
    for name in given:
        if name not in known:
            raise UserError(
                f"unknown kind {name!r}", where="personal data", expected="one of " + ", ".join(known)
            )
    return tuple(known[name] for name in known if not given or name in given)


def listed(names: Iterable[str]) -> Kind:
    """The kind "name": these names and no others, as whole words, longest first, with the case given."""
    whole = sorted({name.strip() for name in names if name.strip()}, key=lambda n: (-len(n), n))
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join([NAME, *map(re.escape, whole)])})(?!\w)")
    return Kind("name", pattern, always, lambda found, number: f"Person-{number:012x}", NAME)


def find_personal(text: str, kinds: Sequence[Kind] = KINDS) -> list[Found]:
    """What is personal in a text, in order, none within another: of those that overlap the first kind's stays."""
    taken: list[Found] = []
    for kind in kinds:
        for match in kind.pattern.finditer(text):
            start, end = match.span()
            if kind.real(match[0]) and not any(start < f.end and f.start < end for f in taken):
                taken.append(Found(start, end, kind.name, match[0]))
    return sorted(taken)


def number_of(salt: str, kind: str, text: str, attempt: int) -> int:
    """A number below 2^48 that nobody can compute, or check a guess by, without the salt."""
    said = f"{kind}\0{text}\0{attempt}".encode(errors="surrogatepass")
    return int.from_bytes(hmac.new(bytes.fromhex(salt), said, hashlib.sha256).digest()[:6], "big")
