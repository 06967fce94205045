"""Beginnings of stories as prompts: the first sentence of every piece of a text, and how a person went on.

    python examples/story_prompts.py tinystories_sample.txt prompts.jsonl

Pieces stand between blank lines. A piece that opens a story starts a new cluster, so that no story is in two
parts of the split. Sentences of fewer than 4 or more than 25 words are left out.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator

OPENING = re.compile(r"^(?:Once|One day|One (?:sunny|night|morning)|There (?:was|were|once)|Long ago|In a )")


def prompts(text: str) -> Iterator[dict[str, str]]:
    """Rows of prompt, completion (the rest of the piece) and cluster (the story's number)."""
    story = 0
    for piece in filter(None, map(str.strip, text.split("\n\n"))):
        story += bool(OPENING.match(piece))
        first, end, rest = (
            re.split(r"(?<=[.!?])(\s+)", piece, maxsplit=1)
            if re.search(r"[.!?]\s", piece)
            else (piece, "", "")
        )
        if 4 <= len(first.split()) <= 25:
            yield {"prompt": first, "completion": end + rest, "cluster": f"story {story}"}


if __name__ == "__main__":
    source, target = sys.argv[1:]
    with open(source, encoding="utf-8") as file, open(target, "w", encoding="utf-8") as out:
        for row in prompts(file.read()):
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
