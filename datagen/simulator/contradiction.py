"""Where the simulator's judge sees a contradiction: facts told in plain patterns, by one speaker, with two values.

Ages, jobs, homes, names of pets and days of plans are all it knows: enough for a test, and no use for real data.
"""

import json
import random
import re

_TURN = re.compile(r"^(\d+)\. ([^:\n]+): (.*)$", re.MULTILINE)
_I = "(?:나는|난|나|내가|저는|전|저|제가)"
_FACTS = {
    "나이": re.compile(rf"{_I} (?:올해 )?(?P<value>(?:열|스물|스무|서른|마흔|쉰)[가-힣]{{0,2}}|\d+) ?살"),
    "직업": re.compile(r"(?:내|제) 직업은 (?P<value>[가-힣]{2,6}?)(?=이야|야|이에요|예요|입니다)"),
    "사는 곳": re.compile(rf"{_I} (?P<value>[가-힣]{{2,5}})에 살(?:아|고)"),
    "고양이 이름": re.compile(r"고양이 이름은 (?P<value>[가-힣]{1,4}?)(?=이야|야|이에요|예요|입니다)"),
    "강아지 이름": re.compile(r"강아지 이름은 (?P<value>[가-힣]{1,4}?)(?=이야|야|이에요|예요|입니다)"),
    "약속한 날": re.compile(r"약속은 (?P<value>[월화수목금토일]요일)"),
}


def is_contradiction_prompt(contents: list[str]) -> bool:
    """Whether a prompt asks for contradictions as JSON."""
    text = "\n".join(contents)
    return all(f'"{name}"' in text for name in ("contradictions", "first_quote", "second_quote"))


def find_contradictions(contents: list[str]) -> str:
    """The contradictions in a numbered dialogue, as JSON."""
    told: dict[tuple[str, str], tuple[int, str, str]] = {}
    found = []
    for number, speaker, text in _TURN.findall(contents[-1]):
        for fact, pattern in _FACTS.items():
            if (seen := pattern.search(text)) is None:
                continue
            before = told.setdefault((speaker, fact), (int(number), seen["value"], seen[0]))
            if before[1] != seen["value"]:
                found.append(
                    {
                        "first": before[0],
                        "second": int(number),
                        "first_quote": before[2],
                        "second_quote": seen[0],
                        "why": f"{speaker}의 말에서 {fact}, 앞과 뒤가 다르다.",
                        "confidence": 0.9,
                    }
                )
    return json.dumps({"contradictions": found}, ensure_ascii=False)


def spoil_contradictions(reply: str, rng: random.Random) -> str:
    """The same reply as models dress and break it; the dressed one can still be read."""
    invented = {"first": 1, "second": 2, "first_quote": "그런 말은 없다", "second_quote": "이런 말도", "confidence": 1}
    return rng.choice(
        (
            f"대화를 처음부터 끝까지 읽었습니다.\n\n```json\n{reply}\n```",
            reply[: len(reply) * 2 // 3],
            json.dumps({"contradictions": [invented]}, ensure_ascii=False),
            "앞뒤가 어긋나는 곳을 찾지 못했습니다.",
        )
    )
