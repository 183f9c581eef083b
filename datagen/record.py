"""What a dialogue is: the messages, the row around them, and the normal form of their text.

The row is the contract between the stages (generation, curation, review, training), which meet only through files.
`SCHEMA_VERSION` stands in the metadata of every Parquet file, so that a reader can tell what it holds.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

SCHEMA_VERSION = 2
"""2: `media`. Files of version 1 are read as dialogues without any."""
KNOWN_VERSIONS = (1, 2)

Role = Literal["user", "assistant"]
MediaKind = Literal["image", "audio"]

_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\u00ad\u180e]")
"""Zero-width characters, bidirectional controls, byte order marks, soft hyphens: unseen, and everybody trips."""

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_BREAK = re.compile("\r\n?|\u2028|\u2029|\x85")


@dataclass(frozen=True, slots=True)
class Message:
    """One utterance. `content` is in the normal form of `clean_text`; line breaks inside it are kept."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Medium:
    """A picture that an utterance shows, or a recording of it. The words stay in the message's `content`."""

    message: int
    """Which message it belongs to, counted from 0. Pictures of one message stand in the order they were shown."""
    kind: MediaKind
    path: str
    """Relative to the run's folder: `media/` and the file's sha256 with its suffix, so equal files lie there once."""
    sha256: str
    media_type: str
    """`image/png`, `audio/wav`, … (RFC 6838)."""
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """One row of `dialogues/*.parquet`; the columns are described in the README and in `store.SCHEMA`."""

    id: str
    """Stable, unique for ever: dataset, the run's mark, number of the attempt."""
    dataset: str
    """The spec's."""
    topic: str
    """Its name in the spec."""
    category: str
    """The topic's."""
    persona: str
    """The id of who answers."""
    messages: tuple[Message, ...]
    """`user` first, alternating, `assistant` last."""
    scenario: str
    """JSON: persona, situation, facets, opening, exchanges."""
    model: str
    """As the endpoint reported it."""
    provider: str
    """As the endpoint reported it, else its host; `damhwa-simulator` for the offline one."""
    prompt_sha256: str
    """Of the messages that were sent, each picture by its hash."""
    attempt_id: str
    """The line back to the ledger: the digits after `-` are `attempts.seq`."""
    prompt_tokens: int | None
    """As billed."""
    completion_tokens: int | None
    """As billed."""
    cost_usd: float | None
    """US dollars; null if the price is unknown."""
    created_at: datetime
    """UTC."""
    media: tuple[Medium, ...] = ()
    """Pictures shown in a message and recordings of it; null for text alone."""

    @property
    def turns(self) -> int:
        """Messages, not exchanges."""
        return len(self.messages)


def clean_text(text: str) -> str:
    """Bring text to the form it is stored in: NFC, `\\n` line breaks, nothing invisible, no control characters.

    Lone surrogates, which UTF-8 cannot hold, become U+FFFD. The function is idempotent.
    """
    # Nothing that is taken out is printable, and hardly any text has anything of it.
    if text.replace("\n", "").isprintable():
        return unicodedata.normalize("NFC", text)
    text = _LINE_BREAK.sub("\n", text)
    text = _INVISIBLE.sub("", text)
    text = _CONTROL.sub("", text)
    text = _SURROGATE.sub("\ufffd", text)
    return unicodedata.normalize("NFC", text)
