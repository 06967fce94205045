"""The lint: each thing that is wrong with training data is found, with its rows, and sound data is left alone."""

from __future__ import annotations

from typing import Any

import data_tokenizers as made
import pytest
from data_tokenizers import assistant, user

from truenorth.base import UserError
from truenorth.learn.coupling import load_objective, needs
from truenorth.learn.data import Finding, Shape, lint, prepare, wanted
from truenorth.learn.data.lint import refusal
from truenorth.learn.data.wanted import Wanted

ANSWERS = Wanted(("prompt_completion", "language_modeling"), (), ())
PAIRS = Wanted(("preference",), (), ())
LABELS = Wanted(("unpaired_preference", "preference"), (), ())


def found(
    rows: list[dict[str, Any]], want: Wanted, *, tokenizer: Any = None, held: Any = None, **shape: Any
) -> list[Finding]:
    codec = made.codec(tokenizer or made.bpe(bos=True))
    data = prepare(rows, want, codec, Shape(**shape), where="rows")
    other = prepare(held, want, codec, Shape(**shape), where="held") if held else None
    return lint(data, other)


def named(findings: list[Finding], check: str) -> Finding:
    [one] = [f for f in findings if f.check == check]
    return one


def answer(prompt: str, completion: str) -> dict[str, str]:
    return {"prompt": prompt + " ", "completion": completion}


def pair(prompt: str, chosen: str, rejected: str) -> dict[str, str]:
    return {"prompt": prompt + " ", "chosen": chosen, "rejected": rejected}


def test_sound_data_has_no_findings():
    assert found([answer("Who?", "Anna."), answer("Where?", "Here.")], ANSWERS) == []


def test_broken_rows_are_errors_with_their_numbers():
    rows = [
        pair("Who?", "Anna.", "Bob."),
        pair("Who is it?", "Anna.", "Anna."),
        pair("Where?", "", "Here."),
        {"prompt": "x "},
    ]
    errors = {f.what: f.rows for f in found(rows, PAIRS) if f.severity == "error"}
    assert errors == {
        "1 of 4 rows: rejected the same as chosen": (1,),
        "1 of 4 rows: chosen empty": (2,),
        "1 of 4 rows: chosen missing": (3,),
        "1 of 4 rows: rejected missing": (3,),
    }


def test_errors_are_one_line_and_warnings_none():
    rows = [pair("Who?", "Anna.", "Bob."), pair("Where?", "Here.", "Here.")]
    assert refusal(found(rows, PAIRS)) == "rows: 1 of 2 rows: rejected the same as chosen (rows 1)"
    assert refusal(found([pair("Who?", "Anna.", "Bob.")] * 2, PAIRS)) == ""


def test_repeated_rows_and_rows_that_say_the_opposite_are_warnings():
    rows = [pair("Who?", "Anna.", "Bob."), pair("Who?", "Anna.", "Bob."), pair("Who?", "Bob.", "Anna.")]
    findings = found(rows, PAIRS)
    assert named(findings, "duplicates").rows == (1,)
    assert named(findings, "conflict").rows == (0, 2)  # row 1 is row 0 again
    both = [{**answer("Who?", "Anna."), "label": True}, {**answer("Who?", "Anna."), "label": False}]
    assert named(found(both, LABELS), "conflict").rows == (0, 1)


def test_a_length_bias_is_measured_and_tested():
    long = [pair(f"Who is number {i}?", "Anna and her brother sell fish.", "Bob.") for i in range(20)]
    bias = named(found(long, PAIRS), "length bias")
    assert bias.severity == "warning"
    assert "100% [84%, 100%] of 20 pairs" in bias.what  # Wilson: 20 / (20 + 1.96^2) = 0.839
    assert "p = 1.9e-06" in bias.what  # 2 / 2^20
    mixed = [
        pair(f"Who is number {i}?", *("Bob.", "Anna and Bob.")[:: 1 if i % 2 else -1]) for i in range(20)
    ]
    assert named(found(mixed, PAIRS), "length bias").severity == "note"


def test_bos_that_the_template_writes_out_over_the_tokenizers_is_an_error_only_when_it_stands_twice():
    row = {"prompt": [user("Who?")], "completion": [assistant("Anna.")]}
    twice = found([row], ANSWERS, tokenizer=made.bpe("{{ bos_token + bos_token }}" + made.CHATML, bos=True))
    assert (named(twice, "BOS").severity, named(twice, "BOS").rows) == ("error", (0,))
    missing = found([row], ANSWERS, tokenizer=made.bpe(made.CHATML, bos=True))
    assert (named(missing, "BOS").severity, named(missing, "BOS").rows) == ("warning", (0,))
    assert found([row], ANSWERS, tokenizer=made.bpe("{{ bos_token }}" + made.CHATML, bos=True)) == []
    assert found([row], ANSWERS, tokenizer=made.bpe(made.CHATML)) == []  # a tokenizer without BOS misses none


def test_ends_that_are_missing_early_or_unknown_are_warnings():
    unknown = found([answer("Who?", "Anna.")], ANSWERS, tokenizer=made.bpe(eos=False))
    assert "does not learn to stop" in named(unknown, "EOS").what
    early = found([answer("Who?", "Anna.</s> Bob.")], ANSWERS)
    assert (named(early, "EOS").what, named(early, "EOS").rows) == (
        "1 of 1 row have an end token before their end",
        (0,),
    )
    open_ended = made.bpe(made.CHATML.replace("<|im_end|>\n", "\n"), eos=False)
    chat = {"prompt": [user("Who?")], "completion": [assistant("Anna.")]}
    assert named(found([chat], ANSWERS, tokenizer=open_ended), "EOS").severity == "warning"


