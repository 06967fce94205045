"""Which tokens are trained: read back as text, for tokenizers and templates of all habits."""

from __future__ import annotations

from typing import Any

import data_tokenizers as made
import pytest
from data_tokenizers import assistant, system, user

from truenorth.base import UserError
from truenorth.learn.data import Shape, examples, prepare
from truenorth.learn.data.preview import stretches
from truenorth.learn.data.wanted import Wanted

ANSWERS = Wanted(("prompt_completion", "language_modeling"), (), ())
PAIRS = Wanted(("preference",), (), ())
CHAT = [user("Who sells fish?"), assistant("Anna does."), user("And boats?"), assistant("I do not know.")]


def parts(
    tokenizer: Any, row: dict[str, Any], want: Wanted = ANSWERS, **shape: Any
) -> list[tuple[str, bool]]:
    """The first example as (text, trained)."""
    data = prepare([row], want, made.codec(tokenizer), Shape(**shape), where="rows")
    assert not data.refused, data.refused
    return [(s.text, s.trained) for s in stretches(data, data.encoded[0])]


def trained(tokenizer: Any, row: dict[str, Any], **shape: Any) -> list[str]:
    return [text for text, on in parts(tokenizer, row, **shape) if on]


def test_a_completion_is_trained_with_its_end_and_its_prompt_is_not():
    row = {"prompt": "The ferry leaves", "completion": " at noon."}
    for tokenizer in (made.bpe(), made.bpe(bos=True)):
        assert parts(tokenizer, row)[-1] == (" at noon.</s>", True)
    assert parts(made.bpe(), row)[0] == ("The ferry leaves", False)
    assert parts(made.bpe(bos=True), row)[0] == ("<s>The ferry leaves", False)


def test_a_completion_that_brings_its_own_end_does_not_get_a_second():
    row = {"prompt": "The ferry leaves", "completion": " at noon.</s>"}
    assert parts(made.bpe(), row)[-1] == (" at noon.</s>", True)


def test_a_prompt_is_trained_too_where_asked_but_for_its_first_token():
    row = {"prompt": "The ferry leaves", "completion": " at noon."}
    assert parts(made.bpe(bos=True), row, completion_only_loss=False) == [
        ("<s>", False),
        ("The ferry leaves at noon.</s>", True),
    ]


def test_a_text_is_trained_whole_from_its_second_token_and_ends():
    text = {"text": "The ferry leaves at noon."}
    assert parts(made.bpe(bos=True), text) == [("<s>", False), (text["text"] + "</s>", True)]
    assert "".join(t for t, _ in parts(made.bpe(), text)) == text["text"] + "</s>"
    assert parts(made.bpe(bos=True), {"text": "<s>The ferry</s>"}) == [
        ("<s>", False),
        ("The ferry</s>", True),
    ]


def test_a_chat_is_trained_whole_by_default_as_trl_does():
    got = parts(made.bpe(made.CHATML), {"messages": CHAT})
    whole = made.bpe(made.CHATML).apply_chat_template(CHAT, tokenize=False)
    assert "".join(t for t, _ in got) == whole
    assert [on for _, on in got] == [False, True]


@pytest.mark.parametrize(
    "template", [made.CHATML, made.MARKED], ids=["without marks", "with generation marks"]
)
def test_what_the_assistant_says_is_trained_in_every_turn_with_its_end(template):
    got = trained(made.bpe(template), {"messages": CHAT}, assistant_only_loss=True)
    assert got == ["Anna does.<|im_end|>", "I do not know.<|im_end|>"]


def test_a_template_that_trims_and_ends_turns_with_eos_is_read_right():
    chat = [user("Who?"), assistant("  Anna does. "), user("And boats?"), assistant("Anna does.")]
    for tokenizer in (made.bpe(made.INST, bos=True), made.unigram(made.INST)):
        got = trained(tokenizer, {"messages": chat}, assistant_only_loss=True)
        assert [t.strip() for t in got] == ["Anna does.</s>"] * 2


