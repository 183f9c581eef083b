"""A stored picture or recording as an answer: of its own type alone, in parts where a player asks for them, kept long.

Its address holds the hash of its content, so it never changes; the browser keeps it, and no proxy does.
"""

from typing import Final

from aiohttp import web

from review_ui.cards.media import SUFFIXES, StoredFile

MEDIA_TYPES: Final = tuple(SUFFIXES)
HEADERS: Final = {
    "Cache-Control": "private, max-age=86400, immutable",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Content-Disposition": "inline",
}


def send_file(file: StoredFile) -> web.FileResponse:
    return web.FileResponse(file.path, headers=HEADERS | {"Content-Type": file.media_type})
