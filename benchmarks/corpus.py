"""Korean dialogues with known duplicates, built from `../shared/data` (songys/Chatbot_data, MIT; e9t/nsmc, CC0 1.0).

A family is one dialogue of four turns and its edited copies. Up to 43,000 families no line is used twice, so what is
alike across families is alike by what people wrote. Larger corpora splice the halves of two lines.
"""

import csv
import gzip
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
TURNS = 4

Turns = list[str]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Dialogues, the family of each, and the edit that made it ("" for the original)."""

    dialogues: list[Turns]
    families: list[int]
    edits: list[str]


def read_pairs() -> list[tuple[str, str]]:
    """Question and answer of everyday talk, each pair once."""
    with (DATA / "songys_chatbot" / "ChatbotData.csv").open(encoding="utf-8", newline="") as file:
        return list(dict.fromkeys((row["Q"], row["A"]) for row in csv.DictReader(file)))


def read_lines() -> list[str]:
    """Film reviews, each once: one or two sentences by many hands."""
    with gzip.open(DATA / "nsmc_reviews.txt.gz", "rt", encoding="utf-8") as file:
        return list(dict.fromkeys(line.strip() for line in file if line.strip()))


def iterate_originals(seed: int) -> Iterator[Turns]:
    """Dialogues without end. The first 40,000 or so share no line."""
    source = random.Random(seed)
    pairs, lines = read_pairs(), read_lines()
    source.shuffle(pairs)
    source.shuffle(lines)
    for index, (question, answer) in enumerate(pairs):
        yield [question, answer, *lines[2 * index : 2 * index + 2]]
    for start in range(2 * len(pairs), len(lines) - TURNS + 1, TURNS):
        yield lines[start : start + TURNS]
    while True:
        yield [splice(source.choice(lines), source.choice(lines)) for _ in range(TURNS)]


def splice(left: str, right: str) -> str:
    """The first half of the one and the second half of the other, by words."""
    first, second = left.split(), right.split()
    return " ".join([*first[: (len(first) + 1) // 2], *second[len(second) // 2 :]])


def edit_characters(turns: Turns, source: random.Random) -> Turns:
    """5 to 20 % of the characters replaced, left out or doubled by one from the same text."""
    share = source.uniform(0.05, 0.2)
    letters = "".join(turns)
    return [_mistype(turn, share, letters, source) for turn in turns]


def _mistype(turn: str, share: float, letters: str, source: random.Random) -> str:
    edited = []
    for letter in turn:
        if source.random() >= share:
            edited.append(letter)
        elif (kind := source.randrange(3)) == 0:
            edited.append(source.choice(letters))
        elif kind == 1:
            edited.append(letter + source.choice(letters))
    return "".join(edited)


def edit_span(turns: Turns, source: random.Random) -> Turns:
    """A run of words, up to a third of one turn, left out or said twice."""
    at = max(range(len(turns)), key=lambda index: (len(turns[index].split()) > 2, source.random()))
    words = turns[at].split()
    length = source.randint(1, max(1, len(words) // 3))
    start = source.randrange(max(1, len(words) - length))
    span = words[start : start + length]
    words[start : start + length] = [] if source.random() < 0.5 and len(words) > length else [*span, *span]
    return [*turns[:at], " ".join(words), *turns[at + 1 :]]


def edit_spacing(turns: Turns, source: random.Random) -> Turns:
    """Spaces dropped or put where none belongs, and other punctuation at the end."""
    edited = []
    for turn in turns:
        letters = [letter for letter in turn if letter != " " or source.random() < 0.5]
        spaced = "".join(letter + (" " if source.random() < 0.08 else "") for letter in letters)
        edited.append(spaced.rstrip(" .?!~") + source.choice(["", ".", "!", "?", "~", "..."]))
    return edited


def edit_names(turns: Turns, source: random.Random) -> Turns:
    """Someone is called by name, once or in every turn."""
    name = source.choice(["민수야", "지은아", "엑사야", "서연아", "{유저}", "현우 씨", "오빠", "자기야"])
    chosen = {source.randrange(len(turns))} if source.random() < 0.5 else set(range(len(turns)))
    return [f"{name}, {turn}" if index in chosen else turn for index, turn in enumerate(turns)]


def edit_order(turns: Turns, source: random.Random) -> Turns:
    """Two turns change places."""
    one, other = source.sample(range(len(turns)), 2)
    edited = list(turns)
    edited[one], edited[other] = edited[other], edited[one]
    return edited


def cut_short(turns: Turns, source: random.Random) -> Turns:
    """The last turn is missing, or the last two, or the end of the last."""
    kept = source.randint(len(turns) - 2, len(turns))
    if kept < len(turns):
        return turns[:kept]
    words = turns[-1].split()
    return [*turns[:-1], " ".join(words[: max(1, len(words) // 2)])]


def edit_emoticons(turns: Turns, source: random.Random) -> Turns:
    """Laughter, tears and text emoticons before and after."""
    signs = ["ㅋㅋ", "ㅋㅋㅋㅋ", "ㅎㅎ", "ㅠㅠ", "^^", "~!", "!!", ";;", "ㅜㅜ"]
    return [f"{source.choice(['', '', 'ㅋㅋ ', 'ㅎㅎ '])}{turn} {source.choice(signs)}" for turn in turns]


def replace_turn(turns: Turns, other: str, source: random.Random) -> Turns:
    """One turn is another one."""
    at = source.randrange(len(turns))
    return [*turns[:at], other, *turns[at + 1 :]]


EDITS: tuple[tuple[str, Callable[[Turns, random.Random], Turns] | None], ...] = (
    ("characters", edit_characters),
    ("span", edit_span),
    ("spacing", edit_spacing),
    ("names", edit_names),
    ("swapped", edit_order),
    ("replaced", None),
    ("cut", cut_short),
    ("emoticons", edit_emoticons),
)


def build_corpus(count: int, seed: int = 1, share_of_copies: float = 0.25) -> Corpus:
    """`count` dialogues in random order, of which a share are edited copies, each edit as often as the others."""
    source = random.Random(seed)
    originals = iterate_originals(seed)
    copies = int(count * share_of_copies)
    rows = [(next(originals), family, "") for family in range(count - copies)]
    strangers = read_lines()
    for index, family in enumerate(source.choices(range(count - copies), k=copies)):
        name, edit = EDITS[index % len(EDITS)]
        turns = rows[family][0]
        edited = edit(turns, source) if edit else replace_turn(turns, source.choice(strangers), source)
        rows.append((edited, family, name))
    source.shuffle(rows)
    return Corpus([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])
