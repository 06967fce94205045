"""IFEval: every instruction of the public prompts is understood, and can be followed and broken.

Source of the prompts: google-research/instruction_following_eval, 431 of 541 prompts, all 25 instructions.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from table_files import lines, need

from truenorth.judges._ifeval import CHECKERS, follows
from truenorth.judges._languages import language_of
from truenorth.judges.verifiable import VerifiableJudge, ifeval_rows, ifeval_scores
from truenorth.records import Group

UDHR = {  # IFEval's languages and the declaration of human rights in them
    "en": "eng", "es": "spa", "pt": "por_PT", "ar": "arb", "hi": "hin", "fr": "fra", "ru": "rus", "de": "deu",
    "ja": "jpn", "it": "ita", "bn": "ben", "uk": "ukr", "th": "tha", "ur": "urd", "ta": "tam", "te": "tel",
    "bg": "bul", "ko": "kor", "pl": "pol", "he": "heb", "fa": "pes_1", "vi": "vie", "ne": "nep", "sw": "swh",
    "kn": "kan", "mr": "mar", "gu": "guj", "pa": "pan", "ml": "mal", "fi": "fin",
}  # fmt: skip


@pytest.fixture(scope="module")
def rows(shared: Path):
    return lines(need(shared, "ifeval") / "input_data.jsonl")


@pytest.fixture(scope="module")
def articles(shared: Path):
    """Language -> the declaration's paragraphs of at least 60 letters."""
    path = need(shared, "udhr") / "udhr2.jsonl.gz"
    texts = {row["file"]: row["text"] for row in lines(path)}
    texts["tel.txt"] = "ప్రతిపత్తిస్వత్వముల విషయమున మానవులెల్లరును జన్మతః స్వతంత్రులును సమానులును నగుదురు."
    return {
        code: [p.strip() for p in texts[f"{file}.txt"].split("\n") if len(p.strip()) >= 60]
        for code, file in UDHR.items()
    }


def followed(name: str, k: dict, articles: dict) -> str:
    """An answer that follows the instruction, by its words in the paper."""
    many = {"less than": -1, "at least": 0}
    match name.partition(":")[2]:
        case "existence":
            return "We say " + " and ".join(k["keywords"]).upper()
        case "frequency":
            return "So. " + f"{k['keyword']} " * (k["frequency"] + many[k["relation"]])
        case "forbidden_words":
            return "Zzz."
        case "letter_frequency":
            return "9" + k["letter"] * (k["let_frequency"] + many[k["let_relation"]])
        case "response_language":
            return articles[k["language"]][-1]
        case "number_sentences":
            return "It is so. " * max(1, k["num_sentences"] + many[k["relation"]])
        case "number_paragraphs":
            return "\n***\n".join(["One."] * k["num_paragraphs"])
        case "number_words":
            return "word " * max(1, k["num_words"] + many[k["relation"]])
        case "nth_paragraph_first_word":
            parts = ["Other words."] * k["num_paragraphs"]
            parts[k["nth_paragraph"] - 1] = k["first_word"].capitalize() + ", and so on."
            return "\n\n".join(parts)
        case "number_placeholders":
            return "[name] " * k["num_placeholders"]
        case "postscript":
            return f"Text.\n\n{k['postscript_marker']} One more."
        case "number_bullet_lists":
            return "\n".join(["* one"] * k["num_bullets"])
        case "constrained_response":
            return "My answer is maybe."
        case "number_highlighted_sections":
            return "*one* text " * k["num_highlights"]
        case "multiple_sections":
            return "\n".join(f"{k['section_spliter']} {i + 1}\ntext" for i in range(k["num_sections"]))
        case "json_format":
            return '```json\n{"a": [1, 2]}\n```'
        case "title":
            return "<<poem of joy>>\nLines."
        case "two_responses":
            return "One.\n******\nTwo."
        case "repeat_prompt":
            return k["prompt_to_repeat"] + "\nSo."
        case "end_checker":
            return f"Text. {k['end_phrase']}"
        case "capital_word_frequency":
            return "so " + "LOUD " * (k["capital_frequency"] + many[k["capital_relation"]])
        case "english_capital":
            return "THE HARBOUR IS OPEN AND IT IS THERE FOR ALL."
        case "english_lowercase":
            return "the harbour is open and it is there for all."
        case "no_comma":
            return "One and two."
        case "quotation":
            return '"All of it."'
    raise AssertionError(name)


