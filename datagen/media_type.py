"""What a file of bytes is, seen from the bytes alone: PNG, JPEG, WebP, GIF; WAV, MP3, Ogg, FLAC.

A name or a header says what somebody believes; the first bytes say what it is. Nothing is decoded here: the signature,
what must stand beside it, and of pictures the size and that the file is not cut off.
"""

import struct
from dataclasses import dataclass

from datagen.record import MediaKind

MAX_BYTES: dict[MediaKind, int] = {"image": 20_000_000, "audio": 50_000_000}
"""Ours. A picture travels in the request, a third larger in base64; 4,096 characters, the longest text that
/v1/audio/speech takes, are about 12 minutes of Korean, 33 MB as WAV of 24 kHz and 16 bits."""

_ANYTHING = ("", "application/octet-stream", "binary/octet-stream")
"""What claims nothing."""


class BadMediumError(Exception):
    """Bytes that are no picture or recording that we know, or not the one they are said to be; says which."""


@dataclass(frozen=True, slots=True)
class MediaType:
    """A kind of file. `names`: what it is also called, in headers and behind a file's last dot."""

    kind: MediaKind
    name: str
    """As in `record.Medium.media_type`."""
    suffix: str
    names: tuple[str, ...] = ()

    def is_called(self, claim: str) -> bool:
        return claim in (self.name, self.suffix, *self.names)


PNG = MediaType("image", "image/png", ".png")
JPEG = MediaType("image", "image/jpeg", ".jpg", ("image/jpg", ".jpeg"))
WEBP = MediaType("image", "image/webp", ".webp")
GIF = MediaType("image", "image/gif", ".gif")
WAV = MediaType("audio", "audio/wav", ".wav", ("audio/x-wav", "audio/wave", "audio/vnd.wave"))
MP3 = MediaType("audio", "audio/mpeg", ".mp3", ("audio/mp3", "audio/mpeg3"))
OGG = MediaType("audio", "audio/ogg", ".ogg", ("audio/opus", "application/ogg", ".opus", ".oga"))
FLAC = MediaType("audio", "audio/flac", ".flac", ("audio/x-flac",))
MEDIA_TYPES = (PNG, JPEG, WEBP, GIF, WAV, MP3, OGG, FLAC)


def recognise(content: bytes, claim: str = "") -> MediaType:
    """The type of a picture or recording. `claim`: its media type or suffix, where somebody said one.

    Raises BadMediumError where it is neither, is larger than `MAX_BYTES`, is cut off, or is not what it claims to be.
    """
    found = _find_type(content)
    if found is None:
        expected = ", ".join(each.suffix.removeprefix(".").upper() for each in MEDIA_TYPES)
        raise BadMediumError(f"{_describe(content)} is no picture and no recording, expected one of {expected}")
    if len(content) > MAX_BYTES[found.kind]:
        most = MAX_BYTES[found.kind]
        raise BadMediumError(f"{found.name} of {len(content):,} bytes is too large, expected at most {most:,}")
    said = claim.partition(";")[0].strip().lower()
    if said not in _ANYTHING and not found.is_called(said):
        raise BadMediumError(f"it is called {said}, and its bytes are {found.name}")
    if found.kind == "image":
        measure_picture(content, found)
    return found


def _find_type(content: bytes) -> MediaType | None:
    head = content[:64]
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith((b"GIF87a", b"GIF89a")):
        return GIF
    if head.startswith((b"RIFF", b"RF64")):
        return {b"WEBP": WEBP, b"WAVE": WAV}.get(head[8:12])
    if head.startswith(b"OggS"):
        return OGG if any(codec in head for codec in (b"OpusHead", b"\x01vorbis", b"\x7fFLAC", b"Speex")) else None
    start = _skip_id3(content)
    if content[start : start + 4] == b"fLaC":
        return FLAC
    return MP3 if _is_mp3_frame(content[start : start + 4]) else None


def _skip_id3(content: bytes) -> int:
    """Where the sound starts: behind the ID3v2 tag that players put in front (its length in four times seven bits)."""
    if content[:3] != b"ID3" or len(content) < 10:
        return 0
    return 10 + sum((byte & 0x7F) << shift for byte, shift in zip(content[6:10], (21, 14, 7, 0), strict=True))


def _is_mp3_frame(head: bytes) -> bool:
    """Whether these are the four bytes of an MPEG layer III frame: its sync, no reserved version, rate or frequency."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return False
    return head[1] & 0x18 != 0x08 and head[2] & 0xF0 not in (0x00, 0xF0) and head[2] & 0x0C != 0x0C


def measure_picture(content: bytes, media_type: MediaType) -> tuple[int, int]:
    """Width and height in pixels. Raises BadMediumError where the picture is empty or cut off."""
    read = {PNG: _measure_png, JPEG: _measure_jpeg, WEBP: _measure_webp, GIF: _measure_gif}[media_type]
    try:
        width, height = read(content)
    except (struct.error, IndexError):
        width, height = 0, 0
    if width <= 0 or height <= 0:
        raise BadMediumError(f"the {media_type.name} of {len(content):,} bytes is cut off, or holds no picture")
    return width, height


def _measure_png(content: bytes) -> tuple[int, int]:
    if content[12:16] != b"IHDR" or b"IEND" not in content[-64:]:
        return 0, 0
    width, height = struct.unpack_from(">II", content, 16)
    return width, height


def _measure_gif(content: bytes) -> tuple[int, int]:
    if b"\x3b" not in content[-64:]:
        return 0, 0
    width, height = struct.unpack_from("<HH", content, 6)
    return width, height


_NO_FRAMES = (0xC4, 0xC8, 0xCC)
"""Huffman tables, extensions, arithmetic coding: among the numbers of JPEG's frames, and none themselves."""


def _measure_jpeg(content: bytes) -> tuple[int, int]:
    """From the first frame header; the picture's end must stand behind it."""
    at = 2
    while True:
        while content[at] == 0xFF and content[at + 1] == 0xFF:
            at += 1
        if content[at] != 0xFF:
            return 0, 0
        marker, length = content[at + 1], struct.unpack_from(">H", content, at + 2)[0]
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return (width, height) if content.rfind(b"\xff\xd9") > at else (0, 0)
        at += 2 + length


def _measure_webp(content: bytes) -> tuple[int, int]:
    if struct.unpack_from("<I", content, 4)[0] + 8 > len(content) + 1:
        return 0, 0
    form = content[12:16]
    if form == b"VP8X":
        return 1 + int.from_bytes(content[24:27], "little"), 1 + int.from_bytes(content[27:30], "little")
    if form == b"VP8L":
        bits = struct.unpack_from("<I", content, 21)[0]
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if form == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    return 0, 0


def _describe(content: bytes) -> str:
    if not content:
        return "an empty file"
    text = content[:24].decode("ascii", errors="replace")
    start = repr(text) if text.isprintable() and "\ufffd" not in text else content[:8].hex(" ")
    return f"what begins with {start}"
