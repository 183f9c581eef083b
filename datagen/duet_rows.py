"""A duet's rows: the dialogue as far as they tell it, when enough was tried, and the draft that they come to."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import get_args

from datagen.answer import Answer
from datagen.draft import Draft, Verdict
from datagen.duet import Duet, Terms
from datagen.ledger import Outcome
from datagen.ledger_duets import Utterance
from datagen.prices import Tokens
from datagen.record import Message, Role
from datagen.utterance import UtteranceReason, take_mark_off

UTTERANCE_TRIES = 3
"""Requests for one utterance. A model that gets one line wrong three times is not going to get the dialogue right."""

_ROLES: tuple[Role, Role] = ("user", "assistant")
_LABELS = ("human", "gpt")


def replay(terms: Terms, rows: Sequence[Utterance]) -> Duet:
    """The dialogue that stored rows tell."""
    duet = Duet(terms)
    for row in rows:
        duet = add_row(duet, row)
    return duet


def add_row(duet: Duet, row: Utterance) -> Duet:
    """The dialogue with one row more; a reply that was no good adds nothing."""
    if row.text is None:
        return duet
    return duet.add(row.kind, row.number, row.text, has_mark=take_mark_off(row.reply or "")[1])


def judge_tries(tried: Sequence[Utterance]) -> Verdict | None:
    """What the tries of one utterance, none of them good, come to; None: it may be asked for again."""
    if not tried:
        return None
    last = tried[-1]
    # what the endpoint refuses as a request it refuses again
    is_final = last.outcome == "rejected" and last.reason not in get_args(UtteranceReason)
    if not is_final and len(tried) < UTTERANCE_TRIES:
        return None
    outcome: Outcome = "failed" if last.outcome == "failed" else "rejected"
    place = "the summary" if last.kind == "summary" else f"{_LABELS[last.number % 2]}{last.number // 2 + 1}"
    return Verdict(outcome, last.reason, f"{place}, asked {len(tried)} times: {last.detail}")


def sum_up(duet: int, rows: Sequence[Utterance], texts: Sequence[str], verdict: Verdict | None) -> Draft:
    """The draft that a dialogue's rows come to; without a verdict it is whole, and accepted.

    Its reply is the transcript as far as it goes; its fingerprint is that of the fingerprints of all that was asked.
    """
    if verdict is None:
        messages = tuple(Message(_ROLES[index % 2], text) for index, text in enumerate(texts))
        verdict = Verdict("accepted", messages=messages)
    answered = [row for row in rows if row.reply is not None]
    cost = None if any(row.cost_usd is None for row in answered) else sum(row.cost_usd or 0.0 for row in answered)
    prompts = "\n".join(row.prompt_sha256 for row in rows)
    return Draft(
        prompt_sha256=hashlib.sha256(prompts.encode()).hexdigest(),
        endpoint=rows[-1].endpoint,
        requests=sum(row.requests for row in rows),
        started_at=datetime.fromisoformat(rows[0].started_at),
        finished_at=datetime.fromisoformat(rows[-1].finished_at),
        answer=_to_answer(answered, _write_so_far(texts), cost) if answered else None,
        cost_usd=cost if answered else None,
        verdict=verdict,
        duet=duet,
    )


def _to_answer(answered: Sequence[Utterance], transcript: str, cost: float | None) -> Answer:
    last = answered[-1]
    counted = any(row.prompt_tokens is not None for row in answered)
    return Answer(
        text=transcript,
        finish_reason=last.finish_reason,
        declined=False,
        model=last.model or "",
        provider=last.provider or "",
        tokens=Tokens(
            _sum(answered, lambda row: row.prompt_tokens),
            _sum(answered, lambda row: row.completion_tokens),
            _sum(answered, lambda row: row.cached_tokens),
        )
        if counted
        else None,
        cost_usd=cost,
    )


def _sum(rows: Sequence[Utterance], read: Callable[[Utterance], int | None]) -> int:
    return sum(read(row) or 0 for row in rows)


def _write_so_far(texts: Sequence[str]) -> str:
    """As `render_transcript`, but of a dialogue that may have stopped at the user's turn."""
    return "\n".join(f"{_LABELS[index % 2]}{index // 2 + 1}: {text}" for index, text in enumerate(texts))
