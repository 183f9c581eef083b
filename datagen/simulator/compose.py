"""Compose a Korean dialogue from the grammar: draw exchanges, fill word slots, choose particles.

Two dialogues drawn with different random states rarely share a sentence: that is what the data is written for, and
`python -m datagen.simulator.compose TOPIC N` shows it for whoever edits the grammar.
"""

import argparse
import random
import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations

from datagen.record import Message
from datagen.simulator.grammar import Bank, Exchange, SpeechLevel, find_banks

_CHOICE = re.compile(r"\[\[(.*?)\]\]", re.DOTALL)
_SLOT = re.compile(r"\{([^{}:]+)(?::([^{}/]+)/([^{}]+))?\}")
_DIGIT_ENDS_IN_CONSONANT = "013678"
_LETTER_ENDS_IN_CONSONANT = "lmnrLMNR"

NO_TOPIC = "요즘"
"""Where somebody chats and names none: "오늘은 요즘 얘기 하면 어때?"."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the simulator understood of a prompt."""

    topic: str
    exchanges: int
    speech_level: SpeechLevel
    name: str = "엑사"
    situation: str = ""
    place: str = ""
    user_placeholder: str = "{유저}"


def choose_particle(word: str, after_consonant: str, after_vowel: str) -> str:
    """The form of a particle that fits the last syllable of `word`: ("을", "를"), ("으로", "로"), …"""
    last = word.rstrip("\"')]”’」』")[-1:] or word[-1:]
    if "가" <= last <= "힣":
        final = (ord(last) - ord("가")) % 28
        has_final = final != 0 and not (final == 8 and after_consonant.startswith("으로"))
    elif last.isdigit():
        has_final = last in _DIGIT_ENDS_IN_CONSONANT and not (last in "178" and after_consonant.startswith("으로"))
    else:
        has_final = last in _LETTER_ENDS_IN_CONSONANT
    return after_consonant if has_final else after_vowel


@dataclass(slots=True)
class _Draw:
    """The words and directions drawn so far in one dialogue."""

    bank: Bank
    request: Request
    rng: random.Random
    words: dict[str, str] = field(default_factory=dict)
    directions: list[str] = field(default_factory=list)

    def word(self, key: str) -> str:
        if key == "유저":
            return self.request.user_placeholder
        if key == "direction":
            if not self.directions:
                self.directions = self.rng.sample(self.bank.directions, len(self.bank.directions))
            return self.fill(self.directions.pop())
        if key not in self.words:
            given = {
                "name": self.request.name,
                "topic": self.request.topic or NO_TOPIC,
                "situation": self.request.situation,
            }
            if self.request.place:
                given["place"] = self.request.place
            self.words[key] = given.get(key) or self.rng.choice(self.bank.words[key])
        return self.words[key]

    def fill(self, line: str) -> str:
        line = _CHOICE.sub(lambda found: self.rng.choice(found[1].split("|")), line)
        return _SLOT.sub(self._fill_slot, line)

    def _fill_slot(self, found: re.Match[str]) -> str:
        word = self.word(found[1])
        return word + choose_particle(word, found[2], found[3]) if found[2] else word


def compose(request: Request, rng: random.Random) -> tuple[Message, ...]:
    """Compose a dialogue of `request.exchanges` exchanges.

    Raises LookupError where the grammar has no bank for the request's speech level.
    """
    banks = find_banks(request.topic, request.speech_level)
    if not banks:
        raise LookupError(f"the grammar has no bank in {request.speech_level}")
    bank = rng.choice(banks)
    draw = _Draw(bank, request, rng)
    messages: list[Message] = []
    for exchange in _draw_exchanges(bank, request.exchanges, rng):
        messages.append(Message("user", draw.fill(rng.choice(exchange.user))))
        messages.append(Message("assistant", draw.fill(rng.choice(exchange.persona))))
    return tuple(messages)


def _draw_exchanges(bank: Bank, count: int, rng: random.Random) -> list[Exchange]:
    between = max(0, count - 2)
    middle = rng.sample(bank.middle, min(between, len(bank.middle)))
    middle += rng.choices(bank.middle, k=between - len(middle))
    closing = [rng.choice(bank.close)] if count > 1 else []
    return [rng.choice(bank.open), *middle, *closing]


def _grams(messages: tuple[Message, ...], size: int = 5) -> frozenset[str]:
    text = "\n".join(message.content for message in messages)
    return frozenset(text[at : at + size] for at in range(len(text) - size + 1))


def near_duplicate_share(dialogues: list[tuple[Message, ...]], threshold: float = 0.7) -> float:
    """Share of dialogues, in 0..1, with a Jaccard similarity of `threshold` to an earlier one (character 5-grams)."""
    grams = [_grams(messages) for messages in dialogues]
    near = {
        right
        for (_, a), (right, b) in combinations(enumerate(grams), 2)
        if min(len(a), len(b)) >= threshold * max(len(a), len(b)) and len(a & b) >= threshold * len(a | b)
    }
    return len(near) / max(1, len(dialogues))


def main(arguments: list[str]) -> None:
    """Show N dialogues of a topic and how alike they are."""
    parser = argparse.ArgumentParser(prog="python -m datagen.simulator.compose", description=main.__doc__)
    parser.add_argument("topic")
    parser.add_argument("count", type=int)
    parser.add_argument("--speech-level", choices=["banmal", "jondaetmal"], default="banmal")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    dialogues = []
    for number in range(options.count):
        rng = random.Random(f"{options.seed}/{options.topic}/{number}")
        request = Request(
            topic=options.topic,
            exchanges=2 + number % 4,
            speech_level=options.speech_level,
            situation="유저가 퇴근길 지하철에서 말을 건다",
        )
        dialogues.append(compose(request, rng))
    for messages in dialogues:
        print("\n".join(f"{'나' if m.role == 'user' else '  페르소나'}: {m.content}" for m in messages), end="\n\n")
    firsts = Counter(messages[0].content for messages in dialogues).most_common(3)
    answers = Counter(messages[1].content for messages in dialogues).most_common(3)
    print(f"near-duplicates {near_duplicate_share(dialogues):.1%}; most frequent first lines {firsts} and {answers}")


if __name__ == "__main__":
    main(sys.argv[1:])
