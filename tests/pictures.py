"""Pictures and recordings made in code: tiny, valid, and told apart by colour or length."""

import io
import struct
import wave
import zlib


def make_png(colour: tuple[int, int, int] = (200, 30, 30), width: int = 8, height: int = 8) -> bytes:
    """A PNG of one colour (PNG specification, 3rd edition: signature, IHDR, IDAT, IEND, each chunk with its CRC)."""
    rows = (b"\0" + bytes(colour) * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_make_chunk(name, data) for name, data in chunks)


def _make_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def make_jpeg(width: int = 8, height: int = 8) -> bytes:
    """The outline of a JPEG: markers and sizes are right, there is no picture to decode."""
    thumbnail = b"Exif\0\0\xff\xd9"
    app1 = b"\xff\xe1" + struct.pack(">H", 2 + len(thumbnail)) + thumbnail
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 8, 8, height, width, 1)
    return b"\xff\xd8" + app1 + frame + b"\xff\xda\0\2" + bytes(20) + b"\xff\xd9"


def make_gif(width: int = 8, height: int = 8) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + b"\x3b"


def make_webp(width: int = 8, height: int = 8) -> bytes:
    """The outline of a lossless WebP."""
    data = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + b"\0"
    chunk = b"VP8L" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def make_wav(samples: int = 800) -> bytes:
    """A recording of silence, 8 kHz."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(bytes(2 * samples))
    return stream.getvalue()


MP3 = b"ID3\x04\0\0\0\0\0\x02\0\0" + b"\xff\xfb\x90\x00" + bytes(100)
OPUS = b"OggS" + bytes(24) + b"OpusHead" + bytes(11)
FLAC = b"fLaC" + bytes(40)
