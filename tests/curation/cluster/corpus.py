"""A folder of dialogues that is hard to compare: copies, near-copies, a template, greetings that all share, bad rows.

Many small files, so that a few hundred dialogues come to the index in several additions.
"""

import json
import random
from collections.abc import Sequence
from pathlib import Path

from datagen.simulator.compose import Request, compose
from tests.curation.duplicates.dialogues import SYLLABLES, make_corpus, make_dialogue

TOPICS = ("일상 대화", "진로 고민", "정서적 위로")
TEMPLATE = (
    "엑사야 오늘 하루는 어땠어? 나는 진짜 정신없이 바빴거든",
    "*밝게 웃으며* 안녕! 나는 도서관에서 새로 나온 인공지능 책을 읽고 있었어ㅎㅎ",
    "나중에 나한테도 그 책 내용 좀 알려줘, 궁금하다",
    "*안경을 고쳐 쓰며* 물론이지! 대신 오늘 있었던 일부터 천천히 들려주기다?",
)
GREETING = ("안녕 엑사야! 오늘도 왔어", "*손을 흔들며* 안녕, 어서 와! 오늘은 무슨 얘기 할까?")


def make_hard_corpus(count: int, seed: int) -> list[list[str]]:
    """A fifth of the dialogues variants of a template, a fifth with one greeting, the others in families of copies."""
    source = random.Random(seed)
    rows = [_vary(source) for _ in range(count // 5)]
    rows += [[*GREETING, *make_dialogue(source, 2)] for _ in range(count // 5)]
    rows += [["응?", "ㅇㅇ", f"왜{source.choice(SYLLABLES)}", "그냥"] for _ in range(count // 20)]
    rows += [turns if len(turns) % 2 == 0 else [*turns, "그래"] for turns in make_corpus(count - len(rows), seed)]
    rows += [list(source.choice(rows)) for _ in range(count // 20)]
    source.shuffle(rows)
    return rows


def _vary(source: random.Random) -> list[str]:
    turns = list(TEMPLATE)
    turns[source.randrange(4)] += " " + "".join(source.choices(SYLLABLES, k=6))
    return turns


def write_hard_folder(folder: Path, count: int, files: int, seed: int = 1) -> Path:
    """The corpus, and a simulated dialogue in each file, in JSONL files of about the same size; bad rows in some."""
    folder.mkdir(parents=True)
    source, rows = random.Random(seed), make_hard_corpus(count, seed)
    for number in range(files):
        request = Request("일상 대화", 2 + number % 3, "banmal")
        own = [*rows[number::files], [each.content for each in compose(request, source)]]
        lines = [_to_line(turns, f"{number:03d}-{at:03d}") for at, turns in enumerate(own)]
        if number % 7 == 0:
            lines += ['{"messages": []}', "no JSON"]
        if number % 9 == 0:
            lines.append(lines[0])  # an id that was used before
        (folder / f"part-{number:03d}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def _to_line(turns: Sequence[str], id_: str) -> str:
    messages = [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(turns)]
    topic = TOPICS[int(id_[-1]) % len(TOPICS)]
    return json.dumps({"id": id_, "topic": topic, "messages": messages}, ensure_ascii=False)
