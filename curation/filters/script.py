"""script: letters that have no business in Korean text: slips of the model and damage on the way.

Why    Multilingual models slip into Han, kana or Cyrillic mid-sentence, and tokenizers lose half a syllable.
Drops  "너무 開心해", "오늘 очень 좋다", "안녕�", "ìëíì¸ì", "안녀ㅇ 나 왔어", a dialogue that is mostly Latin.
Keeps  "기(氣)", "'愛'라는 글자" (noted), "π는 3.14", "ㅋㅋㅋ", "ㅇㅋ", "안돼ㅐㅐ", "Netflix 볼래?", "(´ω`)", "→ ♡ ☆".
"""

import re
from collections.abc import Iterator
from functools import cache

from curation.filter import Filter, FilterSettings
from curation.filters.word_file import WordForm, read_words
from curation.finding import AtLeast, AtMost, Observation
from curation.signs.foreign_script import ForeignRun, find_foreign
from curation.signs.lone_jamo import JamoKind, find_lone_jamo
from curation.signs.mojibake import find_mojibake, list_rare_syllables
from curation.signs.talk import TalkReader
from curation.subject import Subject, Utterance


class Settings(FilterSettings):
    """Limits of `script`."""

    foreign: AtLeast = AtLeast(drop=1)
    """Letters of a foreign script standing bare in one utterance. Default: one is a slip."""
    glossed: AtLeast = AtLeast(note=1)
    """Foreign letters that are quoted, glossed or the matter of the talk, in one utterance. Default: noted, since
    deliberate."""
    mojibake: AtLeast = AtLeast(drop=1)
    """Utterances read in the wrong encoding: 1 for each. Default: never wanted."""
    replacement: AtLeast = AtLeast(drop=1)
    """U+FFFD, private-use and non-characters in one utterance. Default: never wanted."""
    conjoining: AtLeast = AtLeast(drop=1, note=0.5)
    """Conjoining jamo (U+1100…) that did not compose, in one utterance; laughter typed with them (ᄏᄏ) counts 0.5 in
    all. Default: damage drops, laughter is noted."""
    lone_jamo: AtLeast = AtLeast(drop=1, note=0.5)
    """How sure it is that letters standing alone are damage: 1 a slip in the persona's speech or a word come apart,
    0.5 a slip of the user's, an unknown shorthand, or a curt "ㅇㅇ" of the persona. Default: what is sure drops."""
    hangul_share: AtMost = AtMost(drop=0.3, note=0.5)
    """Hangul among the letters of a dialogue, 0..1, reported from 0.7 down where it has 20 letters. Default: the
    simulator's dialogues lie above 0.98; a lesson with English sentences reaches 0.5."""


class _Words(WordForm):
    chat: frozenset[str]
    curt: frozenset[str]
    letter_talk: tuple[str, ...]
    language_talk: tuple[str, ...]
    playful: frozenset[str]


@cache
def _read_words() -> _Words:
    return read_words("script", _Words)


_LEAST_LETTERS = 20
_SHARE_FLOOR = 0.7
_LATIN = re.compile("[A-Za-z]+")
_HANGUL = re.compile("[가-힣]+")
_REPLACEMENT = re.compile("[\ufffc\ufffd\ufdd0-\ufdef\ufffe\uffff\ue000-\uf8ff\U000f0000-\U0010ffff]+")
_CONJOINING = re.compile("[\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff]+")
_CONJOINING_LAUGHTER = "\u110f\u1112\u116e\u1172\u11bf\u11c2"


@cache
def _compile_language_talk() -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, _read_words().language_talk)))


@cache
def _compile_suspect() -> re.Pattern[str]:
    """Finds the first character that any rule might mind. Most utterances have none, and are done."""
    rare = list_rare_syllables()
    common = "".join(each for each in map(chr, range(0xAC00, 0xD7A4)) if each not in rare)
    return re.compile(rf"[^{common}\n\t -$'-\[\]-~ㅋㅎㅠㅜ‘’“”…·–—→←↑↓♡♥☆★°×÷½①-⑳「」『』]|쏙옙|%E|&#")


