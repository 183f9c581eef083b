"""Whether the talk of a dialogue has come to a matter yet: a word of it explains what follows, not what went before."""

import re

from curation.subject import Subject


class TalkReader:
    """Answers for one dialogue, and reads each utterance once at most: 10,000 turns cost no more than their text."""

    def __init__(self, subject: Subject, pattern: re.Pattern[str]) -> None:
        self._subject = subject
        self._pattern = pattern
        self._read = 0
        self._turned = False

    def has_turned(self, index: int) -> bool:
        """Whether the pattern stands in an utterance up to `index`, which must not fall from one call to the next."""
        while not self._turned and self._read <= index:
            self._turned = self._pattern.search(self._subject.utterances[self._read].text) is not None
            self._read += 1
        return self._turned
