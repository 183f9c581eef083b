"""Dialogues with pictures and recordings to review: made in code, curated as other people's data."""

import base64
import hashlib
import io
import json
import math
import struct
import wave
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.review_ui.browser.dialogues import TOPIC, curate_dialogues

ABOUT = "한강의 저녁 노을"
TALKS = (
    ("퇴근하다가 찍었어. 하늘 색 미쳤지?", "*사진을 한참 들여다보며* 와, 물감 풀어 놓은 것 같아! 여기 한강 맞지?"),
    ("맞아, 반포대교 밑이야. 너도 왔으면 좋았을걸", "*볼을 부풀리며* 다음엔 꼭 불러. 돗자리는 내가 챙길게!"),
)


def draw_evening(width: int = 480, height: int = 320, hue: int = 0) -> bytes:
    """A PNG of a low sun over hills."""
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        for x in range(width):
            hill = height * (0.72 + 0.06 * math.sin(x / 60 + hue) + 0.03 * math.sin(x / 17))
            sun = (x - width * 0.68) ** 2 + (y - height * 0.5) ** 2 < (height * 0.13) ** 2
            down = y / height
            sky = (int(70 + 180 * down), int(60 + 90 * down + hue) & 255, int(140 - 60 * down))
            rows += bytes((38, 42, 66) if y > hill else (255, 214, 120) if sun else sky)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def make_tone(seconds: float = 3.0) -> bytes:
    """A recording that takes a while, 8 kHz."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        samples = (int(4_000 * math.sin(2 * math.pi * 220 * at / 8_000)) for at in range(int(8_000 * seconds)))
        file.writeframes(b"".join(struct.pack("<h", each) for each in samples))
    return stream.getvalue()


def list_shown() -> Iterator[dict[str, Any]]:
    """Six dialogues: a picture and two recordings in each, a second picture in the first turn of some."""
    for number in range(6):
        pictures = [draw_evening(hue=number)] + ([draw_evening(320, 360, 90 + number)] if number % 2 else [])
        messages: list[dict[str, Any]] = []
        for exchange, (asked, answered) in enumerate(TALKS):
            shown = [_show(each) for each in pictures] if exchange == 0 else []
            messages.append({"role": "user", "content": [_say(f"{asked} ({number + 1}번째)"), *shown]})
            said = {"type": "input_audio", "input_audio": {"data": _encode(make_tone(3 + exchange)), "format": "wav"}}
            messages.append({"role": "assistant", "content": [_say(answered), said]})
        picture = {"name": "한강의_저녁 노을.png", "sha256": hashlib.sha256(pictures[0]).hexdigest()}
        scenario = json.dumps({"situation": "유저가 노을 사진을 보낸다", "picture": picture}, ensure_ascii=False)
        yield {"id": f"shown-{number}", "topic": TOPIC, "messages": messages, "model": "gpt-4o", "scenario": scenario}


def _say(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _show(png: bytes) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_encode(png)}"}}


def _encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


def curate_shown(folder: Path) -> Path:
    return curate_dialogues(folder, list_shown())
