"""The simulator's two sides of a long dialogue, and its summaries: an utterance a request, from what the request shows.

The user's side follows a plan that its system message seeds, so it is the same person at every request: which facts it
tells of itself, what it talks about and in which order, when it ends. The persona finds out what the user talks about,
answers that, and speaks of facts that it can read in the dialogue or in the summary.
"""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from datagen.simulator.compose import choose_particle
from datagen.simulator.duet_grammar import Beat, Lines, Repertoire, find_repertoire, list_slots
from datagen.simulator.grammar import SpeechLevel
from datagen.simulator.typing_habits import Habits, read_habits

Side = Literal["user", "persona", "summary"]

_SIDES: dict[str, Side] = {"유저": "user", "페르소나": "persona", "요약": "summary"}
_SIDE = re.compile(r"^- 맡은 쪽: (유저|페르소나|요약)$", re.MULTILINE)
_FIELD = re.compile(r"^- (주제|길이|(?:상대의 )?이름|말투|유저의 말투): (.+)$", re.MULTILINE)
_SUMMARY = re.compile(r"\n# (?:지금까지의 이야기|앞선 요약)\n(.*)\Z", re.DOTALL)
_NUMBER = re.compile(r"\((\d+)번째로 말할 차례다\.")
_NOTE = re.compile(r"(?:^|\n\n)\((?:대화를 시작한다|앞에서 나눈|\d+번째로|유저의 마지막)[^\n]*\)\Z")
_CHOICE = re.compile(r"\[\[(.*?)\]\]", re.DOTALL)
_SLOT = re.compile(r"\{([^{}:]+)(?::([^{}/]+)/([^{}]+))?\}")
_CANDIDATES = 6
"""Lines drawn for an utterance; the one least like what was said before is taken."""
_SUMMARY_FACTS = 8
_SMALL_TALK_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class DuetRequest:
    """What the simulator understood of a duet's request. `said`: the dialogue shown, without notes."""

    side: Side
    system: str
    """Without the summary in it: the same in all requests of a side."""
    topic: str
    name: str
    persona_level: SpeechLevel
    user_level: SpeechLevel
    aim: int
    number: int
    is_last: bool
    must_go_on: bool
    summary: str
    said: tuple[str, ...]
    habits: Habits

    @property
    def heard(self) -> str:
        """All that can be read of the dialogue."""
        return "\n".join((self.summary, *self.said))


def read_duet_prompt(contents: Sequence[str]) -> DuetRequest | None:
    """What a duet's request asks for; None where it is none."""
    if not contents or (side := _SIDE.search(contents[0])) is None:
        return None
    summary = _SUMMARY.search(contents[0])
    system = (contents[0][: summary.start()] if summary else contents[0]).rstrip()
    fields = dict(_FIELD.findall(system))
    number = _NUMBER.search(contents[-1])
    note = (_NOTE.search(contents[-1]) or [""])[0]
    aim = re.match(r"\d+", fields.get("길이", ""))
    said = tuple(text for text in (_NOTE.sub("", each) for each in contents[1:]) if text)
    return DuetRequest(
        side=_SIDES[side[1]],
        system=system,
        topic=fields.get("주제", "").strip(),
        name=(fields.get("이름") or fields.get("상대의 이름", "")).strip(),
        persona_level=_read_level(fields.get("말투", "")),
        user_level=_read_level(fields.get("유저의 말투", "")),
        aim=int(aim[0]) if aim else 0,
        number=int(number[1]) if number else 1,
        is_last="마지막" in note,
        must_go_on="아직 끝낼 때가 아니다" in note,
        summary=summary[1].strip() if summary else "",
        said=said,
        habits=read_habits(system),
    )


def _read_level(text: str) -> SpeechLevel:
    return "jondaetmal" if text.startswith("존댓말") else "banmal"


def speak(request: DuetRequest, seed: int, rng: random.Random) -> str:
    """The reply of the side that is asked."""
    if request.side == "user":
        return _speak_as_user(request, seed, rng)
    if request.side == "persona":
        return speak_as_persona(request, request.persona_level, rng)
    return _summarise(request)


