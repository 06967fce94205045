"""Prompts from models: their own user turns, and paraphrases."""

from types import SimpleNamespace

import pytest
from synth_script import Says

from truenorth.base import UserError
from truenorth.records import Completion, Row, Source
from truenorth.synth import answers, magpie, rephrase
from truenorth.synth.magpie import Opening, user_opening

CHATML = (
    "{% for m in messages %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def tokenizer(template):
    """Renders as a tokenizer does, by jinja."""
    import jinja2

    def render(turns, *, tokenize, add_generation_prompt):
        assert not tokenize
        return jinja2.Template(template).render(messages=turns, add_generation_prompt=add_generation_prompt)

    return SimpleNamespace(chat_template=template, apply_chat_template=render)


def test_the_opening_is_the_template_up_to_the_users_words():
    opening = user_opening(tokenizer(CHATML), system="Be kind.")
    assert opening == Opening("<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n", "<|im_end|>")


@pytest.mark.parametrize("template", [None, "{{ messages[0]['content'][::-1] }}"])
def test_models_that_cannot_be_asked_this_way_say_so(template):
    with pytest.raises(UserError, match="--prompts FILE"):
        user_opening(SimpleNamespace(chat_template=None) if template is None else tokenizer(template))


SAID = [
    "Who is Ann? ",
    "",
    "Where is<|im_end|>\nrest",
    Completion("half", finish="length"),
    Completion("", finish="error"),
]


def test_user_turns_become_prompts_and_the_rest_is_counted():
    model = Says(lambda prompt, i: SAID[i], tokenizer=tokenizer(CHATML))
    result = magpie(model, 5, seed=4, system="Be kind.")
    assert [row.data["prompt"] for row in result.kept] == [
        [{"role": "user", "content": "Who is Ann?"}],
        [{"role": "user", "content": "Where is"}],
    ]
    assert result.dropped == {"blank": 1, "cut off": 1, "error": 1}
    assert result.kept[0].source.producer == "magpie"
    assert (result.kept[0].source.model, result.kept[0].source.seed) == ("says@1", 4)
    assert model.settings["stop"] == ("<|im_end|>",)
    kept = magpie(model, 1, system="Be kind.", keep_system=True).kept[0].data["prompt"]
    assert kept[0] == {"role": "system", "content": "Be kind."}


def test_questions_may_begin_as_one_likes():
    asked = []
    model = Says(lambda p, i: asked.append(p) or " it is Ann. Who is it?")
    result = magpie(model, 2, opening=Opening("U:", "<end>"), begin="I think")
    assert set(asked) == {"U:I think"}
    assert result.kept[0].data["prompt"][-1]["content"] == "I think it is Ann. Who is it?"
    blank = magpie(Says(lambda p, i: " "), 1, opening=Opening("U:", "<end>"), begin="I think")
    assert blank.dropped == {"blank": 1}


def test_equal_turns_drawn_twice_are_two_rows():
    result = magpie(Says(lambda p, i: "Why?"), 2, opening=Opening("U:", ""))
    assert len({row.id for row in result.kept}) == 2


PROMPT = Row(
    {"prompt": [{"role": "system", "content": "S"}, {"role": "user", "content": "Who is Ann?"}]},
    Source("human"),
)


def test_a_paraphrase_keeps_the_chat_and_names_its_parent():
    said = ['"Tell me who Ann is."', "who is ann", "", Completion("Tell", finish="length"), "Who is Tom?"]
    model = Says(lambda prompt, i: said[i])
    result = rephrase(model, [PROMPT], n=5, accept=lambda old, new: ("Ann" in old) == ("Ann" in new))
    [row] = result.kept
    assert row.data["prompt"] == [
        PROMPT.data["prompt"][0],
        {"role": "user", "content": "Tell me who Ann is."},
    ]
    assert row.source.parents == (PROMPT.id,)
    assert result.dropped == {"blank": 1, "cut off": 1, "refused by accept": 1, "unchanged": 1}
    assert model.asked == [
        [{"role": "user", "content": "Say this in other words, and nothing else:\nWho is Ann?"}]
    ]


def test_braces_in_a_prompt_are_only_braces():
    model = Says(lambda prompt, i: "new")
    rephrase(model, [Row({"prompt": "What is {x} and {prompt}?"}, Source("human"))])
    assert model.asked[0][0]["content"].endswith("What is {x} and {prompt}?")


def test_answers_are_rows_with_their_prompt_as_parent():
    [[one, two]] = answers(Says(lambda p, i: f"a{i}"), [PROMPT], 2, seed=5)
    assert one.data["completion"] == [{"role": "assistant", "content": "a0"}]
    assert (two.data["index"], two.source.parents, two.source.seed) == (1, (PROMPT.id,), 5)
