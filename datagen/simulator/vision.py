"""What the simulator makes of a picture: it is sure that there is one, and names a colour that follows from the bytes.

Nothing is decoded: the colour is the same for the same picture, and hardly ever the right one.
"""

import base64
import binascii
import hashlib
import random
from dataclasses import replace

from datagen.media_type import BadMediumError, recognise
from datagen.picture import Picture, count_tokens
from datagen.record import Message
from datagen.simulator.grammar import SpeechLevel

_COLOURS = ("빨간색", "노란색", "초록색", "파란색", "보라색", "주황색", "분홍색", "하늘색", "갈색", "회색")
_SHOWN = (
    "이 사진 좀 봐 줘.",
    "사진 하나 보낼게.",
    "방금 찍은 건데 볼래?",
    "이거 보여 주고 싶었어.",
    "이 사진 어때 보여?",
    "앨범 넘기다가 이걸 찾았어.",
)
_SEEN: dict[SpeechLevel, tuple[str, ...]] = {
    "banmal": (
        "사진에서 {colour}이 제일 먼저 눈에 들어와.",
        "오, {colour} 느낌이 참 예쁘다.",
        "사진 잘 봤어, {colour}이 확 살아 있네.",
        "보자마자 {colour}부터 보이더라.",
        "이런 {colour}은 오랜만에 본다.",
    ),
    "jondaetmal": (
        "사진에서 {colour}이 제일 먼저 눈에 들어와요.",
        "오, {colour} 느낌이 참 예쁘네요.",
        "사진 잘 봤어요, {colour}이 확 살아 있네요.",
        "보자마자 {colour}부터 보이더라고요.",
        "이런 {colour}은 오랜만에 봐요.",
    ),
}


class BadPictureError(Exception):
    """Why a picture's URL is not looked at."""


def read_picture(url: str) -> Picture:
    """The picture of a `data:` URL. Raises BadPictureError: the simulator fetches nothing."""
    head, separator, encoded = url.partition(",")
    media_type, _, coding = head.removeprefix("data:").partition(";")
    if not head.startswith("data:") or not separator or coding != "base64":
        raise BadPictureError(f"image_url {url[:40]!r}: expected data:image/…;base64,…")
    try:
        content = base64.b64decode(encoded, validate=True)
        kind = recognise(content, media_type)
        return Picture.of(f"picture{kind.suffix}", content)
    except (binascii.Error, ValueError) as exc:
        raise BadPictureError(f"image_url is no base64: {exc}") from exc
    except BadMediumError as exc:
        raise BadPictureError(f"image_url: {exc}") from exc


def weigh_picture(picture: Picture, detail: str) -> int:
    """Tokens."""
    return count_tokens(picture, detail, "")


def talk_about(
    messages: tuple[Message, ...], picture: Picture, speech_level: SpeechLevel, rng: random.Random
) -> tuple[Message, ...]:
    """The dialogue with the picture shown in its first utterance and seen in the first answer."""
    digest = hashlib.sha256(picture.sha256.encode()).digest()
    colour = _COLOURS[digest[0] % len(_COLOURS)]
    first, answer, *rest = messages
    shown = replace(first, content=f"{rng.choice(_SHOWN)} {first.content}")
    seen = replace(answer, content=f"{answer.content} {rng.choice(_SEEN[speech_level]).format(colour=colour)}")
    return (shown, seen, *rest)
