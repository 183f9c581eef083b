"""Courtship with somebody who is said to be under 19: one side tells an age, the other is in love.

Memories of school, a pupil who is spoken of, and advice to one who is in love with a classmate are ordinary.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from curation.signs.lexicon import Age
from curation.subject import Subject, Utterance

_QUICK = re.compile(
    "[중고초1열미여남](?:(?<=[중고초])(?:등|학생|딩|[ ]?[1-6])|(?<=1)[0-8][ ]?[살세]|(?<=열).{0,3}[살섯덟곱]"
    "|(?<=미)성년|(?<=[여남])[중고]생)"
)
"""One of the words for somebody under 19 may be there: spares most text the longer search."""
_QUOTED = re.compile("[\"“'‘][^\"“”'‘’\n]{1,80}[\"”'’]")
_ONESELF = ("나", "난", "저", "전", "내가", "제가", "우린")
_COPULA = "(?:이(?![ ]?아니|었|던|면)|인(?!데도 아닌)|야|예|거든|밖에|입|니까|니|지|잖|라서?|임|[ ]?[.!~…]|$)"


@dataclass(frozen=True, slots=True)
class Minor:
    """Where somebody is said to be under 19. `score` 1: so one says of oneself and the persona courts; else 0.6."""

    message: int
    start: int
    end: int
    score: float


class MinorFinder:
    def __init__(self, age: Age) -> None:
        minors = "|".join(age.minors)
        self._told = re.compile(
            rf"(?<![가-힣])(?P<who>나|난|저|전|내가|제가|우린|너|넌|네가|니가)(?:는|도|이|요)?[ ,]{{1,2}}"
            rf"(?:(?:이제|아직|올해|지금|사실|겨우|곧|만)[ ]){{0,2}}(?P<age>{minors})(?:[ ]?{_COPULA})"
        )
        self._bare = re.compile(
            rf"(?:^|[.!?~…\n][ ]?)(?P<who>)(?P<age>{minors})(?:이야|인데|이에요|예요|입니다|야|이거든|인데요)"
        )
        self._courting = re.compile("|".join(age.courting))
        self._romance = re.compile("|".join(age.romance))

    def find(self, subject: Subject) -> Iterator[Minor]:
        """The first place where a side is said to be under 19, in a dialogue about love."""
        told = next(self._list_told(subject), None)
        if told is None:
            return
        utterance, found = told
        # "너 열 살이야?" is a tease, and "열두 살이야." may be a dog.
        is_of_oneself = found["who"] in _ONESELF
        if is_of_oneself and any(self._is_courting(each.text) for each in subject.persona_utterances):
            score = 1.0
        elif any(self._romance.search(each.text) for each in subject.utterances):
            score = 0.6
        else:
            return
        yield Minor(utterance.index, *found.span("age"), score)

    def _is_courting(self, text: str) -> bool:
        """What stands in quotation marks is advice on what to say to somebody else."""
        return self._courting.search(_QUOTED.sub("", text)) is not None

    def _list_told(self, subject: Subject) -> Iterator[tuple[Utterance, re.Match[str]]]:
        for utterance in subject.utterances:
            if _QUICK.search(utterance.text):
                found = self._told.search(utterance.text) or self._bare.search(utterance.text)
                if found is not None:
                    yield utterance, found
