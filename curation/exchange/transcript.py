"""A dialogue as one text that a person can edit in any text box, and back.

    유저: 나 왔어
    페르소나: *손을 흔들며* 어서 와!
    오늘은 어땠어?

A line without a name goes on with the turn before it. One that would be mistaken for a turn, or begins with a
backslash, gets a backslash in front.
"""

import re
from collections.abc import Sequence

from curation.row import BadRowError, read_messages
from datagen.record import Message

_NAMES = {"user": "유저", "assistant": "페르소나"}
_ROLES = {"유저": "user", "user": "user", "페르소나": "assistant", "assistant": "assistant"}
_TURN = re.compile(rf"({'|'.join(_ROLES)}): ?")


def render_text(messages: Sequence[Message]) -> str:
    """The turns as one text."""
    return "\n".join(f"{_NAMES[each.role]}: {_mask(each.content)}" for each in messages)


def _mask(content: str) -> str:
    first, *rest = content.split("\n")
    return "\n".join([first, *(f"\\{line}" if line.startswith("\\") or _TURN.match(line) else line for line in rest)])


def parse_text(text: str) -> tuple[Message, ...]:
    """The turns of such a text. Raises BadRowError, saying what is wrong, where it is no dialogue."""
    turns: list[tuple[str, list[str]]] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if (found := _TURN.match(line)) is not None:
            turns.append((_ROLES[found[1]], [line[found.end() :]]))
        elif turns:
            turns[-1][1].append(line.removeprefix("\\"))
        elif line.strip():
            raise BadRowError(
                f"line {number} of the edited text belongs to no turn: it begins with neither 유저: nor 페르소나:"
            )
    return read_messages([{"role": role, "content": "\n".join(lines)} for role, lines in turns])