def broken(name: str, k: dict, articles: dict) -> str:
    """An answer that does not, by one thing missing or one too many."""
    few = {"less than": 0, "at least": -1}
    match name.partition(":")[2]:
        case "existence":
            return "Zzz."
        case "frequency":
            return "So. " + f"{k['keyword']} " * (k["frequency"] + few[k["relation"]])
        case "forbidden_words":
            return f"Well, {k['forbidden_words'][0].upper()}."
        case "letter_frequency":
            return "9" + k["letter"] * (k["let_frequency"] + few[k["let_relation"]])
        case "response_language":
            return articles["de" if k["language"] != "de" else "en"][-1]
        case "number_sentences":
            return "It is so. " * (k["num_sentences"] + few[k["relation"]])
        case "number_paragraphs":
            return "\n***\n".join(["One."] * (k["num_paragraphs"] + 1))
        case "number_words":
            return "word " * (k["num_words"] + few[k["relation"]])
        case "nth_paragraph_first_word":
            return "\n\n".join(["Other words."] * k["num_paragraphs"])
        case "number_placeholders":
            return "[name] " * (k["num_placeholders"] - 1)
        case "postscript":
            return "Text.\n\nOne more."
        case "number_bullet_lists":
            return "\n".join(["- one"] * (k["num_bullets"] + 1))
        case "constrained_response":
            return "Maybe."
        case "number_highlighted_sections":
            return "*one* text " * (k["num_highlights"] - 1) + "**"
        case "multiple_sections":
            return "\n".join(f"{k['section_spliter']} {i + 1}\ntext" for i in range(k["num_sections"] - 1))
        case "json_format":
            return 'Here: {"a": [1, 2]}'
        case "title":
            return "<<>>\nLines."
        case "two_responses":
            return "One.\n******\nOne."
        case "repeat_prompt":
            return "Sure. " + k["prompt_to_repeat"]
        case "end_checker":
            return f"{k['end_phrase']} And more."
        case "capital_word_frequency":
            return "so " + "LOUD " * (k["capital_frequency"] + few[k["capital_relation"]])
        case "english_capital":
            return "THE HARBOUR IS OPEN and it is there for all."
        case "english_lowercase":
            return "the harbour is open and It is there for all."
        case "no_comma":
            return "One, two."
        case "quotation":
            return '"All of it.'
    raise AssertionError(name)


def test_every_instruction_of_every_prompt_can_be_followed_and_broken(rows, articles):
    seen = {}
    for row in rows:
        for name, kwargs in zip(row["instruction_id_list"], row["kwargs"], strict=True):
            seen[name] = seen.get(name, 0) + 1
            assert follows(name, followed(name, kwargs, articles), kwargs), (name, kwargs)
            assert follows(name, followed(name, kwargs, articles), kwargs, loose=True), (name, kwargs)
            assert not follows(name, broken(name, kwargs, articles), kwargs), (name, kwargs)
            assert not follows(name, "", kwargs)
    assert set(seen) == set(CHECKERS)
    assert (len(seen), sum(seen.values())) == (25, 666)


def test_a_judge_of_the_rows_scores_each_prompt_by_its_own_instructions(rows, articles):
    """Prompt and instruction level, strict and loose, as the paper defines them."""
    judge = VerifiableJudge(ifeval_rows(rows))
    one = rows[0]["prompt"]  # no comma, three highlighted sections, 300 words or more
    good = "*a* *b* *c* " + "word " * 300
    [[all_three, two, none]] = judge.judge([Group(one, [good, good + ",", ""])])
    assert (all_three.score, two.score, none.score) == (1.0, pytest.approx(2 / 3), None)
    scores = ifeval_scores(rows, {row["prompt"]: good if i == 0 else "" for i, row in enumerate(rows)})
    assert scores.prompt_strict.mean == pytest.approx(1 / 431)
    assert scores.instruction_strict.mean == pytest.approx(3 / 666)
    assert scores.prompt_loose.mean >= scores.prompt_strict.mean


def test_languages_are_told_paragraph_by_paragraph(articles):
    """The declaration of human rights in IFEval's 30 languages. Its words were looked at when the lists of words
    were written, so this says that nothing broke, not how well other texts are told."""
    told = [(code, language_of(p)) for code, paragraphs in articles.items() for p in paragraphs]
    assert len(articles) == 30
    assert sum(a == b for a, b in told) / len(told) > 0.97


def test_english_of_two_centuries_is_told_to_be_english(shared: Path):
    path = sorted(need(shared, "us_presidential_texts").glob("*.jsonl*"))[0]
    texts = [row.get("text", "") for row in lines(path)]
    parts = [
        " ".join(t.split()[k : k + 20]) for t in texts[::3] for k in range(0, 400, 20) if len(t.split()) > 420
    ]
    assert len(parts) > 200
    assert sum(language_of(p) == "en" for p in parts) / len(parts) > 0.98
