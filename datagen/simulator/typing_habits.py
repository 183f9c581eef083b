"""How the simulator's user types: the habits that its system message tells, applied to a line of the grammar."""

import random
import re
from dataclasses import dataclass

_FIELD = re.compile(r"^- (맞춤법|줄임말|이모티콘|문장): (.+)$", re.MULTILINE)
_SIGNS = re.compile(r"ㅋㅋ+|ㅎㅎ|ㅠㅠ|\^\^|~|\.\.\.")
_SHORT = {
    "그런데": "근데",
    "진짜로": "진짜",
    "이거는": "이건",
    "저는": "전",
    "나는": "난",
    "것 같": "거 같",
    "무엇": "뭐",
    "재미있": "재밌",
    "조금": "좀",
    "너무": "넘",
}
_OFTEN = 0.45


@dataclass(frozen=True, slots=True)
class Habits:
    """What somebody does while typing."""

    signs: tuple[str, ...] = ()
    drops_stops: bool = False
    drops_spaces: bool = False
    shortens: bool = False

    def type(self, line: str, rng: random.Random) -> str:
        """The line as this person would send it."""
        if self.shortens:
            for long, short in _SHORT.items():
                if rng.random() < _OFTEN:
                    line = line.replace(long, short)
        if self.drops_spaces and rng.random() < _OFTEN:
            line = _drop_a_space(line, rng)
        if self.drops_stops:
            line = re.sub(r"(?<!\.)\.(?=\s|$)", "", line)
        if self.signs and rng.random() < _OFTEN:
            sign = rng.choice(self.signs)
            line = line.rstrip(".") + (sign if sign in ("~", "...") else f" {sign}")
        return line


def read_habits(system: str) -> Habits:
    """The habits that a user's system message tells."""
    fields = dict(_FIELD.findall(system))
    spelling = fields.get("맞춤법", "")
    return Habits(
        signs=tuple(dict.fromkeys(_SIGNS.findall(fields.get("이모티콘", "")))),
        drops_stops="마침표" in spelling and "찍지 않" in spelling,
        drops_spaces="띄어쓰기" in spelling and "빼먹" in spelling,
        shortens="줄여" in fields.get("줄임말", ""),
    )


def _drop_a_space(line: str, rng: random.Random) -> str:
    spaces = [found.start() for found in re.finditer(r"(?<=[가-힣]) (?=[가-힣])", line)]
    if not spaces:
        return line
    at = rng.choice(spaces)
    return line[:at] + line[at + 1 :]