def measure(subject: Subject, _: Settings) -> Iterator[Observation]:
    suspect = _compile_suspect()
    if suspect.search(subject.whole):
        talk = TalkReader(subject, _compile_language_talk())
        for utterance in subject.utterances:
            if suspect.search(utterance.text):
                yield from _measure_utterance(utterance, talk)
    if latin := sum(map(len, _LATIN.findall(subject.whole))):
        hangul = sum(map(len, _HANGUL.findall(subject.whole)))
        share = hangul / (hangul + latin)
        if hangul + latin >= _LEAST_LETTERS and share <= _SHARE_FLOOR:
            yield Observation("hangul_share", share, f"글자 가운데 한글이 {share:.0%}뿐")


def _measure_utterance(utterance: Utterance, talk: TalkReader) -> Iterator[Observation]:
    text, index = utterance.text, utterance.index
    if (span := find_mojibake(text)) is not None:
        yield Observation("mojibake", 1, f"깨진 글자 '{_quote(text, *span)}'", index, *span)
        return
    if found := list(_REPLACEMENT.finditer(text)):
        count = sum(len(each[0]) for each in found)
        yield Observation("replacement", count, f"알 수 없는 글자 {count}개", index, *found[0].span())
    if found := list(_CONJOINING.finditer(text)):
        damage = sum(len(each[0].strip(_CONJOINING_LAUGHTER)) for each in found)
        evidence = f"조합되지 않은 자모 '{_quote(text, *found[0].span())}'"
        yield Observation("conjoining", damage or 0.5, evidence, index, *found[0].span())
    yield from _measure_foreign(utterance, talk)
    yield from _measure_jamo(utterance)


def _measure_foreign(utterance: Utterance, talk: TalkReader) -> Iterator[Observation]:
    """One observation for the bare runs of an utterance, one for the glossed ones, each at its first run."""
    playful = _read_words().playful
    bare: list[ForeignRun] = []
    glossed: list[ForeignRun] = []
    for run in find_foreign(utterance.text):
        window = utterance.text[max(0, run.start - 1) : run.end + 1]
        in_play = run.letters <= 2 and any(word in window for word in playful)
        deliberate = run.kind == "glossed" or in_play or talk.has_turned(utterance.index)
        (glossed if deliberate else bare).append(run)
    for rule, runs in (("foreign", bare), ("glossed", glossed)):
        if runs:
            first = runs[0]
            evidence = f"{first.script} '{_quote(utterance.text, first.start, first.end)}'"
            letters = sum(each.letters for each in runs)
            yield Observation(rule, letters, evidence, utterance.index, first.start, first.end)


_JAMO_EVIDENCE: dict[JamoKind, str] = {
    "slip": "떨어져 나온 자모 '{}'",
    "odd": "뜻을 알 수 없는 자모 '{}'",
    "curt": "페르소나가 '{}'라고만 씀",
}


def _measure_jamo(utterance: Utterance) -> Iterator[Observation]:
    words = _read_words()
    text = utterance.text
    if any(word in text for word in words.letter_talk):
        return
    by_user = utterance.role == "user"
    for run in find_lone_jamo(text, words.chat, words.curt):
        if by_user and run.kind == "curt":
            continue
        come_apart = run.end - run.start >= 4
        score = 1.0 if run.kind == "slip" and (come_apart or not by_user) else 0.5
        start = run.start - 1 if run.start and "가" <= text[run.start - 1] <= "힣" else run.start
        evidence = _JAMO_EVIDENCE[run.kind].format(_quote(text, start, run.end))
        yield Observation("lone_jamo", score, evidence, utterance.index, start, run.end)


def _quote(text: str, start: int, end: int) -> str:
    return text[start:end] if end - start <= 40 else f"{text[start : start + 40]}…"


FILTER = Filter("script", 1, Settings, measure)
