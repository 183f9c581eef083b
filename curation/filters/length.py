"""length: a dialogue that is too short, too long or one-sided to be one.

Why    Broken replies leave empty turns, one word an answer, or a page of text where a person would say two lines.
Drops  An empty turn, answers of one syllable throughout, an utterance of 2,000 characters, a user who writes an essay
       to hear "응", a dialogue without an answer.
Keeps  "하루가 또 가네요." as an answer, "ㅋㅋㅋ", a long consolation for a long sorrow: taste is not judged.

The bounds are set for broken data. In the simulator's dialogues (890 and 600) the persona's turns have 35 to 143
characters (median 75), the user's 11 to 70, the user's share is 0.21 to 0.42; people's answers (songys) have 2 to 76.
"""

from collections.abc import Iterator

from curation.filter import Filter, FilterSettings
from curation.finding import AtLeast, AtMost, Observation
from curation.normal_form import fold
from curation.subject import Subject


class Settings(FilterSettings):
    """Limits of `length`."""

    too_short: AtMost = AtMost(drop=1, note=2)
    """Letters of the persona's speech a turn, on average over the dialogue; reported from 4 down. Default: answers of
    one syllable throughout are broken; 1 % of people's answers (songys) have four letters or fewer."""
    too_short_turn: AtMost = AtMost(drop=0)
    """Characters of one turn that are no spaces; reported from 1 down. Default: no turn is empty."""
    too_long: AtLeast = AtLeast(drop=1200, note=600)
    """Characters of one utterance; reported from 300 up. Default: eight times the simulator's longest is a wall of
    text, four times is long."""
    user_share: AtLeast = AtLeast(drop=0.95, note=0.85)
    """The user's share of all characters, 0..1; reported from 0.7 up where the dialogue has 100. Default: twice the
    simulator's highest is noted."""
    persona_share: AtLeast = AtLeast(drop=0.99, note=0.95)
    """The persona's share of all characters, 0..1; reported from 0.9 up where the dialogue has 100. Default: the
    simulator's highest is 0.79."""
    too_few_turns: AtMost = AtMost(drop=1)
    """Messages of the dialogue; reported from 2 down. Default: an utterance and an answer are the least."""
    too_many_turns: AtLeast = AtLeast(drop=201, note=121)
    """Messages of the dialogue; reported from 21 up. Default: a spec asks for 120 at most; longer sessions are welcome
    up to what a context holds."""


_SHORT_AVERAGE = 4
_LONG_UTTERANCE = 300
_LEAST_CHARACTERS = 100


def measure(subject: Subject, _: Settings) -> Iterator[Observation]:
    messages = len(subject.utterances)
    if messages <= 2:
        yield Observation("too_few_turns", messages, f"메시지가 {messages}개뿐")
    elif messages > 20:
        yield Observation("too_many_turns", messages, f"메시지가 {messages}개나 됨")
    characters = {"user": 0, "assistant": 0}
    turns = 0
    for each in subject.utterances:
        length = len(each.text)
        characters[each.role] += length
        turns += each.role == "assistant"
        if length >= _LONG_UTTERANCE:
            yield Observation("too_long", length, f"한 번에 {length:,}자를 말함", each.index, 0, length)
        elif length < 2 and len(each.text.strip()) < 2:
            yield Observation("too_short_turn", len(each.text.strip()), "빈 말이거나 한 글자뿐", each.index)
        elif not each.text.strip():
            yield Observation("too_short_turn", 0, "빈 말", each.index, 0, length)
    yield from _measure_shares(characters["user"], characters["assistant"])
    # Letters are at most characters, so most dialogues need no folding.
    if turns and characters["assistant"] <= turns * 4 * _SHORT_AVERAGE:
        yield from _measure_average(subject, turns)


def _measure_shares(user: int, persona: int) -> Iterator[Observation]:
    total = user + persona
    if total < _LEAST_CHARACTERS:
        return
    if user >= 0.7 * total:
        yield Observation("user_share", user / total, f"글자의 {user / total:.0%}가 유저의 말")
    elif persona >= 0.9 * total:
        yield Observation("persona_share", persona / total, f"글자의 {persona / total:.0%}가 페르소나의 말")


def _measure_average(subject: Subject, turns: int) -> Iterator[Observation]:
    average = sum(len(fold(each.speech)) for each in subject.persona_utterances) / turns
    if average <= _SHORT_AVERAGE:
        yield Observation("too_short", average, f"페르소나가 한 번에 평균 {average:.1f}자만 말함")


FILTER = Filter("length", 1, Settings, measure)
