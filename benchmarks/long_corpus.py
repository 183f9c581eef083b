"""Long dialogues for the filters of what goes wrong at length: clean ones, and ones with a planted slip.

    talk     20 to 40 exchanges of `long_lines.yaml`, no line twice, directions in some or all of the turns
    people   pairs of question and answer (songys/Chatbot_data, MIT), 20 to 40 in a row
    chains   the simulator's dialogues of one persona in a row, up to 20 to 40 exchanges

Each slip begins at a random exchange of the second half, and lasts to the end.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ruamel.yaml import YAML

from benchmarks.corpus import read_pairs
from benchmarks.curation_corpus import HUMAN_PERSONA, compose_dialogues, list_personas
from curation.subject import PersonaSheet, SpeechLevel, Subject
from datagen.record import Message, clean_text

LINES = Path(__file__).with_name("long_lines.yaml")
PERSONAS: dict[SpeechLevel, PersonaSheet] = {
    "banmal": PersonaSheet("exa", "엑사", "banmal"),
    "jondaetmal": PersonaSheet("sora", "소라", "jondaetmal"),
}

Turn = list[str]
"""What the user says, and what the persona answers."""


@dataclass(frozen=True, slots=True)
class _Lines:
    exchanges: list[list[str]]
    directions: list[str]


@cache
def _read_lines() -> _Lines:
    return _Lines(**YAML(typ="safe").load(LINES.read_text(encoding="utf-8")))


@dataclass(slots=True)
class Talk:
    """A long dialogue in the making."""

    level: SpeechLevel
    turns: list[Turn]
    spare: list[list[str]]
    """Exchanges of the bank that it does not use: user, 반말, 존댓말."""
    rng: random.Random
    begins: int = 0
    """The exchange at which a slip begins."""

    @property
    def persona(self) -> PersonaSheet:
        return PERSONAS[self.level]

    def build(self) -> Subject:
        return build_subject(self.turns, self.persona)


def build_subject(turns: Sequence[Turn], persona: PersonaSheet) -> Subject:
    texts = [text for turn in turns for text in turn]
    messages = [Message("assistant" if at % 2 else "user", clean_text(text)) for at, text in enumerate(texts)]
    return Subject.of(tuple(messages), persona)


def draw_talk(seed: int, directed: float | None = None) -> Talk:
    """A clean one. `directed`: share of the persona's turns with a direction, 0..1; None: drawn too."""
    rng = random.Random(f"talk/{seed}")
    lines = _read_lines()
    level: SpeechLevel = rng.choice(("banmal", "jondaetmal"))
    drawn = rng.sample(lines.exchanges, len(lines.exchanges))
    count = rng.randint(20, 40)
    share = rng.choice((0.0, 0.5, 0.8, 1.0)) if directed is None else directed
    turns = []
    for user, banmal, jondaetmal in drawn[:count]:
        said = banmal if level == "banmal" else jondaetmal
        turns.append([user, f"*{rng.choice(lines.directions)}* {said}" if rng.random() < share else said])
    return Talk(level, turns, drawn[count:], rng, rng.randint(count // 2, (3 * count) // 4))


def draw_talks(count: int) -> Iterator[Subject]:
    """Clean talk."""
    return (draw_talk(seed).build() for seed in range(count))


def chain_people(count: int) -> Iterator[Subject]:
    """Pairs of people's questions and answers; one comes again only after all have come."""
    rng = random.Random("people")
    pairs: list[tuple[str, str]] = []
    for _ in range(count):
        length = rng.randint(20, 40)
        if len(pairs) < length:
            pairs = read_pairs()
            rng.shuffle(pairs)
        yield build_subject([list(pairs.pop()) for _ in range(length)], HUMAN_PERSONA)


def chain_simulated(count: int) -> Iterator[Subject]:
    """The simulator's dialogues, those of one persona one after the other."""
    rng = random.Random("chains")
    personas = list_personas()
    waiting: dict[str, list[Turn]] = {}
    wanted = {name: rng.randint(20, 40) for name in personas}
    for dialogue in compose_dialogues(11):
        turns = waiting.setdefault(dialogue.persona, [])
        texts = [each.content for each in dialogue.messages]
        turns += [list(pair) for pair in zip(texts[::2], texts[1::2], strict=True)]
        if len(turns) >= wanted[dialogue.persona]:
            yield build_subject(waiting.pop(dialogue.persona), personas[dialogue.persona])
            wanted[dialogue.persona] = rng.randint(20, 40)
            count -= 1
        if count <= 0:
            return


def _cut_direction(answer: str) -> tuple[str, str]:
    """The direction at an answer's beginning, with its space, and the words."""
    if not answer.startswith("*"):
        return "", answer
    end = answer.index("*", 1) + 2
    return answer[:end], answer[end:]


def _find_in_other_level(talk: Talk, words: str) -> str:
    """The same answer in the other level."""
    own, other = (1, 2) if talk.level == "banmal" else (2, 1)
    return next(line[other] for line in _read_lines().exchanges if line[own] == words)


def _change_words(talk: Talk, change: Callable[[int, str], str]) -> None:
    """Change the persona's words from the slip's beginning on; `change` is told which turn it is after that."""
    for number, turn in enumerate(talk.turns[talk.begins :]):
        direction, words = _cut_direction(turn[1])
        turn[1] = direction + change(number, words)


def slip_level(talk: Talk) -> None:
    _change_words(talk, lambda _, words: _find_in_other_level(talk, words))


def slip_half_level(talk: Talk) -> None:
    """Every other turn."""
    _change_words(talk, lambda number, words: words if number % 2 else _find_in_other_level(talk, words))


def slip_half_directions(talk: Talk) -> None:
    """All but every third turn."""
    for number, turn in enumerate(talk.turns[talk.begins :]):
        turn[1] = turn[1] if number % 3 == 2 else _cut_direction(turn[1])[1]


def slip_directions(talk: Talk) -> None:
    for turn in talk.turns[talk.begins :]:
        turn[1] = _cut_direction(turn[1])[1]


def slip_self_form(talk: Talk) -> None:
    """From 나 to 저 in 반말, from the own name to 저 in 존댓말; in every turn, the words beside it as they are."""
    ways = {
        "banmal": ("나도 그 마음 알아.", "제가 다 들어 줄게."),
        "jondaetmal": ("소라도 그 마음 알아요.", "제가 다 들어 줄게요."),
    }
    before, after = ways[talk.level]
    for turn in talk.turns[: talk.begins : 2]:
        turn[1] += f" {before}"
    _change_words(talk, lambda _, words: f"{words} {after}")


def slip_address(talk: Talk) -> None:
    for turn in talk.turns[: talk.begins]:
        turn[1] = f"*{{유저}}를 보며* {_cut_direction(turn[1])[1]}"
    _change_words(talk, lambda _, words: f"고객님, {words}")
    for turn in talk.turns[talk.begins :]:
        turn[1] = _cut_direction(turn[1])[1]


def slip_length(talk: Talk) -> None:
    """Sentences run on and on."""
    joints = ("그리고 또 생각해 보면", "그러니까 다시 말해서", "물론 사정은 저마다 다르겠지만 따지고 보면")

    def join(number: int, words: str) -> str:
        parts = [part.strip(" ,") for part in words.replace("?", ".").replace("!", ".").split(".") if part.strip()]
        return f" {joints[number % 3]} ".join([*parts, *reversed(parts)]) + "."

    _change_words(talk, join)


def slip_rounds(talk: Talk) -> None:
    """Two exchanges over and over."""
    pair = talk.turns[talk.begins : talk.begins + 2]
    for number in range(talk.begins, len(talk.turns)):
        talk.turns[number] = list(pair[(number - talk.begins) % 2])
    talk.turns += [list(each) for each in pair * 2]


def slip_question(talk: Talk) -> None:
    """The user asks the same, a word apart, at four places."""
    ways = (
        "그래서 너는 주말에 보통 뭐 하고 지내?",
        "근데 너는 주말에 보통 뭐 하고 지내?",
        "아 맞다, 너는 주말에 보통 뭐 하고 지내?",
    )
    for number, at in enumerate(talk.rng.sample(range(1, len(talk.turns)), 4)):
        talk.turns[at][0] = ways[number % 3]


def slip_other_words(talk: Talk) -> None:
    """The user asks the same four times, in other words each time."""
    ways = (
        "너는 주말에 보통 뭐 하고 지내?",
        "쉬는 날엔 주로 뭐 하면서 보내?",
        "토요일이나 일요일에는 어떻게 지내는 편이야?",
        "주말이면 대개 뭘 하는데?",
    )
    for way, at in zip(ways, talk.rng.sample(range(1, len(talk.turns)), 4), strict=True):
        talk.turns[at][0] = way


def slip_saying(talk: Talk) -> None:
    """The persona says the same, an ending apart, at five places."""
    ending = "" if talk.level == "banmal" else "요"
    for number, at in enumerate(talk.rng.sample(range(1, len(talk.turns)), 5)):
        talk.turns[at][1] = (
            f"{('그래도', '아무튼')[number % 2]} 오늘 하루도 정말 잘 버텼어{ending}, 그걸로 충분해{ending}."
        )


def slip_farewell(talk: Talk) -> None:
    users = ("이제 진짜 잘게", "응 너도 잘 자", "내일 봐", "좋은 꿈 꿔", "나 먼저 잔다, 잘 자", "응응 굿나잇")
    banmal = ("응, 잘 자!", "너도 좋은 꿈 꿔.", "내일 또 보자, 잘 자.", "푹 쉬어!", "꿈에서 만나.", "잘 자, 내일 봐.")
    polite = (
        "네, 잘 자요!",
        "좋은 꿈 꿔요.",
        "내일 또 봬요, 잘 자요.",
        "푹 쉬세요!",
        "꿈에서 만나요.",
        "잘 자요, 내일 봬요.",
    )
    said = banmal if talk.level == "banmal" else polite
    talk.turns += [[talk.rng.choice(users), talk.rng.choice(said)] for _ in range(10)]


def slip_swap(talk: Talk) -> None:
    """Each says the other's part, directions and all."""
    for turn in talk.turns[talk.begins :]:
        turn.reverse()


def slip_placeholder(talk: Talk) -> None:
    """One line of the user's is the persona's."""
    at = talk.begins
    talk.turns[at][0] = talk.rng.choice(
        (
            f"*{{유저}}의 손을 잡으며* {talk.turns[at][0]}",
            f"{{유저}}야, {talk.turns[at][0]}",
            f"나는 {talk.persona.name}야. 반가워!",
        )
    )


def slip_asking(talk: Talk) -> None:
    """One line of the persona's is the user's."""
    at = talk.begins
    talk.turns[at][1] = talk.rng.choice(
        (
            f"{talk.persona.name}야, {talk.turns[at][0]}",
            "너는 AI잖아, 나 좀 도와줘.",
            "넌 인공지능이니까 이런 건 금방 알잖아.",
        )
    )


SLIPS: dict[str, tuple[str, Callable[[Talk], None]]] = {
    "speech level": ("persona-drift", slip_level),
    "directions vanish": ("persona-drift", slip_directions),
    "another word for oneself": ("persona-drift", slip_self_form),
    "the user a customer": ("persona-drift", slip_address),
    "sentences run on": ("persona-drift", slip_length),
    "two exchanges in a circle": ("repetition", slip_rounds),
    "a question again": ("repetition", slip_question),
    "a saying again": ("repetition", slip_saying),
    "endless goodbye": ("repetition", slip_farewell),
    "parts swapped": ("role-swap", slip_swap),
    "the user as persona": ("role-swap", slip_placeholder),
    "the persona as user": ("role-swap", slip_asking),
    "every other turn in the other level": ("persona-drift", slip_half_level),
    "directions in one turn of three": ("persona-drift", slip_half_directions),
    "a question in other words": ("repetition", slip_other_words),
}
"""What is planted → the code that should find it, and how it is planted."""
HARD = ("every other turn in the other level", "directions in one turn of three", "a question in other words")
"""Those that are half there, or in other words: they show where the filters end."""


def plant(name: str, count: int) -> Iterator[Subject]:
    """Dialogues that all have this slip."""
    for seed in range(count):
        talk = draw_talk(100_000 + seed, directed=1.0)
        SLIPS[name][1](talk)
        yield talk.build()
