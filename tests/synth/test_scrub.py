"""Personal data: found where it is, gone from the data, the same behind the same stand-in, and back with the key."""

import gzip
import json
import os
import re
import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truenorth.base import UserError
from truenorth.synth.personal import find_personal, iban_remainder, is_card, kinds_of, listed, luhn
from truenorth.synth.scrub import Key, each_text, restore, scrub

# Numbers published as examples: IBANs of the SWIFT registry, test cards of payment processors, RFC addresses.
REAL = {
    "email": ["ann.grey+news@mail.harbour.co.uk", "ÄNNE@hafen.de", "a@b.io"],
    "key": ["sk-proj-abcdEFGH12345678", "AKIAIOSFODNN7EXAMPLE", "hf_abcdefghijklmnop"],
    "iban": ["DE89370400440532013000", "GB29 NWBK 6016 1331 9268 19", "NO9386011117947"],
    "card": ["4111 1111 1111 1111", "378282246310005", "5555-5555-5555-4444"],
    "ssn": ["078-05-1120"],
    "ip": ["192.0.2.17", "2001:db8:85a3::8a2e:370:7334", "::1"],
    "phone": ["+44 20 7946 0958", "(212) 555-0142", "212-555-0142", "+4915112345678", "+1 (212) 555-0142"],
}
NOT = [
    "in 2024 there were 1234567 ships",
    "version 1.2.3 of 10.20.30",
    "300.1.2.3",
    "4111 1111 1111 1112",  # a digit off
    "DE89370400440532013001",
    "12:30:45",
    "a @ b, or user@host",
    "3.14159265358979 and 2^64 = 18446744073709551616",
    "std::vector",
    "from 1990-2000",
]


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in REAL.items() for text in texts])
def test_what_is_personal_is_found_whole(kind, text):
    for frame in ("{}", "Call {}.", "({})", "is it {}?", "{}, or not", "<{}>", "to:{}\n"):
        if ":" in text and frame == "to:{}\n":
            continue  # where such an address begins after a colon nobody can tell
        found = find_personal(frame.format(text))
        assert [(f.kind, f.text) for f in found] == [(kind, text)], frame


@pytest.mark.parametrize("text", NOT)
def test_what_only_looks_like_it_is_not(text):
    assert find_personal(text) == []


def test_check_digits_are_those_of_the_standards():
    assert luhn("7992739871") == 3  # the worked example of the algorithm
    assert is_card("4111111111111111")
    assert not is_card("4111111111111112")
    assert iban_remainder("GB29NWBK60161331926819") == 1


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in REAL.items() for text in texts])
def test_stand_ins_have_the_shape_of_what_they_hide(kind, text):
    key = Key(salt="00" * 32)
    made = scrub(text, key)
    assert text not in made
    assert [f.kind for f in find_personal(made)] == [kind]
    assert restore(made, key) == text
    assert not set(re.findall(r"\w{4,}", text)) & set(re.findall(r"\w{4,}", made)) - {"2001"}


def test_who_is_who_survives_and_two_keys_share_nothing():
    texts = ["Ann: ann@x.org, +44 20 7946 0958", "write to ann@x.org or tom@x.org"]
    key, other = Key(), Key()
    first, second = (scrub(text, key) for text in texts)
    [ann], [again, tom] = (re.findall(r"\S+@example\.com", text) for text in (first, second))
    assert ann == again != tom
    assert scrub(texts[0], other) != first
    assert key.counts == {"email": 3, "phone": 1}


pieces = st.one_of(
    st.sampled_from([text for texts in REAL.values() for text in texts] + NOT),
    st.text(alphabet="a1 .-+:(@ZzPp9,\n", max_size=6),
    st.sampled_from(
        ["+999 000000000001", "user00000000000a@example.com", "198.18.0.1", "Person-00000000000a", "9999"]
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(pieces, max_size=8), st.sampled_from(["", " ", ", "]))
def test_the_key_gives_back_every_character(parts, between):
    text = between.join(parts)
    key = Key(salt="11" * 32)
    kinds = (*kinds_of(), listed(["Ann Grey", "Ann"]))
    made = scrub(text, key, kinds)
    assert restore(made, key) == text
    twice = scrub(made, key, kinds)
    assert restore(restore(twice, key), key) == text


def test_listed_names_are_whole_words():
    key, kinds = Key(), (listed(["Ann", "Ann Grey", "", "D'Arcy (junior)"]),)
    text = "Ann Grey met Annette, Ann and D'Arcy (junior)."
    made = scrub(text, key, kinds)
    assert re.sub(r"Person-[0-9a-f]{12}", "*", made) == "* met Annette, * and *."
    assert restore(made, key) == text


def test_every_text_of_a_row_is_scrubbed_and_nothing_else():
    key = Key()
    row = {
        "prompt": [{"role": "user", "content": "I am a@b.io"}],
        "n": 7,
        "ok": None,
        "tags": ["a@b.io", 3],
        "meta": {"a@b.io": "a@b.io"},
    }
    made = each_text(row, lambda text: scrub(text, key))
    assert made["prompt"][0]["role"] == "user"
    assert made["tags"][0] == made["prompt"][0]["content"].split()[-1] == made["meta"]["a@b.io"]
    assert (made["n"], made["ok"], made["tags"][1]) == (7, None, 3)
    assert each_text(made, lambda text: restore(text, key)) == row


def test_a_key_comes_back_from_its_file_and_only_its_owner_reads_it(tmp_path):
    key = Key()
    made = scrub("a@b.io and 192.0.2.17", key)
    key.save(tmp_path / "key.json")
    assert stat.S_IMODE(os.stat(tmp_path / "key.json").st_mode) == 0o600
    again = Key.load(tmp_path / "key.json")
    assert restore(made, again) == "a@b.io and 192.0.2.17"
    assert scrub("192.0.2.17 and a@b.io", again) == " and ".join(reversed(made.split(" and ")))
    assert "a@b.io" not in repr(key)
    assert key.salt not in repr(key)
    for bad in ("{}", "no", '{"salt": "xyz", "real": {}}', "[]"):
        (tmp_path / "bad.json").write_text(bad)
        with pytest.raises(UserError, match="cannot read the key"):
            Key.load(tmp_path / "bad.json")


def test_a_kind_that_runs_out_says_so():
    key = Key(salt="22" * 32)
    key.real["ip"] = {f"198.{18 + (i >> 16)}.{i >> 8 & 255}.{i & 255}": "taken" for i in range(1 << 17)}
    with pytest.raises(UserError, match="no stand-in left for another ip"):
        scrub("192.0.2.17", key)
    with pytest.raises(UserError, match="unknown kind 'mail'"):
        kinds_of(["mail"])


def test_prompts_of_real_users_come_back_unchanged(shared):
    with gzip.open(shared / "data/toxic_chat/test.jsonl.gz", "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["user_input"] for line in file]
    key = Key(salt="33" * 32)
    made = [scrub(text, key) for text in texts]
    assert [restore(text, key) for text in made] == texts
    assert 0 < sum(a != b for a, b in zip(texts, made)) < 0.05 * len(texts)