def test_equal_answers_and_answers_that_stand_in_questions_are_found_at_their_own_place():
    chat = [user("Say yes."), assistant("yes"), user("yes"), assistant("yes"), user("no"), assistant("no")]
    got = trained(made.bpe(made.CHATML), {"messages": chat}, assistant_only_loss=True)
    assert got == ["yes<|im_end|>", "yes<|im_end|>", "no<|im_end|>"]


def test_a_template_that_drops_earlier_thoughts_trains_what_it_writes():
    chat = [user("Who?"), assistant("<think>Hm.</think>\n\nAnna."), user("Where?"), assistant("Here.")]
    got = parts(made.bpe(made.THINKS), {"messages": chat}, assistant_only_loss=True)
    spoken = [text for text, on in got if on]
    assert spoken == ["Anna.<|im_end|>", "<think>\n\n</think>\n\nHere.<|im_end|>"]
    assert "Hm." not in "".join(t for t, _ in got)


def test_the_tokens_of_a_masked_chat_are_those_of_the_rendered_chat():
    tokenizer = made.unigram(made.INST)
    data = prepare(
        [{"messages": CHAT}], ANSWERS, made.codec(tokenizer), Shape(assistant_only_loss=True), where=""
    )
    [one] = data.encoded
    whole = tokenizer(tokenizer.apply_chat_template(CHAT, tokenize=False), add_special_tokens=False)[
        "input_ids"
    ]
    assert [*one.prompt, *one.completions[0]] == whole[: one.length]


SPACED = (
    "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + ' </s> ' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'now assistant: ' }}{% endif %}"
)
TIGHT = (
    "{% for m in messages %}{{ m['content'] }}{% if m['role'] == 'user' %}{{ ':' }}{% endif %}{% endfor %}"
)


@pytest.mark.parametrize("family", [made.bpe, made.unigram])
def test_a_word_whose_token_brings_the_space_before_it_is_trained_where_no_opening_is_found(family):
    chat = [user("What leaves?"), assistant("ferry")]  # byte-level BPE has one token for " ferry"
    got = trained(family(SPACED), {"messages": chat}, assistant_only_loss=True)
    assert [t.strip() for t in got] == ["ferry </s>"]


def test_an_answer_has_the_tokens_it_has_in_the_whole_chat():
    tokenizer = made.unigram(TIGHT)  # alone, it would write a space before the answer
    row = {"prompt": [user("Who?")], "completion": [assistant("Anna.")]}
    [one] = prepare([row], ANSWERS, made.codec(tokenizer), Shape(), where="").encoded
    whole = tokenizer("Who?:Anna.</s>", add_special_tokens=False)["input_ids"]
    assert [*one.prompt, *one.completions[0]] == whole


def test_each_assistant_turn_is_predicted_from_all_that_comes_before():
    tokenizer = made.bpe(made.CHATML)
    data = prepare(
        [{"messages": CHAT}], ANSWERS, made.codec(tokenizer), Shape(assistant_only_loss=True), where=""
    )
    first, second = examples(data.encoded)
    assert tokenizer.decode(first.prompt).endswith("<|im_start|>assistant\n")
    assert tokenizer.decode(second.prompt).startswith(
        tokenizer.decode([*first.prompt, *first.completions[0]])
    )
    assert tokenizer.decode(second.completions[0]) == "I do not know.<|im_end|>"
    assert sum(len(e.completions[0]) for e in (first, second)) == data.encoded[0].learned


@pytest.mark.parametrize("template", [made.DROPS_SYSTEM, made.INST], ids=["drops it", "raises"])
def test_a_system_turn_without_a_place_goes_into_the_first_user_turn(template):
    row = {"prompt": [system("Be brief."), user("Who?")], "completion": [assistant("Anna.")]}
    data = prepare(
        [row], ANSWERS, made.codec(made.bpe(template, bos=template == made.INST)), Shape(), where=""
    )
    assert "folded" in data.encoded[0].marks
    assert "Be brief.\n\nWho?" in stretches(data, data.encoded[0])[0].text
    kept = prepare([row], ANSWERS, made.codec(made.bpe(made.CHATML)), Shape(), where="")
    assert "folded" not in kept.encoded[0].marks


