"""Debates as rows: what two debaters said for two answers, and which answer a judge was left believing.

Source: Irving et al. 2018 (arXiv:1805.00899); the debate itself, both seatings, is `DebateJudge`.
"""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.judges import DebateJudge
from truenorth.judges.logprob import preference
from truenorth.records import Row, Source
from truenorth.synth.answers import answer_text
from truenorth.synth.asking import gathered
from truenorth.synth.filters import Filtered, row_prompt
from truenorth.synth.pairs import as_pair


def debated(judge: DebateJudge, rows: Sequence[Row], *, margin: float = 0.0) -> Filtered:
    """Preference rows from preference rows, put in the order in which a debate leaves the judge, with `transcript`.

    Each debate is held in both seatings; `win_rate` is the judge's chance of either answer over both, chosen first,
    and the transcript has a line a speech, of the first seating. The rows' own order decides nothing. Reasons: "no
    verdict", "seatings disagree", "tie" (within the margin of one half).
    """
    texts = [tuple(answer_text(row.data[side]) for side in ("chosen", "rejected")) for row in rows]
    prompts = [row_prompt(row) for row in rows]
    turned = [pair[::-1] for pair in texts]
    played = judge.play([*prompts, *prompts], *zip(*texts, *turned)) if rows else []
    made: list[Row | str] = []
    for row, pair, there, back in zip(rows, texts, played, played[len(rows) :]):
        found = preference(
            *(None if p.answer.shares is None else p.answer.shares["A"] for p in (there, back))
        )
        if found.first is None:
            made.append("seatings disagree" if found.consistent is False else "no verdict")
        elif abs(found.first - 0.5) <= margin:
            made.append("tie")
        else:
            chosen, rejected = pair if found.first > 0.5 else pair[::-1]
            high = max(found.first, 1 - found.first)
            lines = [
                f"{side}: {text}" for turn in there.speeches for side, text in zip("AB", turn, strict=True)
            ]
            source = Source(
                "debate",
                "inductive_bias",
                model=judge.debater.name,
                judge=judge.name,
                seed=judge.seed,
                parents=(row.id,),
            )
            columns = {"win_rate": [high, 1 - high], "transcript": lines}
            made.append(as_pair(row_prompt(row), chosen, rejected, source, **columns))
    return gathered(made)
