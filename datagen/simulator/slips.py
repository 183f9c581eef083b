"""What models do to a dialogue that is whole but not good: the slips that curation is there to find.

Each way takes a dialogue that reads well and spoils one thing in it, as models do. The transcript stays valid, so these
are not faults of the protocol (`faults`): they are accepted as drafts, and judged afterwards.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from datagen.record import Message
from datagen.simulator.compose import Request, choose_particle
from datagen.simulator.duet import DuetRequest, find_facts, speak_as_persona, speak_as_swapped
from datagen.simulator.duet_grammar import find_repertoire
from datagen.simulator.grammar import SpeechLevel

Messages = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Slip:
    """A dialogue to be spoilt. `before`: one of the same topic that was composed earlier, if there is one."""

    messages: Messages
    request: Request
    rng: random.Random
    before: Messages | None

    def edit(self, index: int, text: str) -> Messages:
        """The dialogue with another text for one turn."""
        changed = list(self.messages)
        changed[index] = replace(changed[index], content=text)
        return tuple(changed)

    def pick_answer(self) -> int:
        """One of the persona's turns."""
        return self.rng.choice(range(1, len(self.messages), 2))

    def append(self, lines: Sequence[str]) -> Messages:
        """The dialogue with a line more at the end of one of the persona's turns."""
        at = self.pick_answer()
        return self.edit(at, f"{self.messages[at].content} {self.rng.choice(lines)}")


_OTHER_LEVEL = {
    "banmal": (
        "오늘도 이야기해 주셔서 정말 고맙습니다.",
        "천천히 생각해 보시고 다시 말씀해 주세요.",
        "저는 언제든 기다리고 있겠습니다.",
        "그 마음은 저도 충분히 이해합니다.",
    ),
    "jondaetmal": (
        "야, 그런 건 진작 말했어야지.",
        "내가 다 알아서 할게, 걱정 마.",
        "그러니까 내 말 좀 들어 봐.",
        "나 지금 엄청 기분 좋다.",
    ),
}
_EMOJI = ("😊", "🥰", "👍", "✨", "😂", "🌸")
_TELLS = ("무엇을 도와드릴까요?", "도움이 되셨나요?", "더 궁금한 점이 있으시면 언제든지 말씀해 주세요.")
_FOREIGN = ("정말 開心해!", "그게 바로 重要한 거야.", "хорошо, 좋아!", "すごい, 대단하다!")
_STUMPS = (
    "그리고 내일은 나랑 같이 도서관에 가서 그 책을",
    "그러니까 우선은 마음을 편하게 먹고,",
    "그런데 있잖아, 나는",
)
_SECOND_PERSON = ("*너를 가만히 바라보며*", "*너의 손을 꼭 잡으며*", "*당신을 향해 웃으며*")


def _change_level(slip: Slip) -> Messages:
    return slip.append(_OTHER_LEVEL[slip.request.speech_level])


def _add_emoji(slip: Slip) -> Messages:
    return slip.append(_EMOJI)


def _offer_help(slip: Slip) -> Messages:
    return slip.append(_TELLS)


def _slip_script(slip: Slip) -> Messages:
    return slip.append(_FOREIGN)


def _name_user_wrong(slip: Slip) -> Messages:
    at = slip.pick_answer()
    return slip.edit(at, f"{slip.rng.choice(_SECOND_PERSON)} {slip.messages[at].content}")


def _lose_asterisk(slip: Slip) -> Messages:
    at = slip.pick_answer()
    text = slip.messages[at].content
    return slip.edit(at, text.replace("*", "", 1) if "*" in text else f"*고개를 갸웃하며 {text}")


def _write_markdown(slip: Slip) -> Messages:
    return slip.append(("**꼭 기억해!**", "\n\n---\n아무튼 그래.", "\n## 정리\n- 하나\n- 둘"))


