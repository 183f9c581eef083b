"""The lots that dialogues draw, by their ids alone: the same at every call, on every machine, whatever else there is.

A dialogue's number says when its turn comes to be reviewed. `build --review SHARE` holds those back that come first, so
what waits for people is at the head of the audit's queue.
"""

import hashlib

SIZE = 2**32


def draw_turn(id_: str) -> int:
    """When the dialogue's turn to be reviewed comes: 0 … SIZE - 1, evenly spread."""
    return _draw("review", id_)


def is_second_due(id_: str, share: float) -> bool:
    """Whether a second reviewer looks at it: so for `share` (0..1) of all dialogues."""
    return _draw("second", id_) < share * SIZE


def _draw(purpose: str, id_: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{purpose}/{id_}".encode(), digest_size=4).digest())
