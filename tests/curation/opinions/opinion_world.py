"""A few dialogues to have opinions about, and a server on loopback that gives them as a test wishes."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp import web

from curation.measure import Ruler, measure_source
from curation.opinions.material import Material
from curation.rows import read_rows
from curation.settings import CurationForm, CurationSettings
from curation.source import open_foreign
from curation.subject import PersonaSheet
from tests.conftest import serve_in_thread

PERSONA = PersonaSheet("exa", "엑사", "banmal", system_prompt="너는 엑사야. 늘 반말로 밝게 말해.")
TALKS = (
    (
        "나 오늘 면접 떨어졌어ㅠㅠ",
        "*{유저}의 어깨를 토닥이며* 속상했겠다. 오늘은 아무 생각 말고 푹 쉬어.",
        "그래도 한 달을 준비했는데 허무하다",
        "그 한 달이 어디 안 가. 다음엔 더 잘할 거야, 내가 봤잖아!",
    ),
    (
        "점심 뭐 먹지? 김치찌개랑 돈까스 중에 고민돼",
        "*눈을 반짝이며* 비 오니까 김치찌개지! 두부 많이 넣어 달라고 해 ㅎㅎ",
        "오 좋다 너는 뭐 먹을 건데?",
        "나는 계란말이도 시킬래. 반은 {유저} 줄게~",
    ),
    (
        "운동 시작했는데 3일 만에 그만뒀다",
        "작심삼일도 열 번 하면 한 달이야! *주먹을 불끈 쥐며* 내일 다시 가 보자.",
        "ㅋㅋㅋ 그 계산 맞아?",
        "맞지! 신발만 신고 나가면 반은 한 거야.",
    ),
    (
        "양자역학이 뭐야 대체ㅋㅋ",
        "*안경을 고쳐 쓰며* 동전이 돌고 있을 때는 앞면도 뒷면도 아니잖아? 그거랑 비슷해.",
        "그럼 손으로 탁 잡으면?",
        "그때 앞뒤가 정해지지! 그게 관측이야. 쉽지?",
    ),
    (
        "이사하고 나니까 밤에 좀 무섭네",
        "낯선 집은 소리부터 다르지. *목소리를 낮추며* 작은 불 하나 켜 두고 자 봐.",
        "너랑 통화하다 자도 돼?",
        "당연하지. 잠들 때까지 내가 별거 아닌 얘기 해 줄게.",
    ),
)
GOOD = {"naturalness": 5, "persona": 4, "topic": 5, "emotion": 4, "reason": "2번째 말이 {유저}의 마음을 잘 짚는다."}


def write_talks(folder: Path, talks: Sequence[Sequence[str]] = TALKS, **columns: str) -> Path:
    """A folder with a JSONL file of these dialogues, ids t0, t1, …"""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number, talk in enumerate(talks):
        messages = [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(talk)]
        row = {"id": f"t{number}", "topic": "일상 대화", "persona": "exa", "messages": messages, **columns}
        lines.append(json.dumps(row, ensure_ascii=False))
    (folder / "talks.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def open_material(
    tmp_path: Path,
    talks: Sequence[Sequence[str]] = TALKS,
    dropped: Sequence[int] = (),
    settled: Sequence[int] = (),
    **columns: str,
) -> Material:
    """The dialogues measured and read, some of them dropped."""
    source = open_foreign(write_talks(tmp_path / "talks", talks, **columns), ())
    ruler = Ruler.of(source, dict(CurationSettings().filters))
    rows = read_rows(measure_source(source, ruler, tmp_path / "measured"))
    masks = np.zeros((2, len(rows)), dtype=np.bool_)
    masks[0, [*dropped, *settled]] = True
    masks[1, list(settled)] = True
    return Material(rows, {"exa": PERSONA}, masks[0], masks[1])


def make_settings(**blocks: Any) -> CurationSettings:
    return CurationSettings(form=CurationForm.model_validate(blocks))


Answer = Callable[[dict[str, Any]], web.Response]


@dataclass(slots=True)
class OpinionServer:
    """Counts what it is asked. `first`: responses that are given before any other, whatever is asked."""

    judge: Answer = field(default_factory=lambda: lambda _: complete(GOOD))
    moderate: Answer = field(default_factory=lambda: lambda body: give_scores([{} for _ in body["input"]]))
    embed: Answer = field(default_factory=lambda: lambda body: give_vectors([[1.0, 0.0] for _ in body["input"]]))
    first: list[web.Response] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def build_app(self) -> web.Application:
        async def handle(request: web.Request) -> web.Response:
            name = request.path.rpartition("/")[2]
            self.counts[name] += 1
            body = await request.json()
            self.asked.append(body)
            if self.first:
                return self.first.pop(0)
            return {"completions": self.judge, "moderations": self.moderate, "embeddings": self.embed}[name](body)

        app = web.Application(client_max_size=2**24)
        for path in ("/v1/chat/completions", "/v1/moderations", "/v1/embeddings"):
            app.router.add_post(path, handle)
        return app

    @contextmanager
    def serve(self) -> Iterator[str]:
        with serve_in_thread(self.build_app()) as url:
            yield url


def complete(content: dict[str, Any] | str, **extra: Any) -> web.Response:
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 500, "completion_tokens": 100, "total_tokens": 600}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return web.json_response({"model": "m-1", "usage": usage, "choices": choices, **extra})


def give_scores(results: Sequence[dict[str, float]]) -> web.Response:
    known = {"harassment": 0.01, "sexual": 0.02, "violence": 0.0}
    whole = [{"flagged": False, "categories": {}, "category_scores": {**known, **each}} for each in results]
    return web.json_response({"id": "modr-1", "model": "omni-moderation-latest", "results": whole})


def give_vectors(vectors: Sequence[Sequence[float]], tokens: int = 10) -> web.Response:
    """`tokens`: of each input. The vectors come in reverse, with their numbers."""
    data = [{"object": "embedding", "index": at, "embedding": list(each)} for at, each in enumerate(vectors)]
    usage = {"prompt_tokens": tokens * len(data), "total_tokens": tokens * len(data)}
    return web.json_response({"object": "list", "model": "e-1", "data": data[::-1], "usage": usage})


def refuse(status: int, code: str = "oops", retry_after: str | None = None) -> web.Response:
    body = {"error": {"message": "말썽이 났어요", "type": code, "code": code}}
    headers = {"Retry-After": retry_after} if retry_after else None
    return web.json_response(body, status=status, headers=headers)
