"""The circles that a long dialogue goes in: stretches, sayings and questions that come again, endless goodbyes.

Each message is told of once: goodbyes first, then whole stretches, then single sayings.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from curation.normal_form import fold
from curation.signs.rounds import find_rounds, sort_by_kind
from curation.subject import Utterance
from datagen.record import Role

CircleRule = Literal["rounds", "said_again", "asked_again", "farewell"]

LEAST_MESSAGES = 16
"""Below it, the rules for the persona's lines see all there is."""
_LEAST_TIMES = 3
"""A single exchange that comes three times may be a game: that is told from four times on."""
_LEAST_LETTERS = 6
_LEAST_FAREWELLS = 8
_LONGEST_FAREWELL = 40
"""Characters: a goodbye that says more than that says something."""

_FAREWELL = re.compile(
    "잘 ?자|잘게|좋은 ?꿈|꿈 ?[꿔꾸]|꿈나라|꿈에서|굿 ?나잇|굿밤|주무세요|주무셔|안녕|바이|푹 쉬|편히 쉬|쉬세요|조심히"
    "|이만 |끊을게|끊어|들어가|잘 ?가|먼저 (?:갈게|끊|잘)|(?:내일|또|다음에|이따) (?:봐|보자|봬|뵐|만나|또)|내일 연락"
)
_AFFECTION = re.compile("사랑해|좋아해|보고 ?싶|고마워|고맙|미안|수고|고생|파이팅|화이팅|힘내")
"""What is said again and again among people who are fond of one another."""
_LONGEST_AFFECTION = 14


@dataclass(frozen=True, slots=True)
class Circle:
    """`messages`: those that it is made of, in order. `place`: the one at which it is a circle plainly."""

    rule: CircleRule
    score: float
    evidence: str
    place: int
    messages: tuple[int, ...]
    role: Role | None = None
    """Whose saying it is; None: of both."""


def list_circles(utterances: Sequence[Utterance]) -> list[Circle]:
    """All circles of a dialogue; none of a short one."""
    if len(utterances) < LEAST_MESSAGES:
        return []
    circles = list(_find_farewells(utterances))
    told = {message for circle in circles for message in circle.messages}
    kinds = sort_by_kind(utterances)
    if len(set(kinds)) > len(kinds) - _LEAST_TIMES + 1:
        return circles
    for each in _find_stretches(utterances, kinds):
        if told.isdisjoint(each.messages):
            told.update(each.messages)
            circles.append(each)
    return circles + list(_find_sayings(utterances, kinds, told))


def _find_farewells(utterances: Sequence[Utterance]) -> Iterator[Circle]:
    run: list[int] = []
    for each in (*utterances, None):
        if each is not None and len(each.speech) <= _LONGEST_FAREWELL and _FAREWELL.search(each.speech):
            run.append(each.index)
            continue
        if len(run) >= _LEAST_FAREWELLS:
            quoted = _shorten(utterances[run[-1]].speech.strip())
            evidence = f"{run[0] + 1}번째 말부터 작별 인사만 {len(run)}번 이어짐: '{quoted}'"
            yield Circle("farewell", len(run), evidence, run[0], tuple(run))
        run = []


def _find_stretches(utterances: Sequence[Utterance], kinds: Sequence[int]) -> Iterator[Circle]:
    for each in find_rounds(kinds, _LEAST_TIMES):
        stretch = utterances[each.start : each.start + each.period]
        is_game = each.period == 2 and each.times == _LEAST_TIMES
        if not is_game and any(len(fold(one.speech)) >= _LEAST_LETTERS for one in stretch):
            quoted = " / ".join(_shorten(one.speech.strip()) for one in stretch[:2])
            evidence = (
                f"{each.start + 1}번째 말부터 주고받는 말 {each.period}마디가 {each.times}번 되풀이됨: '{quoted}'"
            )
            place = each.start + each.period
            yield Circle("rounds", each.times, evidence, place, tuple(range(each.start, each.end)))


def _find_sayings(utterances: Sequence[Utterance], kinds: Sequence[int], told: set[int]) -> Iterator[Circle]:
    places: defaultdict[int, list[int]] = defaultdict(list)
    for index, kind in enumerate(kinds):
        if index not in told:
            places[kind].append(index)
    for messages in places.values():
        if len(messages) < _LEAST_TIMES:
            continue
        first = utterances[messages[0]]
        said = first.speech.strip()
        if len(fold(said)) < _LEAST_LETTERS or (len(said) <= _LONGEST_AFFECTION and _AFFECTION.search(said)):
            continue
        is_asked = first.role == "user" and "?" in said
        who = "유저가" if first.role == "user" else "페르소나가"
        numbers = ", ".join(str(each + 1) for each in messages[:6]) + ("…" if len(messages) > 6 else "")
        what = "물음을" if is_asked else "말을"
        evidence = f"{who} 거의 같은 {what} {len(messages)}번 함 ({numbers}번째): '{_shorten(said)}'"
        rule: CircleRule = "asked_again" if is_asked else "said_again"
        yield Circle(rule, len(messages), evidence, messages[_LEAST_TIMES - 1], tuple(messages), first.role)


def _shorten(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"
