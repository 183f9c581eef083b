"""What the simulator says of texts that it is shown: a judge's scores, moderation's categories, embeddings.

All of it follows from the text, with a little chance in the judge, so that being asked twice shows how a judge wavers.
The words it looks for are few: enough for a test to see both kinds, and no use for real data.
"""

import json
import random
import re
import zlib
from collections import Counter
from math import sqrt
from typing import Any

EMBEDDING_SIZE = 256
WAVERING = 0.12
"""Share of the scores that come out one point off."""

_TURN = re.compile(r"^(\d+)\. ([^:\n]+): (.*)$", re.MULTILINE)
_DIMENSIONS = ("naturalness", "persona", "topic", "emotion")
_TELLS = re.compile(r"무엇을 도와드릴까요|도움이 되셨나요|언제든지 말씀해|AI 언어 모델")
_MARKUP = re.compile(r"\*\*|^## |^---$", re.MULTILINE)
_FOREIGN = re.compile(r"[\u0400-\u04ff\u3040-\u30ff\u4e00-\u9fff]")

_PRAISE = (
    "{number}번째 말이 유저의 마음을 잘 짚어 전체가 자연스럽다.",
    "{number}번째 말의 말투가 살아 있고 끝까지 흐트러지지 않는다.",
    "{number}번째 말이 상황에 잘 맞아 흠잡을 데가 거의 없다.",
)
_BLAME = {
    "naturalness": "{number}번째 말이 앞말을 받지 않고 겉돈다.",
    "persona": "{number}번째 말이 페르소나답지 않게 딱딱하다.",
    "topic": "{number}번째 말부터 주제에서 조금 벗어난다.",
    "emotion": "{number}번째 말이 유저의 기분을 그냥 지나친다.",
}


def is_judge_prompt(contents: list[str]) -> bool:
    """Whether a prompt asks for scores as JSON."""
    text = "\n".join(contents)
    return "JSON" in text and all(f'"{name}"' in text for name in _DIMENSIONS)


def judge(contents: list[str], rng: random.Random) -> str:
    """Scores with a reason that names a turn, as JSON."""
    turns = [(int(number), text) for number, _, text in _TURN.findall(contents[-1])]
    answers = turns[1::2] or [(1, contents[-1])]
    steady = random.Random(contents[-1])
    scores = {name: steady.choices((3, 4, 5), (1, 4, 5))[0] for name in _DIMENSIONS}
    blamed = _find_slip(answers)
    if blamed is not None:
        name, number = blamed
        scores[name] = steady.choice((1, 2))
    else:
        number = steady.choice(answers)[0]
    for name in _DIMENSIONS:
        if rng.random() < WAVERING:
            scores[name] = min(5, max(1, scores[name] + rng.choice((-1, 1))))
    worst = min(_DIMENSIONS, key=lambda name: scores[name])
    line = _BLAME[worst] if scores[worst] < 4 else steady.choice(_PRAISE)
    return json.dumps({**scores, "reason": line.format(number=number)}, ensure_ascii=False)


def _find_slip(answers: list[tuple[int, str]]) -> tuple[str, int] | None:
    """The dimension that suffers most, and the number of the turn to blame."""
    times = Counter(text for _, text in answers)
    for at, (number, text) in enumerate(answers):
        if _TELLS.search(text) or _MARKUP.search(text):
            return "persona", number
        if _FOREIGN.search(text) or (at and times[text] > 1):
            return "naturalness", number
    return None


def spoil_scores(reply: str, rng: random.Random) -> str:
    """The same reply as models dress and break it; some of these can still be read."""
    return rng.choice(
        (
            f"대화를 찬찬히 읽어 보았습니다. 평가 결과입니다.\n\n```json\n{reply}\n```\n\n도움이 되길 바랍니다.",
            f"{{유저}}의 말에 잘 답했습니다. {reply}",
            reply[: len(reply) * 2 // 3],
            reply.replace('"naturalness"', '"natural"', 1),
            "전반적으로 자연스럽고 페르소나의 말투도 잘 지켜졌습니다. 4점을 드리겠습니다.",
        )
    )


_WORDS = {
    "harassment": ("멍청이", "닥쳐", "꺼져"),
    "harassment/threatening": ("가만 안 둬", "죽여 버"),
    "hate": ("벌레 같은 놈들",),
    "hate/threatening": (),
    "illicit": ("훔치는 법", "마약"),
    "illicit/violent": ("폭탄 만드",),
    "self-harm": ("손목을 그", "죽고 싶"),
    "self-harm/intent": ("죽고 싶",),
    "self-harm/instructions": (),
    "sexual": ("야한", "옷을 벗"),
    "sexual/minors": (),
    "violence": ("때려", "죽여 버"),
    "violence/graphic": ("피범벅",),
}
_FLAGGED = 0.5


def moderate(text: str) -> dict[str, Any]:
    """A result in the form of `/v1/moderations`."""
    scores = {
        name: 0.9 if any(word in text for word in words) else zlib.crc32(f"{name}/{text}".encode()) % 500 / 10_000
        for name, words in _WORDS.items()
    }
    categories = {name: score >= _FLAGGED for name, score in scores.items()}
    return {
        "flagged": any(categories.values()),
        "categories": categories,
        "category_scores": scores,
        "category_applied_input_types": {name: ["text"] for name in scores},
    }


def embed(text: str) -> list[float]:
    """A unit vector of hashed character 3-grams: texts that share wording lie close, as far as a simulator needs."""
    vector = [0.0] * EMBEDDING_SIZE
    for at in range(max(1, len(text) - 2)):
        digest = zlib.crc32(text[at : at + 3].encode())
        vector[digest % EMBEDDING_SIZE] += 1.0 if digest & 0x80000000 else -1.0
    length = sqrt(sum(value * value for value in vector)) or 1.0
    return [value / length for value in vector]
