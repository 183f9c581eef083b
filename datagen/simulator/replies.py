"""How the simulator answers, whatever was asked: errors in OpenAI's form, broken connections, token counts."""

from aiohttp import web

TOKENS_PER_CHARACTER = 0.8


def count_tokens(*texts: str) -> int:
    return sum(int(len(text) * TOKENS_PER_CHARACTER) + 4 for text in texts)


def answer_error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    body = {"error": {"message": message, "type": code, "param": None, "code": code}}
    return web.json_response(body, status=status, headers=headers)


async def cut(request: web.Request, body: bytes) -> web.StreamResponse:
    """Promise the whole body, send half of it, and break the connection."""
    response = web.StreamResponse(
        headers={"Content-Type": "application/json", "Content-Length": str(len(body) or 1000)}
    )
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.abort()
    return response
