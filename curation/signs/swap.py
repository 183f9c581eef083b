"""Where two speakers change places: from some exchange on, each writes as the other did.

Looked for in what tells them apart: who writes stage directions, and who is polite. One speaker alone that changes has
drifted; only where both do, in opposite ways and at the same exchange, have they swapped.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from curation.subject import Subject

LEAST_SIDE = 4
"""Exchanges before and after the swap: fewer are chance."""
CERTAIN = 0.7
"""Score from which on two speakers have swapped."""

_POLITE = re.compile(r"(?:요|니다|니까|죠|세요|까요)(?=[\s.!?~…,ㅎㅋ^]|$)")


@dataclass(frozen=True, slots=True)
class Swap:
    """`message`: the first one after it. `score`: by how much the two shares change that change less, 0..1."""

    message: int
    by: Literal["directions", "levels"]
    score: float


def find_swap(subject: Subject) -> Swap | None:
    """The clearest swap of a dialogue that alternates; None where nothing speaks for one."""
    asked, answers = subject.utterances[::2], subject.utterances[1::2]
    if len(answers) < 2 * LEAST_SIDE or {each.role for each in answers} != {"assistant"}:
        return None
    found = []
    if "*" in subject.whole:
        signs = [bool(each.directions) for each in asked], [bool(each.directions) for each in answers]
        found.append(_find_best("directions", *signs))
    if _POLITE.search(subject.whole):
        polite = [bool(_POLITE.search(each.speech)) for each in asked]
        found.append(_find_best("levels", polite, [bool(_POLITE.search(each.speech)) for each in answers]))
    return max((each for each in found if each is not None), key=lambda each: each.score, default=None)


def _find_best(by: Literal["directions", "levels"], user: Sequence[bool], persona: Sequence[bool]) -> Swap | None:
    if len(set(user)) == 1 or len(set(persona)) == 1:
        return None
    count = min(len(user), len(persona))
    best: Swap | None = None
    user_before, persona_before = 0, 0
    user_all, persona_all = sum(user[:count]), sum(persona[:count])
    for at in range(1, count - LEAST_SIDE + 1):
        user_before += user[at - 1]
        persona_before += persona[at - 1]
        if at < LEAST_SIDE:
            continue
        rise = (user_all - user_before) / (count - at) - user_before / at
        fall = persona_before / at - (persona_all - persona_before) / (count - at)
        score = min(rise, fall) if by == "directions" else max(min(rise, fall), min(-rise, -fall))
        if score > 0 and (best is None or score > best.score):
            best = Swap(2 * at, by, score)
    return best
