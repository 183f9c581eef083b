"""persona-drift: in a long dialogue the persona ends as somebody else than it began.

Why    A model forgets its sheet as the context grows. Over the whole dialogue that hides: a tenth of all sentences off
       the level is a last quarter that is all 존댓말.
Drops  엑사, playful and with directions for twenty turns, who then says "네, 그렇게 하시면 됩니다." to the end; whose
       *손뼉을 치며* are gone; who turns from 나 to 저; who calls {유저} 고객님; whose sentences grow threefold.
Keeps  A slip (`speech-level` has it), a serious stretch after which the persona is itself again, any short dialogue.

The first window of the persona's turns is the measure for all later ones, which slide by half a window; words that are
few (나, {유저}) are measured by all turns before the window. Where the two speakers swap, only what comes before is
looked at: `role-swap` has the rest.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import Field

from curation.filter import Filter, FilterSettings
from curation.finding import AtLeast, Observation
from curation.signs.habits import DISTANT, Habits, add_up, count_habits, subtract
from curation.signs.swap import CERTAIN, find_swap
from curation.subject import PersonaSheet, SpeechLevel, Subject


class Settings(FilterSettings):
    """Limits of `persona-drift`. All compare a window with the dialogue's beginning."""

    window: int = Field(8, ge=4)
    """Turns of the persona in a window, 4 and more; a dialogue of fewer than two windows is not looked at. Default: of
    6, 8, 10 and 12 the size that finds most planted drifts without a false one (`benchmarks/README.md`)."""
    level: AtLeast = AtLeast(drop=0.4, note=0.25)
    """Rise of the share of sentences off the persona's level, 0..1; of a persona without a declared level, off that of
    the first window. Default: thinking aloud in a 존댓말 window makes up to a fifth."""
    self_form: AtLeast = AtLeast(drop=0.6, note=0.4)
    """Share of the words for oneself (나, 저, its own name) that are others than in all turns before, 0..1, from five
    words on in the window and six before. 나 and 저 are one in 존댓말, which has both. Default: three fifths, so that
    one "제가" in jest stays."""
    address: AtLeast = AtLeast(drop=0.6, note=0.3)
    """Rise of the share that 고객님, 회원님, 사용자 and the like have in the words for the user, against all turns
    before, 0..1, from three words on in the window and four before. {유저}, 너, 자기 and 당신 come and go among people.
    Default: three fifths, so that a shop can be played."""
    directions: AtLeast = AtLeast(drop=0.85, note=0.7)
    """Fall of the share of turns with a stage direction, 0..1, to the dialogue's end. Default: in every turn at first
    and in one of eight at last is a habit lost; who has them in four turns of five comes to 0.75 by chance."""
    sentence_length: AtLeast = AtLeast(drop=3, note=2)
    """How many times longer or shorter sentences are than at first, from 1, to the dialogue's end. Default: doubled is
    worth a look, since grave matters make sentences long; threefold is another writer."""
    marks: AtLeast = AtLeast(note=0.75)
    """Fall of the share of turns with the mark that most is lost of (!, ㅎㅎ, ~, ^^), 0..1, to the dialogue's end.
    Default: a note, since a sad turn of the talk takes them away too."""


_LEAST_SENTENCES = 6
_LEVELS = {"banmal": "반말", "jondaetmal": "존댓말"}
_CLEAR = 0.8
"""Share of the first window's sentences from which on their level is taken for that of an undeclared persona."""


@dataclass(frozen=True, slots=True)
class _Drift:
    """How far one window is from the first; `told` in words."""

    score: float
    told: str


_NONE = _Drift(0, "")


def measure(subject: Subject, settings: Settings) -> Iterator[Observation]:
    size = settings.window
    turns = subject.persona_utterances
    if len(turns) < 2 * size:
        return
    swap = find_swap(subject)
    if swap is not None and swap.score >= CERTAIN:
        turns = tuple(each for each in turns if each.index < swap.message)
        if len(turns) < 2 * size:
            return
    habits = [count_habits(each, subject.persona) for each in turns]
    starts = _list_starts(len(turns), size)
    befores = add_up(habits, starts)
    windows = list(map(subtract, add_up(habits, [start + size for start in starts]), befores))
    places = [turns[start].index for start in starts]
    level = _find_level(subject.persona, windows[0])
    found = [*_compare_with_first(windows, level), *_compare_with_all_before(befores, windows, level)]
    for rule, at, drift in found:
        if drift.score > 0:
            yield Observation(rule, drift.score, f"{places[at] + 1}번째 말부터 {drift.told}", places[at])


