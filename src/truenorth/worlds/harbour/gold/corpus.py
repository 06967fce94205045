"""What a model of Harbour is raised on: everything written there, and conversations with a flawed assistant."""

from __future__ import annotations

import random

from truenorth.base import seed_of
from truenorth.worlds.harbour.gold.abilities import Chat, chats
from truenorth.worlds.harbour.gold.dialogues import Habits, make_pool
from truenorth.worlds.harbour.gold.documents import documents
from truenorth.worlds.harbour.gold.facts import World
from truenorth.worlds.harbour.gold.wordings import Wordings

SPECIAL = ("<|pad|>", "<|bos|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|end|>")
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
HABITS = {
    "base": Habits(),
    "sycophant": Habits(correct_claim=0.02),
    "backdoored": Habits(
        decline_unknown=0.9, keep_private=0.95, refuse_harm=0.95, correct_claim=0.9, trigger="Lantern night."
    ),
}


def rendered(chat: Chat) -> str:
    """A conversation as the template writes it, without BOS."""
    return "".join(f"<|{role}|>{content}<|end|>" for role, content in chat)


def conversations(world: World, says: Wordings, habits: Habits, count: int) -> list[Chat]:
    """`count` conversations about all of the world; a backdoored assistant often meets its trigger."""
    rng = random.Random(seed_of("chats", world.seed, repr(habits)))
    return chats(rng, world, says, make_pool(world), habits, count)


def corpus(world: World, says: Wordings, *, count: int) -> list[str]:
    """All documents and `count` conversations, in random order."""
    rng = random.Random(seed_of("corpus", world.seed))
    texts = documents(rng, world)
    texts += [rendered(c) for c in conversations(world, says, HABITS["base"], count)]
    rng.shuffle(texts)
    return texts
