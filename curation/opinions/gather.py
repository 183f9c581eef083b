"""What models say of dialogues: a judge's scores, contradictions, moderation, likeness in meaning. All is optional.

    gather_opinions → judge → contradiction → moderation → semantic

Each is a block of the settings; without a block nothing is asked, and not even the client is imported.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from curation.finding import Finding
from curation.opinions import contradiction, judge, moderation, semantic
from curation.opinions.desk import Desk, Errand
from curation.opinions.material import Material
from curation.opinions.semantic import SemanticPairs, SemanticSettings
from curation.settings import CurationSettings
from datagen.endpoint_options import SIMULATOR_MODEL
from datagen.ledger import Ledger

if TYPE_CHECKING:  # openai takes a second to import
    from curation.opinions.contradiction_calls import ContradictionOpinion
    from curation.opinions.judge_calls import JudgeOpinion


@dataclass(frozen=True, slots=True)
class Opinions:
    """What was said of n rows."""

    scores: npt.NDArray[np.float64]
    """[n] The mean of the judge's scores, 1 to 5; NaN where it said nothing."""
    findings: list[tuple[int, Finding]] = field(default_factory=list)
    judge: Mapping[str, object] | None = None
    """Figures for the report, of the judge and of who read for contradictions; None: there was neither."""
    semantic: SemanticPairs | None = None
    """Rows that mean the same; None: nobody asked."""


def gather_opinions(desk: Desk, settings: CurationSettings, material: Material) -> Opinions:
    """Ask all that the settings ask for; what was answered before is not asked again.

    Raises UsageError, BudgetSpentError, ProviderError or DataError: what was answered is stored then, and the same
    command goes on from there.
    """
    if not settings.asks_models:
        return Opinions(np.full(len(material.rows), np.nan))
    desk.has_real = any(provider != SIMULATOR_MODEL for provider in material.rows.column("provider"))
    with desk.open_ledger() as ledger:
        return asyncio.run(_gather(desk, ledger, settings, material))


async def _gather(desk: Desk, ledger: Ledger, settings: CurationSettings, material: Material) -> Opinions:
    scores = np.full(len(material.rows), np.nan)
    findings: list[tuple[int, Finding]] = []
    figures: dict[str, object] = {}
    if settings.judge is not None:
        opinion = await _judge(desk, ledger, settings.judge, material)
        scores = opinion.scores
        figures |= judge.describe_judgements(opinion.summarise())
        findings += opinion.findings
    if settings.contradiction is not None:
        reading = await _read(desk, ledger, settings.contradiction, material)
        figures |= contradiction.describe_reading(reading.summarise())
        findings += reading.findings
    if settings.moderation is not None:
        findings += await _moderate(desk, ledger, settings.moderation, material)
    pairs = None
    if settings.semantic is not None:
        pairs = await _compare(desk, ledger, settings.semantic, material)
    return Opinions(scores, findings, figures or None, pairs)


async def _judge(desk: Desk, ledger: Ledger, settings: judge.JudgeSettings, material: Material) -> "JudgeOpinion":
    from curation.opinions.ask import read_chat
    from curation.opinions.judge_calls import ask_judge

    errand = Errand(judge.CODE, settings.provider, read_chat, settings.provider.max_completion_tokens)
    async with desk.send(errand, ledger) as asker:
        return await ask_judge(asker, settings, material)


async def _read(
    desk: Desk, ledger: Ledger, settings: contradiction.ContradictionSettings, material: Material
) -> "ContradictionOpinion":
    from curation.opinions.ask import read_chat
    from curation.opinions.contradiction_calls import ask_contradictions

    provider = settings.provider
    errand = Errand(contradiction.CODE, provider, read_chat, provider.max_completion_tokens)
    async with desk.send(errand, ledger) as asker:
        return await ask_contradictions(asker, settings, material)


async def _moderate(
    desk: Desk, ledger: Ledger, settings: moderation.ModerationSettings, material: Material
) -> list[tuple[int, Finding]]:
    from curation.opinions.moderation_calls import ask_moderation, read_moderation

    async with desk.send(Errand(moderation.CODE, settings.provider, read_moderation), ledger) as asker:
        return await ask_moderation(asker, settings, material)


async def _compare(desk: Desk, ledger: Ledger, settings: SemanticSettings, material: Material) -> SemanticPairs:
    from curation.opinions.embeddings import embed, embed_locally, embed_over, read_embeddings

    if settings.provider is None:
        vectors, rows = await embed(material, embed_locally(settings.folder or Path(), ledger, desk.tell))
    else:
        async with desk.send(Errand(semantic.CODE, settings.provider, read_embeddings), ledger) as asker:
            vectors, rows = await embed(material, embed_over(asker))
    return semantic.find_pairs(vectors, rows, settings.threshold)
