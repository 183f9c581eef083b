"""Ask an endpoint to speak lines: each recording lies in `media/` before the ledger tells of it, and then counts."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from curation.opinions.ask import Asker, Question, Reply, estimate_tokens
from curation.recordings import Recording
from curation.voicing.lines import LONGEST, Casting, Line
from datagen.ledger import Ledger
from datagen.media import MediaFile, check_medium, store_medium
from datagen.media_type import BadMediumError
from datagen.provider import Post
from datagen.record import Medium
from datagen.retry import BadReplyError

CHUNK_LINES = 2_000
"""Lines that are in memory at once."""


def read_recording(run: Path, body: bytes) -> Reply:
    """Store the recording and tell where; of whatever type it is. Raises BadReplyError where it is none."""
    try:
        found = MediaFile.of(body)
        if found.type.kind != "audio":
            raise BadMediumError(f"it is {found.type.name}, expected a recording")
        stored = store_medium(run, body)
    except BadMediumError as exc:
        raise BadReplyError(f"the reply is no recording: {exc}") from exc
    place = {"path": stored.path, "sha256": stored.sha256, "media_type": stored.type.name, "size": stored.size}
    return Reply((json.dumps(place),), "", None)


async def speak_lines(asker: Asker, lines: Iterable[Line], casting: Casting, run: Path) -> int:
    """Have every line spoken that was not yet, or whose recording is gone; the same words once. Returns how many were.

    Raises what `Asker.ask` raises; what was spoken until then is kept.
    """
    rest, added = iter(lines), 0
    while chunk := list(islice(rest, CHUNK_LINES)):
        by_key = {line.key: line for line in chunk if len(line.text) <= LONGEST}
        asker.unanswered |= {line.key: _tell_long(line) for line in chunk if line.key not in by_key}
        known = _recall_whole(asker.ledger, run, list(by_key))
        answered = await asker.ask([_make_question(line, casting) for line in by_key.values()])
        added += len(answered.keys() - known)
    return added


def _tell_long(line: Line) -> str:
    return f"turn {line.message + 1} of {line.id} has {len(line.text):,} characters, expected at most {LONGEST:,}"


def _make_question(line: Line, casting: Casting) -> Question:
    body = {"model": casting.model, "input": line.text, "voice": line.voice, "response_format": casting.format}
    post = Post("/audio/speech", body, estimate_tokens(len(line.text), 0), "application/octet-stream")
    return Question((line.key,), post, len(line.text))


def _recall_whole(ledger: Ledger, run: Path, keys: Sequence[str]) -> set[str]:
    """The keys that were spoken. Those whose files are gone or changed are let go of, and spoken again."""
    known = ledger.find_answers(keys)
    lost = [key for key, reply in known.items() if check_medium(run, _read_medium(reply, 0)) is not None]
    if lost:
        ledger.forget_answers(lost)
    return known.keys() - set(lost)


def recall_recordings(ledger: Ledger, lines: Iterable[Line], casting: Casting) -> Iterator[Recording]:
    """The recordings of lines, as the ledger knows them."""
    rest = iter(lines)
    while chunk := list(islice(rest, CHUNK_LINES)):
        replies = ledger.find_answers(list({line.key for line in chunk}))
        for line in chunk:
            if (reply := replies.get(line.key)) is not None:
                yield Recording(line.id, line.text, casting.model, line.voice, _read_medium(reply, line.message))


def _read_medium(reply: str, message: int) -> Medium:
    return Medium(message=message, kind="audio", **json.loads(reply))
