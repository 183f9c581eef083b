"""The neutral judge of a generated row: is the text the whole dialogue that was asked for?

It shares nothing with the product's parser: line by line, `human1:`, `gpt1:`, `human2:` … to the last `gptN:`, each
with something said, N as asked. Only the standard library: a peer that can reject a reply is handed it as its check.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_LABEL = re.compile(r"(human|gpt)(\d+): *(.*)")
_FOREIGN = re.compile(r"(?:user|assistant|system|human|gpt) ?\d* ?:", re.IGNORECASE)
_SPEAKERS = ("human", "gpt")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of `wanted` rows: how many came whole, came in another form, or did not come at all; and rows beyond those."""

    wanted: int
    whole: int
    malformed: int
    missing: int
    surplus: int


def find_fault(text: str, exchanges: int) -> str | None:
    """Why the text is not a dialogue of so many exchanges; None if it is."""
    turns: list[list[str]] = []
    for line in text.strip().splitlines():
        label = _LABEL.match(line)
        if label is None:
            if not turns:
                return "text before the first label"
            turns[-1].append(line)
            continue
        speaker, number = _SPEAKERS[len(turns) % 2], len(turns) // 2 + 1
        if (label[1], int(label[2])) != (speaker, number):
            return f"{label[1]}{label[2]} where {speaker}{number} belongs"
        turns.append([label[3]])
    if len(turns) != 2 * exchanges:
        return f"{len(turns)} utterances, not {2 * exchanges}"
    for lines in turns:
        if not "".join(lines).strip():
            return "an empty utterance"
        if any(_FOREIGN.search(line) for line in lines):
            return "a label within an utterance"
    return None


def judge_rows(rows: Iterable[tuple[int, str | None]], wanted: Mapping[int, int] | Sequence[int]) -> Verdict:
    """`rows`: number of the row and its text. `wanted`: exchanges asked for, by number of the row.

    A row that comes twice counts once, by its best text, and once as surplus; so does one that nobody asked for.
    """
    numbers = set(wanted) if isinstance(wanted, Mapping) else set(range(len(wanted)))
    best: dict[int, bool] = {}
    came: Counter[int] = Counter()
    surplus = 0
    for number, text in rows:
        if number not in numbers:
            surplus += 1
        elif text and text.strip():
            came[number] += 1
            best[number] = best.get(number, False) or find_fault(text, wanted[number]) is None
    surplus += sum(count - 1 for count in came.values())
    whole = sum(best.values())
    return Verdict(len(numbers), whole, len(best) - whole, len(numbers) - len(best), surplus)
