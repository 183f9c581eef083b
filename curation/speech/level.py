"""The speech level of each sentence of an utterance: 반말, 존댓말, or none that anybody could tell.

The table of endings judges first; morphology only where the table is not sure, which is one sentence in a hundred of a
persona's. (A classifier of character n-grams as the third judge was tried and left out: on the development set it
decided 3 sentences more, and gave a level to 27 of the 230 that carry none. Spellings like 조아써 went into the table.)
"""

from typing import Literal, NamedTuple

from curation.speech.ending import UNSURE, load_endings
from curation.speech.morphology import judge_by_morphology
from curation.speech.sentence import mask_quotes, split_sentences
from curation.subject import SpeechLevel

Judge = Literal["suffix", "kiwi"]

_MOST_ASKED = 200
"""Different sentences of one utterance that morphology is asked about: no speech has more, a broken megabyte might."""


class SentenceLevel(NamedTuple):
    """Characters `start` to `end` of the text are one sentence. `level` None: it carries none, or none can be told.

    `by` is who said so; None where both judges passed. `confidence` is in 0..1.
    """

    start: int
    end: int
    level: SpeechLevel | None
    confidence: float
    by: Judge | None


def judge_sentences(text: str) -> list[SentenceLevel]:
    """The sentences of an utterance (NFC, stage directions blanked) and their levels, in order.

    Never raises; linear in the text's length.
    """
    masked = mask_quotes(text)
    endings = load_endings()
    found: list[SentenceLevel] = []
    unsure: list[int] = []
    for start, end in split_sentences(masked, endings.closes):
        told = endings.judge(masked[start:end])
        if not told.is_sure:
            unsure.append(len(found))
        found.append(SentenceLevel(start, end, told.level, told.confidence, "suffix"))
    if unsure:
        asked = list(dict.fromkeys(masked[found[each].start : found[each].end] for each in unsure))[:_MOST_ASKED]
        answers = dict(zip(asked, judge_by_morphology(asked), strict=True))
        for index in unsure:
            place = found[index]
            told = answers.get(masked[place.start : place.end], UNSURE)
            by: Judge | None = "kiwi" if told.is_sure else None
            found[index] = SentenceLevel(place.start, place.end, told.level, told.confidence, by)
    return found
