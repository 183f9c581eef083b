"""What a reviewer would look at in a curated folder: accepted and waiting dialogues, and those reviewed already."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from curation.exchange.answers import Shown
from curation.exchange.shown import render_media
from curation.exchange.transcript import render_text
from curation.lookup import load_texts, read_table
from curation.reviewing.read import read_all_reviews
from curation.reviews import AS_GENERATED, Review, Reviews
from curation.schemas import DECISIONS, FINDINGS
from datagen.errors import UsageError
from datagen.record import Dialogue

STATUSES = ("accepted", "waiting")
CHUNK_ROWS = 1_000
"""Dialogues whose texts are in memory at once."""


@dataclass(frozen=True, slots=True)
class Card:
    """One dialogue. `decision`, `findings`: rows of the files in `curated/`."""

    dialogue: Dialogue
    """With the text that was judged."""
    revision: int
    """Of that text, from 1 = as generated."""
    decision: dict[str, Any]
    findings: tuple[dict[str, Any], ...]
    reviews: tuple[Review, ...]
    """The verdict that counts, behind the edit that it was given on."""
    media: str = ""
    """Its pictures and recordings as HTML; empty where there are none."""

    @property
    def shown(self) -> Shown:
        return Shown(self.dialogue.id, render_text(self.dialogue.messages), self.revision)

    def list_findings(self) -> list[str]:
        """The findings in words, a line each, turns from 1."""
        lines = []
        for each in self.findings:
            place = "" if each["message"] is None else f"{each['message'] + 1}번째 말: "
            score = f"({each['score']:.3g} / {each['threshold']:.3g})"
            lines.append(f"{place}{each['code']} {each['rule']} {score} {' '.join(each['evidence'].split())}")
        return lines


def read_cards(folder: Path) -> Iterator[Card]:
    """The cards of a curated folder, in the order of its decisions.

    Raises UsageError where it is not curated, DataError where a file cannot be read.
    """
    curated = folder / "curated"
    if not (curated / "decisions.parquet").is_file():
        raise UsageError(f"{folder} is not curated: there is no curated/ in it", f"run `damhwa curate {folder}` first")
    reviews = read_all_reviews(folder)
    decisions = [
        row
        for row in read_table(curated / "decisions.parquet", DECISIONS.names).to_pylist()
        if row["status"] in STATUSES or row["id"] in reviews.by_id
    ]
    findings: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in read_table(curated / "findings.parquet", FINDINGS.names).to_pylist():
        findings[row["id"]].append(row)
    for at in range(0, len(decisions), CHUNK_ROWS):
        chunk = decisions[at : at + CHUNK_ROWS]
        texts = load_texts(folder, [row["id"] for row in chunk])
        for row in chunk:
            card = _make_card(texts[row["id"]], row, tuple(findings[row["id"]]), reviews)
            yield replace(card, media=render_media(folder, card.dialogue.media)) if card.dialogue.media else card


def _make_card(
    dialogue: Dialogue, decision: dict[str, Any], findings: tuple[dict[str, Any], ...], reviews: Reviews
) -> Card:
    verdict, edit = reviews.by_id.get(dialogue.id), reviews.find_edit(dialogue.id)
    revision = (edit.revision if edit else None) or AS_GENERATED
    if verdict is None:
        own: tuple[Review, ...] = ()
    elif edit is None or verdict.verdict == "edit":
        own = (verdict,)
    else:
        own = (edit, verdict)
    return Card(dialogue, revision, decision, findings, own)