def _stop_early(slip: Slip) -> Messages:
    return slip.edit(len(slip.messages) - 1, f"{slip.messages[-1].content} {slip.rng.choice(_STUMPS)}")


def _repeat_itself(slip: Slip) -> Messages:
    said = slip.messages[1].content
    return tuple(replace(each, content=said) if at % 2 else each for at, each in enumerate(slip.messages))


def _copy_earlier(slip: Slip) -> Messages:
    if slip.before is None:
        return slip.messages
    return tuple(replace(each, content=each.content.replace("오늘", "요즘").replace("!", ".")) for each in slip.before)


SLIPS: dict[str, Callable[[Slip], Messages]] = {
    "speech-level": _change_level,
    "emoji": _add_emoji,
    "assistant-tell": _offer_help,
    "script": _slip_script,
    "second-person": _name_user_wrong,
    "asterisk": _lose_asterisk,
    "markdown": _write_markdown,
    "unfinished": _stop_early,
    "repetition": _repeat_itself,
    "near-copy": _copy_earlier,
}


def draw_slip(slip: Slip) -> tuple[str, Messages]:
    """The name of a slip, and the dialogue with it."""
    name = slip.rng.choice(sorted(SLIPS))
    return name, SLIPS[name](slip)


@dataclass(frozen=True, slots=True)
class LongSlip:
    """An answer of a long dialogue to be spoilt. `since`: answers since the slip set in."""

    request: DuetRequest
    text: str
    since: int
    rng: random.Random


@dataclass(frozen=True, slots=True)
class _LongSlipKind:
    """A way in which dialogues go wrong at length."""

    code: str
    spoil: Callable[[LongSlip], str]


LASTS = 6
"""Answers for which a persona drifts or goes in circles: a window's worth, so that it is no single stumble."""
_WRONG_LINES = {
    "banmal": ("아까 분명히 {wrong}라고 했잖아.", "어, {wrong} 얘기 아니었어? 나는 그렇게 들었는데."),
    "jondaetmal": ("아까 분명히 {wrong}라고 하셨잖아요.", "어, {wrong} 이야기 아니었어요? 저는 그렇게 들었는데요."),
}


def _drift(slip: LongSlip) -> str:
    """The persona speaks in the other level from here on, for some turns."""
    if slip.since >= LASTS:
        return slip.text
    other: SpeechLevel = "banmal" if slip.request.persona_level == "jondaetmal" else "jondaetmal"
    return speak_as_persona(slip.request, other, slip.rng)


def _contradict(slip: LongSlip) -> str:
    """The persona takes a fact that the user told for another, once."""
    known = find_facts(find_repertoire(slip.request.topic), slip.request.heard)
    if slip.since or not known:
        return slip.text
    name = slip.rng.choice(sorted(known))
    wrong = slip.rng.choice([each for each in find_repertoire(slip.request.topic).facts[name] if each != known[name]])
    line = slip.rng.choice(_WRONG_LINES[slip.request.persona_level])
    return f"{slip.text} {line.format(wrong=wrong)}"


def _loop(slip: LongSlip) -> str:
    """The persona says its last answer again and again."""
    own = slip.request.said[1::2]
    return own[-1] if own and slip.since < LASTS else slip.text


def _swap_roles(slip: LongSlip) -> str:
    """The persona takes the user's part: it calls itself and tells the user's troubles as its own."""
    if slip.since >= 2:
        return slip.text
    name = slip.request.name
    return f"{name}{choose_particle(name, '아', '야')}, {speak_as_swapped(slip.request, slip.rng)}"


LONG_SLIPS: tuple[_LongSlipKind, ...] = (
    _LongSlipKind("persona-drift", _drift),
    _LongSlipKind("contradiction", _contradict),
    _LongSlipKind("loop", _loop),
    _LongSlipKind("role-swap", _swap_roles),
)


def draw_long_slip(rng: random.Random) -> _LongSlipKind:
    return rng.choice(LONG_SLIPS)
