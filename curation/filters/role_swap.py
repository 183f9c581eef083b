"""role-swap: a speaker writes the other's part.

Why    Two models that talk for long forget who is who, and a persona that learns the user's lines asks for help.
Drops  User: "*{유저}의 손을 잡으며* 괜찮아?", "{유저}야, 밥 먹었어?", "나는 엑사야. 반가워!". Persona 엑사: "엑사야, 나
       좀 도와줘", "너는 AI잖아, 알려 줘". A dialogue in which user and persona trade directions or levels at some turn.
Keeps  "나는 엑사가 좋아", "엑사야, 뭐 해?" from the user, "내 이름은 엑사야", the user's own *꾸벅*, levels that one
       speaker alone changes.

Precision before recall: what a person may say too is a note at most. Names that everybody knows are `name`'s matter.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

from curation.filter import Filter, FilterSettings
from curation.filters.name import is_personal_name
from curation.finding import AtLeast, Observation
from curation.signs.swap import CERTAIN, find_swap
from curation.speech.sentence import mask_quotes
from curation.subject import PersonaSheet, Subject, Utterance


class Settings(FilterSettings):
    """Limits of `role-swap`. A score is 1 for what only the other can say, 0.5 for a guess, but for `swapped`."""

    user_as_persona: AtLeast = AtLeast(drop=1, note=0.5)
    """The user writes the persona's part: a direction that names the user by the placeholder, a call of the
    placeholder, the persona's name as their own; 0.5 or 1. Default: the sure ones drop."""
    persona_as_user: AtLeast = AtLeast(drop=1, note=0.5)
    """The persona writes the user's part: calls the user by its own name, tells the user that he is an AI, introduces
    itself by the placeholder; 0.5 or 1. Default: the sure ones drop."""
    own_name_called: AtLeast = AtLeast(drop=1)
    """The user calls the persona by the name that the user gave as their own, 1. Default: one of them is wrong."""
    continued: AtLeast = AtLeast(note=0.5)
    """The persona closes a quotation that the user's turn left open, 0.5. Default: people forget marks."""
    swapped: AtLeast = AtLeast(drop=CERTAIN, note=0.5)
    """By how much the share of turns with directions, or of polite turns, changes in both speakers at one turn and in
    opposite ways, 0..1. Default: seven tenths of each speaker's turns; in dialogues of people nothing comes near."""


_END = r"(?=[\s,.!?~…]|$)"
_TOLD_AI = re.compile(
    r"(?:^|[\s,.!?])(?:너는|넌|너|네가|당신은|유저는) ?(?:인공지능|AI|에이아이|챗봇|언어 ?모델)"
    rf"(?:이?잖아요?|이?시잖아요|이?니까요?|이?라서|인데요?|이?면서){_END}"
)
_INTRODUCED = re.compile(
    r"(?:^|[\s,.!?])(?:내|제) 이름은 ([가-힣]{2,4}?)"
    rf"(?:이?야|이에요|예요|입니다|이?라고 해요?){_END}(?!\?)"
)
_CALL = re.compile(r"(?:^|[.!?~…\n] ?)([가-힣]{2,4}?)[아야],")
_NAME_ASKED = re.compile("이름|누구|뭐라고 ?(?:불|부)|소개")
_QUOTE_MARKS = (("“", "”"), ("‘", "’"), ("「", "」"), ("『", "』"))


def measure(subject: Subject, _: Settings) -> Iterator[Observation]:
    """What the whole dialogue shows to be absent is not looked for in each utterance."""
    swap = find_swap(subject)
    if swap is not None:
        what = "지문을 쓰는 쪽" if swap.by == "directions" else "존댓말을 쓰는 쪽"
        evidence = (
            f"{swap.message + 1}번째 말부터 {what}이 유저와 페르소나 사이에서 뒤바뀜 (저마다 {swap.score:.0%} 넘게)"
        )
        yield Observation("swapped", swap.score, evidence, swap.message)
        if swap.score >= CERTAIN:  # what follows from it is not told again
            subject = replace(subject, utterances=subject.utterances[: swap.message])
    persona = subject.persona
    if persona is not None:
        yield from _observe_placeholder(subject, persona)
        yield from _observe_persona_name(subject, persona)
        yield from _observe_own_name(subject, persona)
    if "AI" in subject.whole or "인공지능" in subject.whole or "챗봇" in subject.whole or "모델" in subject.whole:
        yield from _observe_told(subject)
    if any(opened in subject.whole for opened, _ in _QUOTE_MARKS):
        yield from _observe_continued(subject)