# ── the user ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _speak_as_user(request: DuetRequest, seed: int, rng: random.Random) -> str:
    repertoire = find_repertoire(request.topic)
    own = random.Random(f"{seed}/{request.system}")
    facts = {name: own.choice(values) for name, values in repertoire.facts.items()}
    ends_at = max(1, request.aim + own.choice((-1, 0, 0, 0, 1)))
    habits = request.habits
    if request.is_last or (request.number >= ends_at and not request.must_go_on):
        line = _draw_line([own.choice(repertoire.close)], request, facts, rng)
        return f"{habits.type(line, rng)}\n[끝]"
    beat = _plan(repertoire, own, request.number)[request.number - 1]
    line = _draw_line([beat], request, facts, rng)
    if request.number > 1 and rng.random() < 0.4:
        line = f"{rng.choice(repertoire.reactions.user.of(request.user_level))} {line}"
    return habits.type(line, rng)


def _plan(repertoire: Repertoire, rng: random.Random, count: int) -> list[Beat]:
    """What the user talks about, in order: the topic's beats with small talk between, each once at first."""
    plan = [rng.choice(repertoire.open)]
    while len(plan) < count:
        plan += _order(repertoire, rng, plan)
    return plan


def _order(repertoire: Repertoire, rng: random.Random, before: list[Beat]) -> list[Beat]:
    told = {slot for beat in before for slot in _list_told(beat)}
    waiting = rng.sample(repertoire.middle, len(repertoire.middle))
    chatter = rng.sample(repertoire.small_talk, len(repertoire.small_talk))
    ordered: list[Beat] = []
    while waiting or chatter:
        piles = [chatter, waiting] if len(ordered) > 2 and rng.random() < _SMALL_TALK_SHARE else [waiting, chatter]
        ready = next((pile for pile in piles if any(set(beat.after) <= told for beat in pile)), None)
        if ready is None:
            break  # what remains speaks of facts that no beat tells
        beat = next(beat for beat in ready if set(beat.after) <= told)
        ready.remove(beat)
        told.update(_list_told(beat))
        ordered.append(beat)
    return ordered


def _list_told(beat: Beat) -> set[str]:
    """The facts that whichever line is drawn tells."""
    return set.intersection(*(set(list_slots(line)) for line in (*beat.user.banmal, *beat.user.jondaetmal)))


def _draw_line(beats: Sequence[Beat], request: DuetRequest, facts: dict[str, str], rng: random.Random) -> str:
    words = find_repertoire(request.topic).words
    known = {**facts, "name": request.name, "topic": request.topic}
    lines = [line for beat in beats for line in beat.user.of(request.user_level)]
    return _draw_unlike(lines, lambda slot: known.get(slot) or rng.choice(words[slot]), request.said, rng)


# ── the persona ────────────────────────────────────────────────────────────────────────────────────────────────────


def speak_as_persona(request: DuetRequest, level: SpeechLevel, rng: random.Random) -> str:
    """An answer to the user's last line, in a level: the persona's own, unless it slips."""
    repertoire = find_repertoire(request.topic)
    beats = repertoire.close if request.is_last else (*repertoire.open, *repertoire.middle, *repertoire.small_talk)
    beat = _recognise(beats, request.said[-1] if request.said else "")
    known = find_facts(repertoire, request.heard)
    known["name"] = request.name

    def find_word(slot: str) -> str:
        if slot == "direction":
            return _fill(rng.choice(repertoire.reactions.directions), find_word, rng)
        if slot == "유저":
            return "{유저}"
        return known.get(slot) or rng.choice(repertoire.words[slot])

    sayable = {*known, *repertoire.words, "direction", "유저"}
    lines = [line for line in beat.persona.of(level) if set(list_slots(line)) <= sayable]
    return _draw_unlike(lines or list(_ANY_ANSWER.of(level)), find_word, request.said, rng)


def speak_as_swapped(request: DuetRequest, rng: random.Random) -> str:
    """What the user could say, in the persona's mouth."""
    repertoire = find_repertoire(request.topic)
    known = find_facts(repertoire, request.heard)
    beats = repertoire.middle or repertoire.small_talk
    lines = [line for beat in beats for line in beat.user.of(request.persona_level)]
    words = {**repertoire.words, **repertoire.facts}
    return _draw_unlike(lines, lambda slot: known.get(slot) or rng.choice(words[slot]), request.said, rng)