def test_what_length_limits_cut_is_counted_by_field():
    rows = [
        answer("Who sells fish in the market?", "Anna."),
        answer("Who?", "Anna, and her brother repairs nets."),
    ]
    cut = [f for f in found(rows, ANSWERS, max_length=8) if f.check == "truncation"]
    assert {(f.what.partition(" ")[0], f.rows) for f in cut} == {("prompt", (0, 1)), ("completion", (1,))}
    dropped = found(rows, ANSWERS, max_length=8, truncation_mode="keep_start")
    assert [f.rows for f in dropped if "dropped" in f.what] == [(0,)]


def test_if_nothing_is_left_to_learn_it_is_an_error():
    rows = [answer("Who sells fish in the market?", "Anna.")]
    [error] = [
        f for f in found(rows, ANSWERS, max_length=4, truncation_mode="keep_start") if f.severity == "error"
    ]
    assert "1 of 1 row dropped: the prompt alone fills the 4 tokens" in error.what


def test_answers_that_are_alike_once_cut_are_an_error():
    rows = [pair("Who?", "Anna sells fish here.", "Anna sells fish there.")]
    errors = [f.check for f in found(rows, PAIRS, max_length=3) if f.severity == "error"]
    assert errors == ["pairs"]


def test_held_out_rows_and_prompts_that_are_trained_on_are_found_but_for_case_and_spaces():
    rows = [answer("Who?", "Anna."), answer("Where?", "Here.")]
    held = [answer("Who?", "Anna."), answer("WHERE", "There."), answer("When?", "Now.")]
    overlap = [(f.what, f.rows) for f in found(rows, ANSWERS, held=held) if f.check == "overlap"]
    assert overlap == [
        ("1 of 3 rows are also training rows", (0,)),
        ("1 of 3 rows have a prompt that is also trained on", (1,)),
    ]


def test_plain_texts_for_a_model_that_chats_and_words_that_run_together_are_warnings():
    rows = [{"prompt": "Who?", "completion": "Anna."}]
    texts = [f.what for f in found(rows, ANSWERS, tokenizer=made.bpe(made.CHATML)) if f.check == "texts"]
    assert len(texts) == 2
    assert [
        f for f in found(rows, ANSWERS, tokenizer=made.bpe(made.CHATML), as_chat=True) if f.check == "texts"
    ] == []


def test_labels_are_counted_and_the_weight_that_balances_them_is_said():
    rows = [{**answer(f"Who is {i}?", "Anna."), "label": i % 4 != 0} for i in range(8)]
    labels = named(found(rows, LABELS), "labels")
    assert labels.what == "6 answers are labelled right, 2 wrong"
    assert "--undesirable_weight 3.00" in labels.fix
    assert named(found([r for r in rows if r["label"]], LABELS), "labels").severity == "warning"


def test_a_prompt_that_the_chat_does_not_begin_with_and_columns_nobody_reads_are_said():
    odd = made.CHATML.replace("{{ '<|im_start|>assistant\n' }}", "{{ '<|im_start|>assistant\n>>' }}")
    row = {"prompt": [user("Who?")], "completion": [assistant("Anna.")], "id": 7}
    findings = found([row], ANSWERS, tokenizer=made.bpe(odd))
    assert (named(findings, "prefix").rows, named(findings, "columns").what) == ((0,), "not used: id")


def test_a_chat_that_the_template_refuses_is_an_error_with_its_row():
    strict = made.CHATML.replace(
        "{% for m",
        "{% if messages[0]['role'] != 'user' %}{{ raise_exception('user first') }}{% endif %}{% for m",
        1,
    )
    rows = [
        {"prompt": [user("Who?")], "completion": [assistant("Anna.")]},
        {"prompt": [assistant("Hm.")], "completion": [assistant("Anna.")]},
    ]
    error = named(found(rows, ANSWERS, tokenizer=made.bpe(strict)), "template")
    assert (error.severity, error.rows) == ("error", (1,))
    assert "user first" in error.what


def test_everything_trained_in_a_chat_is_said_once():
    rows = [{"messages": [user("Who?"), assistant("Anna.")]}]
    assert "--assistant_only_loss" in named(found(rows, ANSWERS, tokenizer=made.bpe(made.CHATML)), "mask").fix
    assert found(rows, ANSWERS, tokenizer=made.bpe(made.CHATML), assistant_only_loss=True) == []


@pytest.mark.parametrize(
    ("objective", "columns", "says"),
    [
        (
            "dpo",
            {"prompt": "a", "completion": "b"},
            "are prompt_completion data; expected preference (chosen + rejected",
        ),
        (
            "sft",
            {"prompt": "a", "chosen": "b", "rejected": "c"},
            "are preference data; expected prompt_completion",
        ),
        (
            "kto",
            {"prompt": "a", "completion": "b"},
            "expected unpaired_preference (prompt + completion + label",
        ),
        ("odpo", {"prompt": "a", "chosen": "b", "rejected": "c"}, "no column 'margin'"),
        ("lipo", {"prompt": "a", "completion": "b"}, "expected list (prompt + completions"),
        ("sft", {"question": "a", "answer": "b"}, "columns question, answer are no known data"),
    ],
)
def test_wrong_columns_say_what_the_objective_needs(objective, columns, says):
    want = wanted(needs(load_objective(objective)))
    with pytest.raises(UserError) as error:
        prepare([columns], want, made.codec(made.bpe()), Shape(), where="rows.jsonl")
    assert says in str(error.value)
    assert str(error.value).startswith("rows.jsonl: ")
