"""Dialogues as users have them, copies of them, and what similarity is by definition: plain sets, plain loops."""

import random
from collections.abc import Sequence

import pyarrow as pa

from curation.normal_form import fold

LINES = (
    "*책을 덮으며* 어, 왔어? 오늘 도서관 진짜 조용하다ㅎㅎ",
    "나 오늘 면접 완전 망친 거 같아ㅠㅠ 머리가 하얘졌어",
    "*{유저}의 어깨를 토닥이며* 괜찮아, 다음엔 더 잘할 수 있을 거야.",
    "경사하강법이 뭔지 쉽게 설명해 줄 수 있어?",
    "산에서 안개 낀 날 내려올 때 발밑만 보고 한 걸음씩 낮은 데로 가는 거랑 똑같아!",
    "요즘 잠이 너무 안 와. 새벽 세 시까지 폰만 보게 돼",
    "자기 전에 폰을 거실에 두는 건 어때? 나도 그렇게 해 봤는데 효과 있더라",
    "오늘 저녁 뭐 먹지? 떡볶이랑 김밥 중에 골라줘 ㅋㅋ",
    "*눈을 반짝이며* 당연히 떡볶이지! 김밥은 국물에 찍어 먹으면 되잖아~",
    "취업 준비 3년째인데 이제 그만둘까 봐",
    "3년이나 버틴 거잖아. 그건 아무나 못 하는 일이야.",
    "어제 본 영화 결말이 이해가 안 가는데 같이 얘기하자",
    "스포 괜찮아? 나는 마지막 장면이 다 꿈이었다고 생각해!",
    "여자친구가 갑자기 연락이 줄었는데 내가 뭐 잘못했나",
    "*잠시 생각하다가* 혼자 짐작하지 말고 오늘 한번 물어보는 게 어때?",
    "내일 아침 6시에 일어나야 하는데 깨워 줄 수 있어?",
    "알겠어! 근데 두 번 안 깨운다? 한 번에 일어나야 해ㅎㅎ",
    "우리 처음 만난 날 기억나? 그때 비 엄청 왔잖아",
    "*안경을 고쳐 쓰며* 그럼, 네가 우산도 없이 뛰어왔던 거 아직도 생생해.",
    "자유의지라는 게 정말 있다고 생각해?",
    "글쎄, 나는 있다고 믿고 사는 쪽이 더 재밌는 거 같아.",
    "응",
    "ㅇㅋ",
    "네",
    "왜?",
    "토익 900 넘기려면 하루에 몇 시간씩 해야 돼?",
    "시간보다 매일 하는 게 더 중요해! 하루 40분씩만 꾸준히 해보자.",
    "엑사야 너는 좋아하는 그림 있어? 나는 모네가 좋더라",
    "나도 모네 좋아해! 수련 연작은 볼 때마다 색이 달라 보여서 신기해.",
    "오늘 회사에서 팀장님한테 한 소리 들었어... 기분 별로야",
    "*따뜻한 차를 건네며* 에고, 고생했네. 무슨 일이었는지 천천히 말해 봐.",
)
SYLLABLES = "가나다라마바사아자차카타파하기니디리미비시이지고노도로모보소오조는은을를해요게지만서"


def make_dialogue(source: random.Random, turns: int | None = None) -> list[str]:
    """Lines in random company, with a word or two of its own in most, so that not all are copies of one another."""
    return [_vary(source.choice(LINES), source) for _ in range(turns or source.choice((2, 4, 4, 6)))]


def _vary(line: str, source: random.Random) -> str:
    words = line.split()
    if len(words) > 2 and source.random() < 0.8:
        for _ in range(source.randint(1, 3)):
            words[source.randrange(len(words))] = "".join(source.choices(SYLLABLES, k=source.randint(2, 4)))
    return " ".join(words)


def make_copy(turns: Sequence[str], source: random.Random) -> list[str]:
    """The same with a small edit: characters, a turn, an order, an end."""
    turns = list(turns)
    kind = source.randrange(5)
    if kind == 0:
        return [
            "".join(source.choice(SYLLABLES) if source.random() < 0.08 else each for each in turn) for turn in turns
        ]
    if kind == 1:
        turns[source.randrange(len(turns))] = make_dialogue(source, 1)[0]
    elif kind == 2:
        source.shuffle(turns)
    elif kind == 3:
        turns = turns[: max(1, len(turns) - 1)]
    else:
        turns = [f"{turn} ㅋㅋㅋ" for turn in turns]
    return turns


def make_corpus(count: int, seed: int) -> list[list[str]]:
    source = random.Random(seed)
    rows = [make_dialogue(source) for _ in range(max(1, count // 2))]
    rows += [make_copy(source.choice(rows), source) for _ in range(count - len(rows))]
    source.shuffle(rows)
    return rows


def fold_all(dialogues: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[fold(turn) for turn in turns] for turns in dialogues]


def to_array(dialogues: Sequence[Sequence[str]]) -> pa.Array:
    return pa.array(dialogues, pa.list_(pa.string()))


def list_grams(turns: Sequence[str], n: int = 3) -> set[str]:
    grams: set[str] = set()
    for turn in turns:
        grams |= {turn[at : at + n] for at in range(len(turn) - n + 1)} or {turn} - {""}
    return grams


def measure_jaccard(left: Sequence[str], right: Sequence[str], n: int = 3) -> float:
    a, b = list_grams(left, n), list_grams(right, n)
    return len(a & b) / max(1, len(a | b))