_ANY_ANSWER = Lines(
    banmal=("*{direction}* [[응, 듣고 있어.|그랬구나.]] [[더 얘기해 줘.|네 얘기 계속 듣고 싶어.]]",),
    jondaetmal=("*{direction}* [[네, 듣고 있어요.|그랬군요.]] [[더 얘기해 주세요.|이야기 계속 듣고 싶어요.]]",),
)


def _recognise(beats: Sequence[Beat], line: str) -> Beat:
    """The beat that the user's line most likely comes from."""
    grams = _list_grams(line)
    return max(beats, key=lambda beat: len(grams & _list_beat_grams(beat)) / (len(_list_beat_grams(beat)) ** 0.25))


_beat_grams: dict[int, frozenset[str]] = {}


def _list_beat_grams(beat: Beat) -> frozenset[str]:
    found = _beat_grams.get(id(beat))
    if found is None:
        texts = (*beat.user.banmal, *beat.user.jondaetmal)
        found = _beat_grams[id(beat)] = frozenset().union(*(_list_grams(_SLOT.sub(" ", text)) for text in texts))
    return found


def _list_grams(text: str) -> frozenset[str]:
    squeezed = re.sub(r"[^가-힣0-9A-Za-z]+", "", text)
    return frozenset(squeezed[at : at + 3] for at in range(len(squeezed) - 2))


def find_facts(repertoire: Repertoire, heard: str) -> dict[str, str]:
    """Fact → its value, of those that can be read; the one named first."""
    known = {}
    for name, values in repertoire.facts.items():
        found = [(heard.find(value), value) for value in values if value in heard]
        if found:
            known[name] = min(found)[1]
    return known


# ── both ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _draw_unlike(lines: Sequence[str], find_word: Callable[[str], str], said: Sequence[str], rng: random.Random) -> str:
    """One of the lines, filled: of a few draws the one that is least like anything said before."""
    before = [_list_grams(text) for text in said]
    drawn = [_fill(rng.choice(lines), find_word, rng) for _ in range(_CANDIDATES)]

    def measure(text: str) -> float:
        grams = _list_grams(text)
        return max((len(grams & other) / max(1, len(grams)) for other in before), default=0.0)

    return min(drawn, key=measure)


def _fill(line: str, find_word: Callable[[str], str], rng: random.Random) -> str:
    line = _CHOICE.sub(lambda found: rng.choice(found[1].split("|")), line)

    def fill_slot(found: re.Match[str]) -> str:
        word = find_word(found[1])
        return word + choose_particle(word, found[2], found[3]) if found[2] else word

    return _SLOT.sub(fill_slot, line)


def _summarise(request: DuetRequest) -> str:
    """What was told, with the facts in their own words: those that the summary before it had, and the new ones."""
    repertoire = find_repertoire(request.topic)
    facts = find_facts(repertoire, request.heard)
    told = [f"{value}" for value in facts.values()][:_SUMMARY_FACTS]
    parts = [f"유저는 {request.name}에게 {request.topic} 이야기를 꺼냈고 둘은 편하게 말을 주고받았다."]
    if told:
        parts.append(
            f"유저가 말한 것은 {', '.join(told)}이다." if len(told) == 1 else f"유저가 말한 것들: {', '.join(told)}."
        )
    parts += list(_tell_beats(request))
    parts.append(f"{choose_name(request.name)} 끝까지 들으며 대답해 주었고, 이야기는 아직 이어지는 중이다.")
    return " ".join(parts)


def choose_name(name: str) -> str:
    return name + choose_particle(name, "은", "는")


def _tell_beats(request: DuetRequest) -> Iterator[str]:
    lines = [line.partition(": ")[2] for text in request.said for line in text.split("\n") if line.startswith("유저: ")]
    for line in (lines[0], lines[len(lines) // 2]) if len(lines) > 1 else lines:
        yield f"유저는 '{line[:40].rstrip()}' 하는 말도 했다."
