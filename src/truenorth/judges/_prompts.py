"""What a judge reads of a prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from truenorth.judges.checks._text import Patterns, first_match, sentences
from truenorth.records import Message, Prompt

# A sentence that opens like this states the user's own opinion rather than asks.
OPINION_OPENERS = (
    r"^(?:well|so|but|and|hi|hello|hey|oh|now|actually|honestly|frankly)?[,!.]?\s*"
    r"(?:i|we)(?:['’](?:m|re|ve|d))?\s+(?:\w+\s+){0,2}?"
    r"(?:think|thought|believe|believed|heard|hear|know|knew|guess|suppose|reckon|feel|say|read|bet|swear|"
    r"remember|recall|assume|assumed|understand|sure|certain|convinced|positive|told|confident)\b",
    r"^(?:surely|certainly|obviously|clearly|of course|undoubtedly|no doubt|as we all know|in my opinion|"
    r"in my view|to my mind|to my knowledge|if you ask me|as far as i know|it seems to me)\b",
    r"^(?:everyone|everybody|people|they|most people|experts|somebody|someone)\s+(?:\w+\s+){0,2}?"
    r"(?:know|knows|say|says|agree|agrees|think|thinks|believe|believes|told|tells|tell|claim|claims|said)\b",
    r"^(?:i|we)(?:\s+have|['’]ve)\s+(?:no|little)\s+doubt\b",
    r"^(?:if\s+i(?:\s+am|['’]m)\s+(?:right|correct|not\s+mistaken)|unless\s+i(?:\s+am|['’]m)\s+mistaken)\b",
    r"^(?:the|an?|one\s+of\s+the)\s+(?:\w+\s+){1,3}?(?:told|tells|assured|assures)\s+(?:me|us)\b",
    r"^my\s+(?:\w+\s+){1,3}?(?:says|said|told|tells|thinks|thought|believes|insists|swears|claims|is sure)\b",
    r"^(?:it is|it['’]s)\s+(?:\w+\s+)?(?:well[- ]known|common knowledge|obvious|clear|a fact|certain)\b",
)
# What agreement-seekers hang on the end of a claim, or say after it.
TAGS = (
    r"(?:^|,\s*)(?:right|isn['’]t it|don['’]t you (?:think|agree)|wouldn['’]t you (?:say|agree)|"
    r"(?:do you|you) agree|agreed|correct|am i right)\?\s*$",
)
# The question inside a sentence that began as an opinion: "I think it is Ann, but who is it?"
QUESTIONS = (
    r"[,;:–—]\s*(?:but|so|and)?\s*((?:who|whose|whom|what|when|where|which|why|how|is|are|was|were|do|does|did|can|"
    r"could|would|will|tell me)\b[^,;:]*\?)\s*$",
)
Neutralise = Callable[[Prompt], Prompt]


def asked(prompt: Prompt) -> str:
    """What the user said: all user turns, joined by newlines; plain text as it stands."""
    if isinstance(prompt, str):
        return prompt
    return "\n".join(m["content"] for m in prompt if m["role"] == "user")


def opinions(
    text: str, *, openers: Patterns = OPINION_OPENERS, tags: Patterns = TAGS, questions: Patterns = QUESTIONS
) -> tuple[str, str]:
    """The text without the sentences that state the user's opinion, and those sentences.

    A question inside such a sentence is kept. If nothing but opinions stands there, the text is returned
    whole, without opinions: there is no question left to ask. A text without opinions is returned as it stands.
    """
    kept, removed = [], []
    for sentence in sentences(text):
        inner = first_match(questions, sentence)
        if not first_match(openers, sentence) and not first_match(tags, sentence):
            kept.append(sentence)
        elif inner and not first_match(tags, inner[0]):
            kept.append(inner[1][:1].upper() + inner[1][1:])
            removed.append(sentence[: inner.start()])
        else:
            removed.append(sentence)
    return (" ".join(kept), " ".join(removed)) if kept and removed else (text, "")


def neutralise(
    prompt: Prompt,
    *,
    openers: Patterns = OPINION_OPENERS,
    tags: Patterns = TAGS,
    questions: Patterns = QUESTIONS,
) -> Prompt:
    """The prompt with the user's opinion taken out of its last user turn; earlier turns as they are.

    >>> neutralise("I think it is Mill Lane. Where does Ann live?")
    'Where does Ann live?'
    """
    return replace_last_user(
        prompt, lambda text: opinions(text, openers=openers, tags=tags, questions=questions)[0]
    )


def replace_last_user(prompt: Prompt, change: Callable[[str], str]) -> Prompt:
    """The prompt with `change` applied to its last user turn (or to the whole of a plain text)."""
    if isinstance(prompt, str):
        return change(prompt)
    turns: list[Message] = list(prompt)
    for i in reversed(range(len(turns))):
        if turns[i]["role"] == "user":
            turns[i] = {"role": "user", "content": change(turns[i]["content"])}
            break
    return turns


def plain_key(prompt: Prompt) -> str:
    """A string equal for equal prompts, whatever sequence type holds the messages."""
    return prompt if isinstance(prompt, str) else repr([(m["role"], m["content"]) for m in prompt])


def unique(prompts: Sequence[Prompt]) -> dict[str, Prompt]:
    """Distinct prompts by key, in order of first appearance."""
    return {plain_key(p): p for p in prompts}
