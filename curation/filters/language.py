"""language: an utterance that is not Korean.

Why    A model that answers in English, Japanese or romanised Korean teaches the persona to do the same.
Drops  "I was just thinking about you too!" as an answer, a user who writes English, "annyeong! jal jinaess-eo?".
Keeps  A song title, a quoted phrase, code, formulas, "OK", "Good night!"; turns in a language that is being practised
       are noted.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from curation.filter import Filter, FilterSettings
from curation.filters.word_file import WordForm, read_words
from curation.finding import AtLeast, Observation
from curation.signs.talk import TalkReader
from curation.subject import Subject, Utterance


class Settings(FilterSettings):
    """Limits of `language`."""

    persona_turn: AtLeast = AtLeast(drop=0.6, note=0.4)
    """Words that are not Korean among the words of the persona's speech, 0..1, reported from 0.3 up where there are
    `least_words` of them. Default: above a half the turn is in the other language; casual mixing stays below."""
    user_turn: AtLeast = AtLeast(drop=0.8, note=0.5)
    """The same of a user's utterance. Default: looser, since nothing is learned from it but to answer it."""
    practice: AtLeast = AtLeast(note=0.5)
    """The same of either's, where the talk is of a foreign language, a song or code. Default: noted."""
    romanised: AtLeast = AtLeast(drop=0.6, note=0.1)
    """Korean in Latin letters (annyeong) among the words of an utterance, 0..1. Default: most of the words; one among
    Korean ("나도 saranghae") is play, and noted."""
    least_words: int = 5
    """Words that are not Korean from which on an utterance is judged: "OK", "Good night!", "Happy birthday to you" are
    below. Two letters of Han or kana count as a word."""


class _Words(WordForm):
    language_talk: tuple[str, ...]
    romanised: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Patterns:
    language_talk: re.Pattern[str]
    romanised: re.Pattern[str]


@cache
def _compile_words() -> _Patterns:
    words = read_words("language", _Words)
    romanised = "|".join(sorted(map(re.escape, words.romanised), key=len, reverse=True))
    return _Patterns(
        re.compile("|".join(map(re.escape, words.language_talk))),
        re.compile(rf"(?i)(?<![\w-])(?:{romanised})(?![\w-])"),
    )


_FLOOR = 0.3
_CANDIDATE = re.compile("[A-Za-z\u0370-\u10ff\u1200-\u1cff\u3041-\u30ff\u3400-\u9fff]")
_QUOTED = re.compile(
    r"\"[^\"\n]{1,200}\"|“[^”\n]{1,200}”|‘[^’\n]{1,200}’|(?<![A-Za-z])'[^'\n]{1,200}'(?![A-Za-z])"
    r"|「[^」\n]{1,200}」|『[^』\n]{1,200}』|<[^>\n]{1,200}>|\([^()\n]{1,200}\)|`[^`\n]{1,400}`|https?://\S+"
)
_WORD = re.compile(r"[(\[]?([A-Za-z\u00c0-\u024f]+(?:['’-][A-Za-z\u00c0-\u024f]+)*)[,.!?~…;:)\]♡♥^]*")
_OTHER_SCRIPT = re.compile("[\u0370-\u10ff\u1200-\u1cff\u3041-\u30ff\u3400-\u9fff]")
_HANGUL = re.compile("[가-힣]")


def measure(subject: Subject, settings: Settings) -> Iterator[Observation]:
    talk = TalkReader(subject, _compile_words().language_talk)
    for utterance in subject.utterances:
        if _CANDIDATE.search(utterance.text):
            yield from _measure_utterance(utterance, talk, settings)


def _measure_utterance(utterance: Utterance, talk: TalkReader, settings: Settings) -> Iterator[Observation]:
    speech = _QUOTED.sub(" ", utterance.speech)
    tokens = speech.split()
    korean = sum(_HANGUL.search(token) is not None for token in tokens)
    if found := list(_compile_words().romanised.finditer(speech)):
        share = len(found) / (korean + sum(_WORD.fullmatch(token) is not None for token in tokens) or 1)
        words = " ".join(each[0] for each in found[:5])
        yield Observation("romanised", min(share, 1.0), f"로마자로 쓴 한국어 '{_shorten(words)}'", utterance.index)
    foreign = _count_latin_words(tokens) + sum(len(_OTHER_SCRIPT.findall(token)) for token in tokens) // 2
    share = foreign / (foreign + korean) if foreign else 0.0
    if foreign < settings.least_words or share < _FLOOR:
        return
    practised = talk.has_turned(utterance.index)
    rule = "practice" if practised else "user_turn" if utterance.role == "user" else "persona_turn"
    evidence = f"낱말의 {share:.0%}가 한국어가 아님: '{_shorten(utterance.text)}'"
    yield Observation(rule, share, evidence, utterance.index, 0, len(utterance.text))


def _count_latin_words(tokens: list[str]) -> int:
    """Words of a language in Latin letters: not initials (GPU, BTS), code (`x=1`, `print()`) or a title.

    A title is known by its capitals: "Bohemian Rhapsody", "The Lord of the Rings".
    """
    words = [found[1] for token in tokens if (found := _WORD.fullmatch(token)) is not None]
    words = [each for each in words if each in "aI" or not (each.isupper() or len(each) == 1)]
    long = [each for each in words if len(each) > 3]
    if len(long) >= 2 and all(each[0].isupper() for each in long):
        return 0
    return len(words)


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"


FILTER = Filter("language", 1, Settings, measure)
