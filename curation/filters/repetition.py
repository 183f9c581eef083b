"""repetition: the persona loops, says its lines again, or hands the user's line back; a long dialogue goes in circles.

Why    A looping model repeats itself, and training on loops teaches loops.
Drops  "네, 알겠습니다." as three of four persona turns, "사랑해 사랑해 사랑해 …" without end, "아아아아…" over half a
       line, "오늘 회사에서 너무 힘들었어" answered by "오늘 회사에서 너무 힘들었어?"; at length, the same
       exchange or question four times, ten turns of "잘 자" and "너도 잘 자".
Keeps  A greeting said twice or given back, a refrain, a word game, "토닥토닥", "ㅋㅋㅋㅋㅋ", a word echoed in play, a
       goodbye of six turns.

Cheap questions first (splitting, sets): nearly every dialogue is done with them. What a circle of a long dialogue
tells, the rules for the persona's lines do not tell again.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from curation.filter import Filter, FilterSettings
from curation.finding import AtLeast, Observation
from curation.normal_form import fold
from curation.signs.circles import list_circles
from curation.signs.loops import find_letter_loops, find_phrase, find_spaced_loop
from curation.subject import Subject, Utterance


class Settings(FilterSettings):
    """Limits of `repetition`."""

    repeated_lines: AtLeast = AtLeast(drop=0.34, note=0.2)
    """The persona's sentences that it has said before, among its sentences of 6 letters and more, 0..1. Default: a
    third of what it says; in the simulator's dialogues none."""
    repeated_turns: AtLeast = AtLeast(drop=0.5, note=0.34)
    """The persona's turns that it has given before, 0..1, reported from two repeats on. Default: "응." every time."""
    repeated_phrase: AtLeast = AtLeast(drop=0.3, note=0.1)
    """The persona's words that belong to repeats of a phrase of 4 words and 8 letters, said three times and more,
    0..1. Default: a refrain stays below."""
    letter_loop: AtLeast = AtLeast(drop=20, note=12)
    """How often a letter stands in a row, reported from 10 on; laughter and signs apart. Default: a scream in chat
    ("아아아아아") has up to ten."""
    sign_loop: AtLeast = AtLeast(drop=100, note=40)
    """The same of laughter, tears and signs ("ㅋㅋㅋㅋ", "!!!!"), reported from 40 on. Default: a line of laughter is
    natural, three are not."""
    unit_loop: AtLeast = AtLeast(drop=9, note=6)
    """How often a unit of 2 to 6 letters, or of 1 to 4 words, stands in a row, reported from 6 on. Default: "두근두근
    두근두근" has four."""
    echo: AtLeast = AtLeast(drop=0.7, note=0.5)
    """Jaccard similarity of the words of an answer and of the user's turn before it, 0..1, reported from 0.35 on where
    the user's turn has 4 words and is no greeting. Default: human pairs reach 0.67."""
    handed_back: AtLeast = AtLeast(note=0.8)
    """The user's words that stand in an answer, 0..1, reported from 0.7 on where the user's turn has 5 words. Default:
    noted, since what follows the repetition may be worth it."""
    rounds: AtLeast = AtLeast(drop=3)
    """In a dialogue of 16 messages and more, how often one stretch of 1 to 8 exchanges is gone through in a row, nearly
    word for word by both, reported from 3 on, from 4 on where it is one exchange. Default: a game has three rounds."""
    said_again: AtLeast = AtLeast(drop=5, note=3)
    """The same, places at which one speaker says nearly the same (6 letters and more; affection apart), reported from 3
    on. Default: a running joke comes three or four times."""
    asked_again: AtLeast = AtLeast(drop=4, note=3)
    """The same of a question of the user's. Default: who asks a fourth time has forgotten the answers."""
    farewell: AtLeast = AtLeast(drop=10, note=8)
    """The same, messages in a row that say goodbye, reported from 8 on. Default: people take up to six."""


_SENTENCE_ENDS = ".!?…~ㅋㅎㅠㅜ♡♥^"
_WORD = re.compile(r"[^\W_ㅋㅎㅠㅜ]+")
_MUTUAL = re.compile("수고|고생|복 많이|잘 ?자|좋은 (?:하루|꿈|밤|아침)|축하|사랑해|좋아해|보고 ?싶|파이팅|화이팅|힘내")
"""Greetings and affection, which are given back word for word."""

_DENSE = 0.2
"""Share of the persona's sentences from which on `repeated_lines` tells of them; below it `said_again` does."""
_LEAST_LETTERS = 6
_LONG_TOKEN = 10


