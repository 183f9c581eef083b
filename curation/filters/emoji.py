"""emoji: a Unicode emoji in the text.

Why    The persona writes text emoticons only (ㅎㅎ, ^^, ~); one emoji in the data and the model uses them everywhere.
Drops  "안녕 😀", "좋아 ❤️", "고마워 ❤", a flag, a keycap, a text symbol that asks to be a picture ("☺️", "™️").
Keeps  "ㅎㅎ", "^^", "(•̀ᴗ•́)و", and symbols that are in every Korean font: "♥", "☆", "→", "♨", "™".
Notes  "☺", "✌", "✔": drawn as a picture on some phones and as text elsewhere.
"""

import re
from collections.abc import Iterator

from curation.filter import Filter, FilterSettings
from curation.finding import AtLeast, Observation
from curation.subject import Subject


class Settings(FilterSettings):
    """Limits of `emoji`."""

    emoji: AtLeast = AtLeast(drop=1)
    """Emoji in one utterance of the persona or the user, 1 and up. Default: none, as the persona's rule says."""
    symbol: AtLeast = AtLeast(note=1)
    """Symbols in one utterance that only some devices draw as pictures, 1 and up. Default: a person may look."""


_PICTURE = (
    "\U0001f004\U0001f0cf\U0001f170\U0001f171\U0001f17e\U0001f17f\U0001f18e\U0001f191-\U0001f19a\U0001f201-\U0001f265"
    "\U0001f300-\U0001f64f\U0001f680-\U0001f6ff\U0001f7e0-\U0001f7ff\U0001f900-\U0001f9ff\U0001fa70-\U0001faff"
)
"""The blocks of the supplementary plane that hold emoji; nobody types their few text symbols as text."""

_COLOURED = (
    "\u231a\u231b\u23e9-\u23ec\u23f0\u23f3\u25fd\u25fe\u2614\u2615\u2648-\u2653\u267f\u2693\u26a1\u26aa\u26ab\u26bd\u26be"
    "\u26c4\u26c5\u26ce\u26d4\u26ea\u26f2\u26f3\u26f5\u26fa\u26fd\u2705\u270a\u270b\u2728\u274c\u274e\u2753-\u2755\u2757"
    "\u2795-\u2797\u27b0\u27bf\u2b1b\u2b1c\u2b50\u2b55\u2764"
)
"""Emoji_Presentation below U+10000 (Unicode emoji-data.txt), and ❤ U+2764: the keyboards' heart, which messengers draw
red without a selector too; the heart that people type as text is ♥ U+2665."""

_SELECTABLE = (
    "\xa9\xae\u203c\u2049\u2122\u2139\u2194-\u2199\u21a9\u21aa\u231a\u231b\u2328\u23cf\u23e9-\u23f3\u23f8-\u23fa"
    "\u24c2\u25aa\u25ab\u25b6\u25c0\u25fb-\u25fe\u2600-\u2604\u260e\u2611\u2614\u2615\u2618\u261d\u2620\u2622"
    "\u2623\u2626\u262a\u262e\u262f\u2638-\u263a\u2640\u2642\u2648-\u2653\u265f\u2660\u2663\u2665\u2666\u2668"
    "\u267b\u267e\u267f\u2692-\u2697\u2699\u269b\u269c\u26a0\u26a1\u26a7\u26aa\u26ab\u26b0\u26b1\u26bd\u26be"
    "\u26c4\u26c5\u26c8\u26ce\u26cf\u26d1\u26d3\u26d4\u26e9\u26ea\u26f0-\u26f5\u26f7-\u26fa\u26fd\u2702\u2705"
    "\u2708-\u270d\u270f\u2712\u2714\u2716\u271d\u2721\u2728\u2733\u2734\u2744\u2747\u274c\u274e\u2753-\u2755"
    "\u2757\u2763\u2764\u2795-\u2797\u27a1\u27b0\u27bf\u2934\u2935\u2b05-\u2b07\u2b1b\u2b1c\u2b50\u2b55\u3030"
    "\u303d\u3297\u3299"
)
"""Characters below U+10000 that U+FE0F behind them turns into a picture (Emoji=Yes in emoji-data.txt)."""

_DOUBTFUL = (
    "\u2600-\u2604\u2611\u2618\u261d\u2620\u2622\u2623\u2639\u263a\u26a0\u26c8\u2708\u2709\u270c\u270d\u270f"
    "\u2714\u2716\u2744\u2763\u27a1"
)
"""Emoji without Emoji_Presentation and not in KS X 1001, that people do send as pictures."""

_MODIFIER = "\U0001f3fb-\U0001f3ff"
_JOINED = rf"(?:[\ufe0f\u20e3{_MODIFIER}\U000e0020-\U000e007f]|\u200d[{_PICTURE}{_SELECTABLE}])*"
_EMOJI = re.compile(
    rf"(?:[\U0001f1e6-\U0001f1ff]{{1,2}}|[0-9#*]\ufe0f?\u20e3|[{_PICTURE}{_COLOURED}](?!\ufe0e)"
    rf"|[{_SELECTABLE}](?:\ufe0f|[{_MODIFIER}])){_JOINED}"
)
_SYMBOL = re.compile(rf"[{_DOUBTFUL}](?![\ufe0e\ufe0f{_MODIFIER}])")
_ANY = re.compile("[\u20e3\u231a-\u2b55\ufe0f\U0001f000-\U0001faff]")
"""A cheap look first: all emoji lie here, and hardly any Korean text does."""


def measure(subject: Subject, _: Settings) -> Iterator[Observation]:
    if _ANY.search(subject.whole) is None:
        return
    for utterance in subject.utterances:
        for rule, pattern, kind in (
            ("emoji", _EMOJI, "이모지"),
            ("symbol", _SYMBOL, "이모지로 보일 수 있는 기호"),
        ):
            found = list(pattern.finditer(utterance.text))
            if found:
                evidence = f"{kind} {' '.join(each[0][:10] for each in found[:5])}"
                yield Observation(rule, len(found), evidence, utterance.index, found[0].start(), found[0].end())


FILTER = Filter("emoji", 2, Settings, measure)