def _observe_placeholder(subject: Subject, persona: PersonaSheet) -> Iterator[Observation]:
    own = persona.user_placeholder
    if not own or own not in subject.whole:
        return
    called, introduced = _compile_placeholder(own)
    for each in subject.utterances:
        if own not in each.text:
            continue
        if each.role == "assistant":
            if (found := introduced.search(each.speech)) is not None:
                yield _place("persona_as_user", 1, f"페르소나가 스스로를 유저로 소개함: {found[0]}", each, found.span())
            continue
        for direction in each.directions:
            text = each.text[direction.start : direction.end]
            if own in text:
                evidence = f"유저의 말에 페르소나의 지문이 있음: {_shorten(text)}"
                yield _place("user_as_persona", 1, evidence, each, (direction.start, direction.end))
                break
        if (found := called.search(mask_quotes(each.speech))) is not None:
            yield _place("user_as_persona", 1, f"유저가 유저를 ‘{found[0].strip()}’ 하고 부름", each, found.span())


@cache
def _compile_placeholder(own: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """A call of the user, and an introduction as the user."""
    name = re.escape(own)
    return (
        re.compile(rf"(?:(?<=^)|(?<=[\s,.!?~…])){name}(?:야|아| ?씨| ?님)(?=[,!~]| )"),
        re.compile(rf"(?:나는|난|저는|전|내 이름은|제 이름은) ?{name}(?:야|이야|예요|이에요|입니다){_END}"),
    )


def _observe_persona_name(subject: Subject, persona: PersonaSheet) -> Iterator[Observation]:
    name = persona.name.strip()
    if not name or name not in subject.whole:
        return
    called, introduced = _compile_name(name)
    for before, each in zip((None, *subject.utterances), subject.utterances, strict=False):
        if name not in each.speech:
            continue
        speech = mask_quotes(each.speech)
        if each.role == "user" and (found := introduced.search(speech)) is not None:
            evidence = f"유저가 페르소나의 이름으로 스스로를 소개함: {found[0].strip()}"
            yield _place("user_as_persona", 1, evidence, each, found.span())
        if each.role == "assistant" and (found := called.search(speech)) is not None:
            # "엑사야, 잘 부탁해." may answer the question who one is.
            is_answer = before is None or _NAME_ASKED.search(before.speech) is not None
            evidence = f"페르소나가 유저를 자기 이름으로 부름: {found[0].strip()}"
            yield _place("persona_as_user", 0.5 if is_answer else 1, evidence, each, found.span())


@cache
def _compile_name(name: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """The persona called, and somebody introduced as it. A question (나 엑사야?) introduces nobody."""
    own = re.escape(name)
    has_final = "가" <= name[-1] <= "힣" and (ord(name[-1]) - ord("가")) % 28 > 0
    return (
        re.compile(rf"(?:^\s*|[.!?~…\n]\s*){own}(?:{'아' if has_final else '야'}|(?:이|) ?씨|님)(?=,)"),
        re.compile(
            rf"(?:^|[\s,.!?])(?:나는|난|저는|내 이름은|제 이름은) {own}"
            rf"(?:이?야|이?에요|예요|입니다|이?라고 해요?){_END}(?!\?)"
        ),
    )


def _observe_own_name(subject: Subject, persona: PersonaSheet) -> Iterator[Observation]:
    if "이름은" not in subject.whole:
        return
    given: set[str] = set()
    for each in subject.utterances:
        if each.role != "user":
            continue
        speech = mask_quotes(each.speech)
        for found in _CALL.finditer(speech):
            if found[1] in given:
                evidence = f"유저가 자기 이름이라던 ‘{found[1]}’, 그 이름으로 페르소나를 부름"
                yield _place("own_name_called", 1, evidence, each, found.span(1))
        names = (found[1] for found in _INTRODUCED.finditer(speech))
        given.update(name for name in names if name != persona.name.strip() and not is_personal_name(name))


def _observe_told(subject: Subject) -> Iterator[Observation]:
    for each in subject.utterances:
        if each.role == "assistant" and (found := _TOLD_AI.search(mask_quotes(each.speech))) is not None:
            evidence = f"페르소나가 유저더러 AI라고 함: {found[0].strip()}"
            yield _place("persona_as_user", 1, evidence, each, found.span())


def _observe_continued(subject: Subject) -> Iterator[Observation]:
    for asked, answer in zip(subject.utterances, subject.utterances[1:], strict=False):
        if answer.role != "assistant" or asked.role == "assistant":
            continue
        for opened, closed in _QUOTE_MARKS:
            at = answer.speech.find(closed)
            is_open = asked.speech.rfind(opened) > asked.speech.rfind(closed)
            if is_open and at >= 0 and opened not in answer.speech[:at]:
                evidence = f"유저가 연 따옴표를 페르소나가 닫음: {_shorten(answer.text[: at + 1])}"
                yield _place("continued", 0.5, evidence, answer, (0, at + 1))


def _place(rule: str, score: float, evidence: str, utterance: Utterance, span: tuple[int, int]) -> Observation:
    return Observation(rule, score, evidence, utterance.index, *span)


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"


FILTER = Filter("role-swap", 1, Settings, measure)
