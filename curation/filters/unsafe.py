"""unsafe: sexual content, minors, profanity, hate, self-harm encouraged, instructions for crimes.

Why    A persona that friends talk to must not learn to swear, to hate, to hurt, or to court a child.
Drops  What is unmistakable: "시1발", "ㅂㅅ아", "김치녀", "그냥 죽어.", "나 중학생이야" with "우리 사귀자".
Notes  What may be harmless: "새끼", "섹스" as a subject, "죽고 싶어" answered with care, a how-to that is refused.
Keeps  "시발점", "새끼 고양이", "보지 마", "자지 말고", "배고파 죽겠다", "먹고 죽자", "마약김밥", "다시 발견".
       The words are data: `data/unsafe.yaml`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from curation.filter import Filter, FilterSettings
from curation.finding import AtLeast, Observation
from curation.signs.lexicon import Finder, Hit, load_lexicon
from curation.signs.minors import MinorFinder
from curation.subject import Subject, Utterance


class Settings(FilterSettings):
    """Limits of `unsafe`. Every score is a certainty in 0..1, written beside each word in `data/unsafe.yaml`; the
    default drops what is unmistakable (1) and notes the rest, since words alone are wrong about much ordinary 반말."""

    sexual: AtLeast = AtLeast(drop=1, note=0.3)
    """Sexual acts and slang, 0..1."""
    minors: AtLeast = AtLeast(drop=1, note=0.3)
    """Sex or courtship with somebody under 19, 0..1."""
    profanity: AtLeast = AtLeast(drop=1, note=0.3)
    """Swear words, 0..1."""
    hate: AtLeast = AtLeast(drop=1, note=0.3)
    """Slurs against a region, sex, origin, disability or belief, 0..1."""
    self_harm: AtLeast = AtLeast(drop=1, note=0.3)
    """Self-harm, 0..1: 1 encouraged or explained, 0.5 spoken of."""
    crime: AtLeast = AtLeast(drop=1, note=0.3)
    """How to make drugs or weapons, to break in, film or cheat, 0..1."""


_REFUSED = 0.6
_MOST_PER_MESSAGE = 10
"""Findings of one message that are told: enough to judge it, whatever its length."""
NAMES = {
    "sexual": "성적인 표현",
    "minors": "미성년자 대상 표현",
    "profanity": "욕설",
    "hate": "혐오 표현",
    "self_harm": "자해·자살",
    "crime": "범죄 수법",
}


@dataclass(frozen=True, slots=True)
class _Search:
    words: Finder
    minors: MinorFinder
    refusal: re.Pattern[str]


@lru_cache(maxsize=1)
def _prepare() -> _Search:
    """0.2 s of reading and compiling, at the first dialogue rather than at import."""
    lexicon = load_lexicon()
    return _Search(Finder(lexicon), MinorFinder(lexicon.age), re.compile("|".join(map(re.escape, lexicon.refusals))))


def measure(subject: Subject, _: Settings) -> Iterator[Observation]:
    search = _prepare()
    keys = search.words.find_keys(subject.whole)
    for utterance in subject.utterances if keys else ():
        hits = search.words.find(utterance.text, keys)
        for hit in sorted(hits, key=lambda each: -each.score)[:_MOST_PER_MESSAGE]:
            yield _to_observation(hit, utterance, subject)
    for minor in search.minors.find(subject):
        told = subject.utterances[minor.message].text[minor.start : minor.end]
        evidence = (
            f"미성년({told})이라고 한 상대와의 연애 표현"
            if minor.score == 1
            else f"미성년({told})이 나오는 연애 이야기"
        )
        yield Observation("minors", minor.score, evidence, minor.message, minor.start, minor.end)


def _to_observation(hit: Hit, utterance: Utterance, subject: Subject) -> Observation:
    quoted = utterance.text[hit.start : hit.end][:60]
    evidence = f"{NAMES[hit.category]}: '{quoted}'"
    score = hit.score
    if hit.is_refusable and _is_refused(utterance, subject):
        score, evidence = min(score, _REFUSED), f"{evidence} (페르소나가 말림)"
    elif score < 1:
        evidence += " (확인 필요)"
    return Observation(hit.category, score, evidence, utterance.index, hit.start, hit.end)


def _is_refused(utterance: Utterance, subject: Subject) -> bool:
    """The user says it, and the persona's next answer does not go along."""
    following = subject.utterances[utterance.index + 1 : utterance.index + 2]
    return utterance.role == "user" and any(_prepare().refusal.search(each.text) for each in following)


FILTER = Filter("unsafe", 1, Settings, measure)
