"""Typed rows and their provenance: what every floor hands to the next."""

from truenorth.records.types import (
    Completion,
    Group,
    Judgement,
    Message,
    Prompt,
    Row,
    Scored,
    Source,
    as_messages,
    prompt_text,
)

__all__ = [
    "Completion",
    "Group",
    "Judgement",
    "Message",
    "Prompt",
    "Row",
    "Scored",
    "Source",
    "as_messages",
    "prompt_text",
]
