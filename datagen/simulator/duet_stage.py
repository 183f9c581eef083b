"""The simulator's duets with their faults: utterances that are none, and dialogues that go wrong at length.

An utterance is spoilt by itself (`MALFORMED_UTTERANCES`). A slip belongs to a dialogue: `slip` is the share of
dialogues that have one, it sets in once the dialogue is long, and which one follows from the persona's system message.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from datagen.simulator.duet import DuetRequest, speak
from datagen.simulator.faults import Faults
from datagen.simulator.slips import LongSlip, draw_long_slip

FIRST_SLIP = (8, 14)
"""The persona's answer, counted from 0, at which a slip sets in: late enough to be one of a long dialogue."""


@dataclass(slots=True)
class DuetStage:
    """What a simulator remembers of its duets: how often each persona spoke, so that slips set in late."""

    seed: int
    counts: Counter[str]
    _spoken: Counter[int] = field(default_factory=Counter)
    """Hash of a persona's system message → answers to it."""

    def reply(self, request: DuetRequest, faults: Faults, is_malformed: bool, rng: random.Random) -> tuple[str, str]:
        """The reply to a duet's request, and its finish reason."""
        text = speak(request, self.seed, rng)
        if is_malformed:
            return MALFORMED_UTTERANCES[rng.choice(sorted(MALFORMED_UTTERANCES))](request, text)
        if request.side == "persona":
            text = self._slip(request, faults.slip, text, rng)
        return text, "stop"

    def _slip(self, request: DuetRequest, share: float, text: str, rng: random.Random) -> str:
        own = random.Random(f"{self.seed}/slip/{request.system}")
        is_slipping, kind, sets_in = own.random() < share, draw_long_slip(own), own.randint(*FIRST_SLIP)
        answer = self._spoken[hash(request.system)]
        self._spoken[hash(request.system)] += 1
        if not is_slipping or answer < sets_in:
            return text
        spoilt = kind.spoil(LongSlip(request, text, answer - sets_in, rng))
        self.counts[f"slip {kind.code}"] += spoilt != text
        return spoilt


def _lead_with_label(request: DuetRequest, text: str) -> tuple[str, str]:
    return f"{'유저' if request.side == 'user' else request.name}: {text}", "stop"


def _play_both(request: DuetRequest, text: str) -> tuple[str, str]:
    if request.side == "user":
        return f"{text}\n{request.name}: 응, 그랬구나.\n유저: 그러니까 말이야.", "stop"
    return f"{text}\n유저: 응, 알겠어.\n{request.name}: 그래, 잘 생각했어.", "stop"


def _say_nothing(_: DuetRequest, __: str) -> tuple[str, str]:
    return "  \n", "stop"


def _stop_short(_: DuetRequest, text: str) -> tuple[str, str]:
    return text[: max(4, len(text) * 2 // 3)], "length"


MALFORMED_UTTERANCES: dict[str, Callable[[DuetRequest, str], tuple[str, str]]] = {
    "label-in-text": _lead_with_label,
    "several-turns": _play_both,
    "empty-utterance": _say_nothing,
    "truncated": _stop_short,
}
