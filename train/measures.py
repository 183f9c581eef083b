"""What is measured of a model's replies: the rules by which the data was curated, and figures of variety.

The filters and limits are curation's own, the run's where it has some: a model is held to what its data was held to.

speech_level   replies that carry a speech level, and throughout the persona's
direction_form of the replies with asterisks or markup, those that pass curation's rule for stage directions
distinct_n     Li et al. 2016: different n-grams among all of all replies, of words between spaces and signs (eojeol)
seq_rep_4      Welleck et al. 2020: word 4-grams of a reply that it has already said
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from curation.filter import Filter, decide
from curation.filters import assistant_tell, label_leak, repetition, speech_level, stage_direction
from curation.report.diversity import measure_distinct
from curation.settings import CurationSettings, load_settings
from curation.source import open_run
from curation.speech.level import judge_sentences
from curation.subject import PersonaSheet, Subject
from datagen.record import Message, clean_text
from datagen.spec import Persona
from train.bootstrap import Ratio

Better = Literal["higher", "lower", ""]

BETTER: dict[str, Better] = {
    "speech_level": "higher",
    "direction_form": "higher",
    "direction_share": "",
    "role_leak": "lower",
    "assistant_tell": "lower",
    "loops": "lower",
    "seq_rep_4": "lower",
    "distinct_1": "",
    "distinct_2": "",
    "distinct_3": "",
    "characters": "",
}
"""Measure → which way is better; empty: nearer to the data's own."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Said:
    """A reply with what it answers. `persona` None: nothing is known of who speaks."""

    asked: str
    text: str
    persona: PersonaSheet | None


@dataclass(frozen=True, slots=True)
class Rules:
    """What the replies are held to."""

    sheets: dict[str, PersonaSheet]
    settings: CurationSettings


def load_rules(run: Path | None, persona: Persona) -> Rules:
    """The personas and limits of a run, else `persona` and the packaged limits. Raises UsageError, SpecError."""
    own = PersonaSheet(persona.id, persona.name, persona.speech_level, persona.user_placeholder, persona.system_prompt)
    sheets = {persona.id: own}
    if run is not None and (run / "spec.yaml").is_file():
        sheets |= open_run(run).personas
    file = run / "curation.yaml" if run is not None else None
    return Rules(sheets, load_settings(file if file is not None and file.is_file() else None))


def measure_replies(replies: Sequence[Said], settings: CurationSettings, specials: Sequence[str]) -> dict[str, Ratio]:
    """Every measure over the replies. `specials`: the tokenizer's special tokens, which nobody says."""
    rows = [_measure_reply(each, settings, specials) for each in replies]
    measures = {name: Ratio.of_mean([row[name] for row in rows]) for name in rows[0]}
    is_formed, is_marked = measures["direction_form"].tops, measures.pop("marked").tops
    measures["direction_form"] = Ratio(is_formed * is_marked, is_marked)
    words = [_list_words(each.text) for each in replies]
    grams = [_list_grams(each, 4) for each in words]
    repeated = [float(len(each) - len(set(each))) for each in grams]
    measures["seq_rep_4"] = Ratio(np.array(repeated), np.array([float(len(each)) for each in grams]))
    for size in (1, 2, 3):
        measures[f"distinct_{size}"] = measure_variety(words, size)
    return {name: measures[name] for name in BETTER}


def _measure_reply(reply: Said, settings: CurationSettings, specials: Sequence[str]) -> dict[str, float]:
    text = clean_text(reply.text)
    subject = Subject.of((Message("user", reply.asked), Message("assistant", text)), reply.persona)
    utterance = subject.utterances[1]
    has_level = any(sentence.level is not None for sentence in judge_sentences(utterance.speech))
    is_formed = not _drops(stage_direction.FILTER, subject, settings)
    has_special = any(token in reply.text for token in specials)
    return {
        "speech_level": float(has_level and not _drops(speech_level.FILTER, subject, settings)),
        "direction_form": float(is_formed),
        "marked": float("*" in text or not is_formed),
        "direction_share": float(bool(utterance.directions)),
        "role_leak": float(has_special or _drops(label_leak.FILTER, subject, settings)),
        "assistant_tell": float(_drops(assistant_tell.FILTER, subject, settings)),
        "loops": float(_drops(repetition.FILTER, subject, settings)),
        "characters": float(len(text.strip())),
    }


def _drops(rule: Filter[Any], subject: Subject, settings: CurationSettings) -> bool:
    """Whether a filter would drop the reply; what it finds in the user's turn is not the model's."""
    limits = settings.filters[rule.code]
    found = decide(rule.code, limits, rule.measure(subject, limits))
    return any(each.verdict == "drop" and each.message != 0 for each in found)


def _list_words(text: str) -> list[str]:
    return _WORD.findall(clean_text(text))


def _list_grams(words: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return list(zip(*(words[at:] for at in range(size)), strict=False))


def measure_variety(texts: Sequence[Sequence[str]], size: int) -> Ratio:
    """distinct-n of all texts, as a mean over the texts of what each of them does to it.

    A text that is drawn twice would count as repetition, so that a plain bootstrap makes every model look poorer than
    it is. Drawn instead are the jackknife's influences (Efron and Tibshirani 1993, chapter 11), centred on the figure.
    """
    value, count = measure_distinct(texts, size), len(texts)
    grams = [_list_grams(each, size) for each in texts]
    owners = Counter(gram for each in grams for gram in set(each))
    kinds, total = len(owners), sum(map(len, grams))
    without = [
        (kinds - sum(owners[gram] == 1 for gram in set(each))) / (total - len(each)) if total > len(each) else value
        for each in grams
    ]
    influences = (count - 1) * (np.mean(without) - np.array(without)) if count else np.array([])
    return Ratio(value + influences, np.full(count, float(total > 0)))
