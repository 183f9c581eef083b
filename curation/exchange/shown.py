"""Pictures and recordings as HTML with the files inside: Label Studio (HyperText) and Argilla (Markdown) show that."""

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path

from datagen.media import check_medium
from datagen.record import Medium

MAX_INLINE = 5_000_000
"""Bytes of one file; a tool that holds every task in a database has no place for larger ones."""


def render_media(run: Path, media: Sequence[Medium]) -> str:
    """Numbered as people count turns. What is too large, missing or altered is said in its place."""
    return "".join(_render(run, media))


def _render(run: Path, media: Sequence[Medium]) -> Iterator[str]:
    for medium in media:
        name = "사진" if medium.kind == "image" else "녹음"
        place = f"{medium.message + 1}번째 말의 {name}"
        if medium.size > MAX_INLINE:
            yield f"<p>{place}: 너무 커서 싣지 않음 ({medium.size:,}바이트)</p>"
        elif check_medium(run, medium) is not None:
            yield f"<p>{place}: 파일이 없거나 바뀜</p>"
        else:
            content = base64.b64encode((run / medium.path).read_bytes()).decode()
            url = f"data:{medium.media_type};base64,{content}"
            picture, player = f'<img src="{url}" alt="{place}">', f'<audio controls src="{url}"></audio>'
            yield f"<p>{place}</p>{picture if medium.kind == 'image' else player}"