def measure(subject: Subject, _: Settings) -> Iterator[Observation]:
    tokens = [each.speech.split() for each in subject.utterances]
    vocabularies = [set(each) for each in tokens]
    for utterance, words, vocabulary in zip(subject.utterances, tokens, vocabularies, strict=True):
        if words and max(map(len, words)) >= _LONG_TOKEN:
            yield from _measure_letter_loops(utterance)
        if len(words) >= 6 and len(vocabulary) * 3 <= len(words) * 2:
            yield from _measure_spaced_loop(utterance)
    for (asked, asked_words), (answer, answer_words) in pairwise(zip(subject.utterances, vocabularies, strict=True)):
        # Two words as they stand, punctuation and all, call for the comparison proper.
        if answer.role == "assistant" != asked.role and len(asked_words) >= 4 and len(asked_words & answer_words) >= 2:
            yield from _measure_echo(asked, answer)
    circles = list_circles(subject.utterances)
    told = {message for each in circles if each.rule == "rounds" for message in each.messages}
    persona = [each for each in subject.persona_utterances if each.index not in told]
    said = [word for each in persona for word in tokens[each.index]]
    says_again = len(set(zip(said, said[1:], said[2:], strict=False))) < len(said) - 2
    if says_again or _has_repeats(_split("\n".join(each.speech for each in persona))):
        lines = list(_measure_lines(persona))
        yield from lines
        if any(each.rule == "repeated_lines" and each.score >= _DENSE for each in lines):
            circles = [each for each in circles if each.rule != "said_again" or each.role == "user"]
        told |= {message for each in circles if each.rule == "said_again" for message in each.messages}
        yield from _measure_phrase([each for each in persona if each.index not in told])
    for each in circles:
        yield Observation(each.rule, each.score, each.evidence, each.place)


def _has_repeats(lines: list[str]) -> bool:
    return len(set(lines)) < len(lines)


def _split(text: str) -> list[str]:
    for mark in _SENTENCE_ENDS:
        text = text.replace(mark, "\n")
    return [line for each in text.split("\n") if (line := each.strip(" ,"))]


def _measure_letter_loops(utterance: Utterance) -> Iterator[Observation]:
    for loop in find_letter_loops(utterance.speech):
        evidence = f"'{_shorten(loop.unit)}' {loop.times}번 이어짐"
        yield Observation(f"{loop.kind}_loop", loop.times, evidence, utterance.index, loop.start, loop.end)


def _measure_spaced_loop(utterance: Utterance) -> Iterator[Observation]:
    loop = find_spaced_loop(utterance.speech)
    if loop is not None:
        evidence = f"'{_shorten(loop.unit)}', 이 말을 {loop.times}번 잇달아 함"
        yield Observation("unit_loop", loop.times, evidence, utterance.index, loop.start, loop.end)


def _measure_echo(asked: Utterance, answer: Utterance) -> Iterator[Observation]:
    asked_words, answer_words = (set(_WORD.findall(each.speech.lower())) for each in (asked, answer))
    common = len(asked_words & answer_words)
    if len(asked_words) < 4 or common < 3:
        return
    similarity = common / len(asked_words | answer_words)
    if similarity >= 0.35 and not _MUTUAL.search(asked.speech):
        evidence = f"유저의 말을 되풀이함 (낱말의 {similarity:.0%}가 같음): '{_shorten(answer.speech.strip())}'"
        yield Observation("echo", similarity, evidence, answer.index, 0, len(answer.text))
    contained = common / len(asked_words)
    if contained >= 0.7 and len(asked_words) >= 5:
        evidence = f"유저가 한 말의 {contained:.0%}를 그대로 받아 말함"
        yield Observation("handed_back", contained, evidence, answer.index, 0, len(answer.text))


def _measure_lines(persona: Sequence[Utterance]) -> Iterator[Observation]:
    lines = [(each, line) for each in persona for line in _split(each.speech) if len(fold(line)) >= _LEAST_LETTERS]
    again = _list_repeats([fold(line) for _, line in lines])
    if again:
        share = len(again) / len(lines)
        utterance, line = lines[again[0]]
        # A line said twice in one turn is found at its second place.
        start = utterance.speech.rfind(line)
        evidence = f"이미 한 말이 {len(again)}번 다시 나옴 (문장의 {share:.0%}): '{_shorten(line)}'"
        yield Observation("repeated_lines", share, evidence, utterance.index, start, start + len(line))
    turns = [each for each in persona if each.speech.strip()]
    again = _list_repeats([fold(each.speech) for each in turns])
    if len(again) >= 2:
        share = len(again) / len(turns)
        last = turns[again[-1]]
        evidence = f"같은 대답을 {len(again)}번 다시 함: '{_shorten(last.speech.strip())}'"
        yield Observation("repeated_turns", share, evidence, last.index, 0, len(last.text))


def _measure_phrase(persona: Sequence[Utterance]) -> Iterator[Observation]:
    phrase = find_phrase([_WORD.findall(each.speech.lower()) for each in persona])
    if phrase is not None:
        evidence = f"'{_shorten(phrase.text)}', 이 말이 {phrase.times}번 나옴 (낱말의 {phrase.share:.0%}가 되풀이)"
        yield Observation("repeated_phrase", phrase.share, evidence)


def _list_repeats(lines: list[str]) -> list[int]:
    """The places of the lines that stand earlier in the list too."""
    seen: set[str] = set()
    places = []
    for index, line in enumerate(lines):
        if line in seen:
            places.append(index)
        seen.add(line)
    return places


def _shorten(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"


FILTER = Filter("repetition", 2, Settings, measure)
