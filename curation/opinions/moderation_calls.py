"""Ask for moderation, turn by turn: a turn has a place that a reviewer can look at, and one said often is asked once.

What is lost is the context of the turns around it, which a note to a person can do without. Long turns go in pieces.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from pydantic import BaseModel, ValidationError

from curation.finding import Finding
from curation.opinions.ask import Asker, Batching, Reply, ask_texts
from curation.opinions.material import Material
from curation.opinions.moderation import CODE, ModeratedTurn, ModerationSettings, list_findings
from datagen.answer import ForgivenUsage
from datagen.console import err
from datagen.prices import Tokens
from datagen.record import Dialogue
from datagen.retry import BadReplyError

BATCHING = Batching("/moderations", texts=32, characters=20_000)
"""20,000 characters are about 16,000 tokens, half of what omni-moderation reads at once."""
PIECE_CHARACTERS = 8_000
"""The longest text that is scored as one."""


class _Result(BaseModel):
    category_scores: dict[str, float | None]


class _Moderation(BaseModel):
    """What we read of the reply; compatible endpoints add fields and categories of their own."""

    results: list[_Result]
    model: str = ""
    usage: ForgivenUsage = None


def read_moderation(body: bytes, _: str) -> Reply:
    """A part for each input: its scores as JSON. Raises BadReplyError where the body is something else."""
    try:
        found = _Moderation.model_validate_json(body)
    except ValidationError as exc:
        start = body[:120].decode("utf-8", errors="replace")
        raise BadReplyError(f"the reply is no moderation ({exc.error_count()} problems): {start!r}") from exc
    scores = (
        {name: score for name, score in each.category_scores.items() if score is not None} for each in found.results
    )
    tokens = Tokens(found.usage.prompt_tokens if found.usage else 0, 0)
    return Reply(tuple(json.dumps(each) for each in scores), found.model, tokens)


async def ask_moderation(asker: Asker, settings: ModerationSettings, material: Material) -> list[tuple[int, Finding]]:
    """The findings of all readable dialogues, with their rows. Raises what `Asker.ask` raises."""
    findings: list[tuple[int, Finding]] = []
    seen: set[str] = set()
    for chunk in material.read_chunks():
        pieces = chain.from_iterable(_cut(each.content) for _, dialogue in chunk for each in dialogue.messages)
        scores = await _score(asker, pieces)
        seen.update(chain.from_iterable(scores.values()))
        for row, dialogue in chunk:
            turns = _list_turns(dialogue, scores)
            findings += [(row, finding) for finding in list_findings(dialogue, turns, settings)]
    _tell_unknown(settings, seen)
    return findings


async def _score(asker: Asker, texts: Iterable[str]) -> dict[str, Mapping[str, float]]:
    """Text → its scores; those that the endpoint refuses are left out."""
    keys = {text: make_key(text, asker.settings.model) for text in texts}
    return {text: json.loads(reply) for text, reply in (await ask_texts(asker, keys, BATCHING)).items()}


def make_key(text: str, model: str) -> str:
    """sha256 of all that decides a text's scores."""
    return hashlib.sha256(json.dumps([CODE, model, text], ensure_ascii=False).encode()).hexdigest()


def _cut(text: str) -> Iterator[str]:
    return (text[at : at + PIECE_CHARACTERS] for at in range(0, len(text), PIECE_CHARACTERS))


def _list_turns(dialogue: Dialogue, scores: Mapping[str, Mapping[str, float]]) -> list[ModeratedTurn]:
    """The scores of each piece of each message."""
    return [
        ModeratedTurn(message, scores[piece])
        for message, each in enumerate(dialogue.messages)
        for piece in _cut(each.content)
        if piece in scores
    ]


def _tell_unknown(settings: ModerationSettings, seen: set[str]) -> None:
    """A limit for a category that the endpoint does not know is never passed: a slip of the pen, most likely."""
    for name in sorted(settings.categories.keys() - seen) if seen else ():
        known = ", ".join(sorted(seen))
        err.print(f"warning: moderation: no reply has the category '{name}'; it has {known}", markup=False)
