"""How a persona writes, counted turn by turn: what it calls itself and the user, its marks, how long its sentences are.

Counts of turns add up; those of a window are the difference of two sums, so that the time grows with the turns.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from curation.speech.level import judge_sentences
from curation.subject import PersonaSheet, Utterance

_SELF = re.compile(
    r"(?<![가-힣])(?:(?P<plain>난|나[는도를]|나[한랑만](?:테)?|나|내가|날)|(?P<humble>저[는도를]|저[한랑만](?:테)?|제가))(?=[\s,.!?~…]|$)"
)
"""제 and 내 before a noun, 전 and 절 are left out: they are other words as well (제 시간, 전 직장)."""

DISTANT = "고객님"
"""Stands for all words that keep the user at a distance."""
_ADDRESSED = re.compile(
    r"(?<![가-힣])(?:(?P<너>너|네가|니가|너[는도를랑]|너한테|너의|넌|널)|(?P<당신>당신)|(?P<자기>자기야?|여보)"
    rf"|(?P<{DISTANT}>고객님|회원님|손님|사용자님?|이용자님?|유저님))(?=[\s,.!?~…은는이가을를도께의]|$)"
)
_MARKS = {
    "느낌표": re.compile("!"),
    "웃음": re.compile("[ㅋㅎ]{2}"),
    "물결표": re.compile("[~∼〜～]"),
    "^^": re.compile(r"\^\^"),
}

_LEAST_CONFIDENCE = 0.6
"""As in `speech-level`: below it a sentence's level is not counted."""


@dataclass(frozen=True, slots=True)
class Habits:
    """Counts over some turns of the persona."""

    turns: int
    directed: int
    """Turns with a stage direction."""
    sentences: int
    letters: int
    """Characters of those sentences, without spaces."""
    levels: Counter[str]
    """Sentences in 반말 and in 존댓말 (`banmal`, `jondaetmal`)."""
    selves: Counter[str]
    """나, 저, or the persona's name → how often it stands for the persona."""
    addresses: Counter[str]
    """What the user is called → how often."""
    marks: Counter[str]
    """Mark → turns that have it."""

    @property
    def words(self) -> tuple[Counter[str], ...]:
        return self.levels, self.selves, self.addresses, self.marks


def count_habits(utterance: Utterance, persona: PersonaSheet | None) -> Habits:
    """The counts of one turn."""
    speech = utterance.speech
    sentences = judge_sentences(speech)
    levels = Counter(
        each.level for each in sentences if each.level is not None and each.confidence >= _LEAST_CONFIDENCE
    )
    return Habits(
        turns=1,
        directed=int(bool(utterance.directions)),
        sentences=len(sentences),
        letters=sum(len("".join(speech[each.start : each.end].split())) for each in sentences),
        levels=Counter(levels),
        selves=_count_selves(speech, persona.name.strip() if persona else ""),
        addresses=_count_addresses(utterance.text, persona.user_placeholder if persona else ""),
        marks=Counter(name for name, mark in _MARKS.items() if mark.search(speech)),
    )


def _count_selves(speech: str, name: str) -> Counter[str]:
    found = Counter("나" if each["plain"] else "저" for each in _SELF.finditer(speech))
    if name and name in speech:
        found[name] += len(_compile_own(name).findall(speech))
    return found


@cache
def _compile_own(name: str) -> re.Pattern[str]:
    """The persona's name where it stands for `I`: 엑사는 졸려. Not 엑사야, which introduces it."""
    return re.compile(
        rf"(?<![가-힣A-Za-z]){re.escape(name)}(?:이?[는가도를랑]|이가|은|이|을|한테|이한테)(?=[\s,.!?~…])"
    )


def _count_addresses(text: str, placeholder: str) -> Counter[str]:
    found = Counter(str(each.lastgroup) for each in _ADDRESSED.finditer(text))
    if placeholder and placeholder in text:
        found[placeholder] += text.count(placeholder)
    return found


def add_up(turns: Sequence[Habits], borders: Sequence[int]) -> list[Habits]:
    """The counts of all turns before each border; borders are in order."""
    running = Habits(0, 0, 0, 0, Counter(), Counter(), Counter(), Counter())
    sums, done = [], 0
    for border in borders:
        for each in turns[done:border]:
            running = replace(
                running,
                turns=running.turns + each.turns,
                directed=running.directed + each.directed,
                sentences=running.sentences + each.sentences,
                letters=running.letters + each.letters,
            )
            for total, own in zip(running.words, each.words, strict=True):
                total.update(own)
        done = border
        levels, selves, addresses, marks = (each.copy() for each in running.words)
        sums.append(replace(running, levels=levels, selves=selves, addresses=addresses, marks=marks))
    return sums


def subtract(whole: Habits, part: Habits) -> Habits:
    """What is left of the counts without those of some of the turns."""
    return Habits(
        turns=whole.turns - part.turns,
        directed=whole.directed - part.directed,
        sentences=whole.sentences - part.sentences,
        letters=whole.letters - part.letters,
        levels=whole.levels - part.levels,
        selves=whole.selves - part.selves,
        addresses=whole.addresses - part.addresses,
        marks=whole.marks - part.marks,
    )
