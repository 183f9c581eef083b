"""emoji: a Unicode emoji in the text.

Why    The persona writes text emoticons only (ㅎㅎ, ^^, ~); one emoji in the data and the model uses them everywhere.
Drops  "안녕 😀", "좋아 ❤️", a flag, a keycap.
Keeps  "ㅎㅎ", "^^", "(•̀ᴗ•́)و", "♥", "☆", "→": text symbols that need no colour font.
"""

import re
from collections.abc import Iterator

from curation.filter import Filter, FilterSettings
from curation.finding import AtLeast, Observation
from curation.subject import Subject


class Settings(FilterSettings):
    """Limits of `emoji`."""

    emoji: AtLeast = AtLeast(drop=1)
    """Emoji in one utterance of the persona or the user. Default: none is allowed, as the persona's rule says."""


_PICTURE = "[\U0001f000-\U0001faff\U0001fc00-\U0001fffd]"
_EMOJI = re.compile(
    rf"(?:[\U0001f1e6-\U0001f1ff]{{2}}|[0-9#*]\ufe0f?\u20e3|{_PICTURE}|[\u2194-\u3299]\ufe0f"
    rf"|[\u231a\u231b\u23e9-\u23f3\u2614\u2615\u2648-\u2653\u267f\u2693\u26a1\u26aa\u26ab\u26bd\u26be\u26c4\u26c5\u26ce\u26d4\u26ea"
    rf"\u26f2\u26f3\u26f5\u26fa\u26fd\u2705\u270a\u270b\u2728\u274c\u274e\u2753-\u2755\u2757\u2764\u2795-\u2797\u27b0\u27bf\u2b1b\u2b1c\u2b50\u2b55])"
    rf"(?:[\ufe0f\u20e3]|[\U0001f3fb-\U0001f3ff]|\u200d{_PICTURE})*"
)
"""Characters with Emoji_Presentation (Unicode 16, emoji-data.txt), and text symbols asked to be pictures (U+FE0F)."""


def measure(subject: Subject, _: Settings) -> Iterator[Observation]:
    for utterance in subject.utterances:
        if utterance.text.isascii():
            continue
        found = list(_EMOJI.finditer(utterance.text))
        if found:
            evidence = f"그림 이모지 {' '.join(each[0] for each in found[:5])}"
            yield Observation("emoji", len(found), evidence, utterance.index, found[0].start(), found[0].end())


FILTER = Filter("emoji", 1, Settings, measure)