def test_a_chat_has_the_bos_of_its_template_and_never_two():
    row = {"prompt": [user("Who?")], "completion": [assistant("Anna.")]}
    tokenizer = made.bpe("{{ bos_token }}" + made.CHATML, bos=True)
    text = "".join(t for t, _ in parts(tokenizer, row))
    assert text.startswith("<s><|im_start|>")
    assert text.count("<s>") == 1


def test_pairs_share_their_prompt_and_both_end():
    row = {"prompt": [user("Who?")], "chosen": [assistant("Anna.")], "rejected": [assistant("Bob.")]}
    data = prepare([row], PAIRS, made.codec(made.bpe(made.CHATML)), Shape(), where="")
    texts = [[s.text for s in stretches(data, data.encoded[0], k)] for k in (0, 1)]
    assert texts[0][0] == texts[1][0]
    assert [t[1] for t in texts] == ["Anna.<|im_end|>", "Bob.<|im_end|>"]


def test_a_prompt_that_is_no_prefix_of_the_whole_chat_is_marked_and_still_asked_as_at_inference():
    odd = made.CHATML.replace("{{ '<|im_start|>assistant\n' }}", "{{ '<|im_start|>assistant\n>>' }}")
    row = {"prompt": [user("Who?")], "completion": [assistant("Anna.")]}
    data = prepare([row], ANSWERS, made.codec(made.bpe(odd)), Shape(), where="")
    assert data.encoded[0].marks == {"prefix"}
    assert [s.text for s in stretches(data, data.encoded[0])][1] == "Anna.<|im_end|>"
    assert stretches(data, data.encoded[0])[0].text.endswith(">>")


def test_texts_become_turns_where_asked():
    row = {"prompt": "Who?", "completion": "Anna."}
    assert parts(made.bpe(made.CHATML), row, as_chat=True)[0][0].startswith("<|im_start|>user\nWho?")
    assert parts(made.bpe(made.CHATML), row)[0][0] == "Who?"


def test_a_chat_for_a_model_without_a_template_is_its_words():
    row = {"prompt": [system("Be brief."), user("Who?")], "completion": [assistant("Anna.")]}
    assert parts(made.bpe(), row) == [("Be brief.\nWho?", False), ("Anna.</s>", True)]


def test_a_tokenizer_without_an_end_adds_none():
    assert parts(made.bpe(eos=False), {"prompt": "The ferry", "completion": " leaves"})[-1] == (
        " leaves",
        True,
    )


def test_a_chat_in_which_the_assistant_is_silent_is_refused():
    data = prepare(
        [{"messages": [user("Who?")]}],
        ANSWERS,
        made.codec(made.bpe(made.CHATML)),
        Shape(assistant_only_loss=True),
        where="",
    )
    assert "the assistant says nothing" in data.refused[0].what


def test_an_empty_prompt_is_one_token_or_refused():
    row = {"prompt": "", "completion": "Anna."}
    from truenorth.learn.data.encode import encode

    [one], _ = encode([(0, row)], "prompt_completion", made.codec(made.bpe(bos=True)), Shape())
    assert one.prompt == (0,)  # <s>
    with pytest.raises(UserError, match="no BOS token"):
        encode([(0, row)], "prompt_completion", made.codec(made.bpe(eos=False)), Shape())


def test_the_words_found_without_marks_are_those_that_transformers_finds_by_marks():
    tokenizer = made.bpe(made.MARKED)
    theirs = tokenizer.apply_chat_template(
        CHAT, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    plain = made.bpe(made.CHATML)
    data = prepare(
        [{"messages": CHAT}], ANSWERS, made.codec(plain), Shape(assistant_only_loss=True), where=""
    )
    [one] = data.encoded
    ours = [*(False for _ in one.prompt), *one.trained[0]]
    assert ours == [bool(m) for m in theirs["assistant_masks"]][: len(ours)]
    assert not any(theirs["assistant_masks"][len(ours) :])
