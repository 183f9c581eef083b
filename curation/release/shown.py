"""What exported rows show and how they sound: files of a run's `media/`, read only as what their row says they are."""

import base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from datagen.errors import DataError
from datagen.media import check_medium, find_medium
from datagen.record import MediaKind, Medium, Role

Carries = Callable[[Role, MediaKind], bool]
"""Whether a format has a place for what a message of that role shows or says."""
ReadMedium = Callable[[Medium], bytes]


def carry_nothing(_role: Role, _kind: MediaKind) -> bool:
    return False


def carry_all(_role: Role, _kind: MediaKind) -> bool:
    return True


def carry_what_is_asked(role: Role, kind: MediaKind) -> bool:
    """Pictures, and what the user says: a recording of the answer is nothing that a model of text can be taught."""
    return kind == "image" or role == "user"


@dataclass(frozen=True, slots=True)
class MediaCount:
    """What the exported dialogues have beside their text."""

    rows: int = 0
    """Dialogues with any of it."""
    left_out: int = 0
    """Of these, those of which the format leaves something out."""
    files: int = 0
    """Different ones that the export holds."""
    bytes: int = 0


def read_medium(run: Path, medium: Medium) -> bytes:
    """The content. Raises DataError where the file is missing, or not what the row says."""
    return locate_medium(run, medium).read_bytes()


def locate_medium(run: Path, medium: Medium) -> Path:
    """Where the file lies. Raises DataError where it is missing, or not what the row says."""
    wrong, place = check_medium(run, medium), find_medium(run, medium)
    if wrong is not None or place is None:
        hint = f"bring it back into {run / 'media'}, or leave the dialogue out: flag it, and curate again"
        raise DataError(f"a dialogue's {medium.kind} is not what it was: {wrong}", hint)
    return place


def count_media(rows: Iterable[Sequence[Medium]], carries: Carries) -> MediaCount:
    """`rows`: of each dialogue that has any."""
    shown = [(media, list_carried(media, carries)) for media in rows]
    files = {each.sha256: each.size for _, carried in shown for each in carried}
    left_out = sum(len(carried) < len(media) for media, carried in shown)
    return MediaCount(len(shown), left_out, len(files), sum(files.values()))


def list_carried(media: Sequence[Medium], carries: Carries) -> list[Medium]:
    return [each for each in media if carries(role_of(each), each.kind)]


def role_of(medium: Medium) -> Role:
    """Whose message it belongs to: the user begins, and they take turns."""
    return "assistant" if medium.message % 2 else "user"


def in_message(media: Sequence[Medium], number: int, *kinds: MediaKind) -> Iterator[Medium]:
    """Those of one message, of these kinds or of any."""
    return (each for each in media if each.message == number and (not kinds or each.kind in kinds))


def encode(content: bytes) -> str:
    return base64.b64encode(content).decode()