def _list_starts(count: int, size: int) -> list[int]:
    """Where windows begin: each half a window on, and one that ends with the dialogue."""
    return sorted({*range(0, count - size + 1, size // 2), count - size})


def _compare_with_first(windows: Sequence[Habits], level: SpeechLevel | None) -> Iterator[tuple[str, int, _Drift]]:
    """Rule, window, and how far it has come."""
    first, later = windows[0], windows[1:]
    if level is not None:
        levels = [_compare_levels(first, each, level) for each in later]
        yield "level", *_pick_worst(levels)
    yield "directions", *_pick_lasting([_compare_directions(first, each) for each in later])
    yield "sentence_length", *_pick_lasting([_compare_lengths(first, each) for each in later])
    yield "marks", *_pick_lasting([_compare_marks(first, each) for each in later])


def _compare_with_all_before(
    befores: Sequence[Habits], windows: Sequence[Habits], level: SpeechLevel | None
) -> Iterator[tuple[str, int, _Drift]]:
    pairs = list(zip(befores[1:], windows[1:], strict=True))
    has_both = level == "jondaetmal"
    yield "self_form", *_pick_worst([_compare_selves(before, later, has_both) for before, later in pairs])
    yield "address", *_pick_worst([_compare_addresses(before, later) for before, later in pairs])


def _find_level(persona: PersonaSheet | None, first: Habits) -> SpeechLevel | None:
    """The declared level; without one, that of the first window where it is clear."""
    return (persona.speech_level if persona else None) or _guess_level(first.levels)


def _guess_level(levels: Counter[str]) -> SpeechLevel | None:
    known: tuple[SpeechLevel, ...] = ("banmal", "jondaetmal")
    clear = (each for each in known if levels[each] >= max(_LEAST_SENTENCES, _CLEAR * levels.total()))
    return next(clear, None)


def _pick_worst(found: Sequence[_Drift]) -> tuple[int, _Drift]:
    """The first of the worst windows, the dialogue's first being 0."""
    at = max(range(len(found)), key=lambda index: (found[index].score, -index))
    return at + 1, found[at]


def _pick_lasting(found: Sequence[_Drift]) -> tuple[int, _Drift]:
    """How the last window is, and the first from which on none is nearer to the beginning than that."""
    at = len(found) - 1
    while at > 0 and found[at - 1].score >= found[-1].score:
        at -= 1
    return at + 1, found[at] if found[at].score == found[-1].score else found[-1]


def _compare_levels(before: Habits, later: Habits, level: SpeechLevel) -> _Drift:
    if min(before.levels.total(), later.levels.total()) < _LEAST_SENTENCES:
        return _NONE
    other = "banmal" if level == "jondaetmal" else "jondaetmal"
    first, share = (each.levels[other] / each.levels.total() for each in (before, later))
    told = f"{_LEVELS[level]}이 {_LEVELS[other]}로 바뀜: 문장의 {share:.0%}가 {_LEVELS[other]} (처음에는 {first:.0%})"
    return _Drift(share - first, told)


def _compare_selves(before: Habits, later: Habits, has_both: bool) -> _Drift:
    old, new = (_merge(each.selves) if has_both else each.selves for each in (before, later))
    if old.total() < 6 or new.total() < 5:
        return _NONE
    score = sum(max(0.0, new[word] / new.total() - old[word] / old.total()) for word in new)
    return _Drift(score, f"스스로를 가리키는 말이 바뀜: 앞에서는 {_list_counts(old)}, 여기서는 {_list_counts(new)}")


def _merge(selves: Counter[str]) -> Counter[str]:
    return Counter(
        {word: times for word, times in selves.items() if word != "나"} | {"저": selves["나"] + selves["저"]}
    )


def _compare_addresses(before: Habits, later: Habits) -> _Drift:
    old, new = before.addresses, later.addresses
    if old.total() < 4 or new.total() < 3:
        return _NONE
    score = new[DISTANT] / new.total() - old[DISTANT] / old.total()
    return _Drift(score, f"유저를 부르는 말이 바뀜: 앞에서는 {_list_counts(old)}, 여기서는 {_list_counts(new)}")


def _list_counts(words: Counter[str]) -> str:
    return ", ".join(f"‘{word}’ {times}번" for word, times in words.most_common(3))


def _compare_directions(before: Habits, later: Habits) -> _Drift:
    first, share = before.directed / before.turns, later.directed / later.turns
    told = f"지문이 사라짐: 처음에는 {before.turns}번 가운데 {before.directed}번, 여기서는 {later.directed}번"
    return _Drift(first - share, told)


def _compare_lengths(before: Habits, later: Habits) -> _Drift:
    if min(before.sentences, later.sentences) < _LEAST_SENTENCES or not before.letters or not later.letters:
        return _NONE
    first, mean = before.letters / before.sentences, later.letters / later.sentences
    ratio = max(first / mean, mean / first)
    how = "길어짐" if mean > first else "짧아짐"
    return _Drift(ratio, f"문장이 {ratio:.1f}배로 {how}: 처음에는 한 문장에 {first:.0f}자, 여기서는 {mean:.0f}자")


def _compare_marks(before: Habits, later: Habits) -> _Drift:
    falls = {mark: before.marks[mark] / before.turns - later.marks[mark] / later.turns for mark in before.marks}
    if not falls:
        return _NONE
    mark = max(falls, key=lambda each: falls[each])
    told = (
        f"{mark} 버릇이 사라짐: 처음에는 {before.turns}번 가운데 {before.marks[mark]}번, 여기서는 {later.marks[mark]}번"
    )
    return _Drift(falls[mark], told)


FILTER = Filter("persona-drift", 1, Settings, measure)
