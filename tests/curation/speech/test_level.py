"""The level of single sentences, trap by trap, and of several in one utterance with their places."""

import pytest

from curation.speech.level import judge_sentences

JONDAETMAL = """
학교요. | 학교요? | 저요! | 노래요? | 물이요. | 조금만요. | 진짜요? | 정말요? | 그럼요. | 글쎄요. | 아니요.
아뇨, 괜찮아요. | 네. | 네~ | 넵! | 예. | 안녕하세요 | 안녕하세요! | 안녕히 주무세요. | 안녕히 계세요~
잘 부탁드립니다! | 감사합니다ㅎㅎ | 고마워요 ^^ | 죄송합니다ㅠㅠ | 수고하셨습니다. | 밥 먹었어요?
저는 학생이에요. | 그게 아니에요. | 그건 제 거예요. | 가시죠. | 그렇죠? | 맞쥬? | 그랬군요. | 좋네요.
제가 할게요. | 갈까요? | 어디 가세요? | 같이 갑시다. | 이리 오십시오. | 밥 드셨습니까? | 그렇습니다만.
했는데요. | 그렇거든요. | 바쁘니까요. | 엄마가 밥 먹으래요. | 비 온대요. | 가자고요? | 그렇다니까요.
반갑습니당 | 고마워용 | 잘 자용~ | 뭐 하세욤? | 알겠슴다! | 그래쪄요? | 맞아여 | 그렇져 | 괜찮아유~ | 필요해요.
중요하죠. | 담요요? | 가요가 좋아요. | 갔어요, 어제. | 고마워요, 민수야. | 감사합니다 선생님 | 좋아요, 오빠!
사랑해요 여러분 | 예뻐요 진짜 | '사랑해'라고 했어요. | "갈래?" 하고 물었어요. | 오늘은 '봄날'이에요.
오늘은 뭐 하셨나요 ㅎㅎ | 그건 좀... 어려워요... | 좋아요오~ | 가요? | 집에 가요. | 이제 자요. | 그래도 돼요?
아, 네. | 네네, 알겠어요.
"""

BANMAL = """
그것도 문제지. | 그 사람 숙제야. | 딱 그만큼만 배우자. | 나를 너무 함부로 대해. | 하지 마, 제발. | 뭐가 어때서.
뭐야 이거 | 뭐야, 이거? | 갔어, 어제. | 고마워 | 고마워, 엑사야. | 미안 | 미안해ㅠㅠ | 안녕! | 안녕~ | 응
응, 알았어. | 아니. | 그래 | 글쎄. | 좋아좋아 | 알겠어ㅋㅋ | ㅇㅇ | ㄱㄱ | 나 왔어 | 뭐 해? | 밥 먹자 | 얼른 자
잘 자~ | 어디 가? | 집에 가. | 이리 와. | 이거 봐! | 하지 마. | 가지 마ㅠ | 빨리 해라. | 어서 먹어라~ | 힘내!
조심해! | 그랬지 | 그치? | 맞지? | 그렇지 뭐 | 좋네 | 예쁘네ㅎㅎ | 그렇구나 | 그랬구나~ | 그랬거든. | 말했잖아!
내가 할게 | 갈까? | 같이 갈래? | 어디 가니? | 밥은 먹었냐 | 뭐하냐? | 그렇더라 | 비 온대. | 밥 먹으래.
재밌었는데. | 그건 좀 그런데? | 바쁘니까. | 간다! | 이게 인생이다. | 배고프다 | 맛있겠다! | 먹었음 | 기분 좋음
아무것도 안 함 | 했음ㅋㅋ | 나야. | 엑사야, 나야. | 그건 필요해. | 이게 제일 중요해! | 너무 피곤해
그가 '안녕하세요'라고 했어. | 그 사람이 “감사합니다” 하더라. | '안녕하세요'는 인사야.
「잘 가요」라는 노래 알아? | 「봄날은 간다」 봤어? | 네가 좋아. | 네가 먼저 말했잖아. | 우리 동네야.
이건 가요야. | 담요 덮어. | 개요만 말해 줘. | 조아조아 가쟈 | 뭐행 | 보고 싶엉 | 배고프당 | 괜찮아아 | 가자아~
알겠엌ㅋㅋ | 했닼ㅋㅋ | 귀여웡 | 그렇게 하장 | 얼른 드러와 | 언니, 이거 봐 봐. | 왜 이래 진짜 | 대박이다 진짜
좋아해 너를
"""

NONE = """
용두사미의 전형적인 예
사이다! | 치킨마요. | 우간다. | 공군. | 지중해. | 홍어! | 오렌지? | 아버지. | 다이어트의 적, 피자!
내 동생과 강아지. | 작가. | 당뇨. | 필요. | 중요! | 담요 | 수요 | 주요 과목 | 민요 | 음... | 우와! | 헐
ㅋㅋㅋㅋ | ㅠㅠ | 진짜? | 정말? | 대박! | 오케이! | 파이팅! | 떡볶이랑 순대! | 우리 동네. | 바다! | 강아지!
올해. | 내가 제일 좋아하는 노래. | 최고의 하루. | 아이스 아메리카노 한 잔. | 너와 나의 거리.
오늘의 메뉴는 김치찌개. | 첫째, 물 많이 마시기. | 짜잔~ | 두근두근... | "..." | !? | 친구처럼 | 학교에서
어제보다 조금 더
"""


def split(table: str) -> list[str]:
    return [each.strip() for line in table.strip().splitlines() for each in line.split("|")]


def level_of(text: str) -> str | None:
    told = [each for each in judge_sentences(text) if each.level is not None]
    return max(told, key=lambda each: (each.confidence, each.start)).level if told else None


@pytest.mark.parametrize("text", split(JONDAETMAL))
def test_it_is_jondaetmal(text: str) -> None:
    assert level_of(text) == "jondaetmal"


@pytest.mark.parametrize("text", split(BANMAL))
def test_it_is_banmal(text: str) -> None:
    assert level_of(text) == "banmal"


@pytest.mark.parametrize("text", split(NONE))
def test_it_carries_no_level(text: str) -> None:
    assert level_of(text) is None


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("안녕하세요! 뭐 해?", ["안녕하세요!", "뭐 해?"]),
        ("그래 ㅋㅋ 알았어", ["그래 ㅋㅋ", "알았어"]),
        ("어제 갔어ㅋㅋㅋ 재밌더라~ 너도 와!", ["어제 갔어ㅋㅋㅋ", "재밌더라~", "너도 와!"]),
        ("음… 그건 좀 그래.", ["음… 그건 좀 그래."]),
        ("좋아.그래서 언제 와?", ["좋아.", "그래서 언제 와?"]),
        ("버전은 3.5야.", ["버전은 3.5야."]),
        ("세 시~네 시쯤 봐.", ["세 시~네 시쯤 봐."]),
        ("그랬어?!\n\n진짜 대단해 ^^", ["그랬어?!", "진짜 대단해 ^^"]),
        ("'이제 뒷면 차례네.' 하고 눈치를 볼까? 아니지.", ["'이제 뒷면 차례네.' 하고 눈치를 볼까?", "아니지."]),
        ("  응.  ", ["응."]),
        ("안녕!             오늘은 어때?", ["안녕!", "오늘은 어때?"]),
        ("", []),
        ("...", []),
    ],
)
def test_an_utterance_is_cut_into_its_sentences(text: str, sentences: list[str]) -> None:
    assert [text[each.start : each.end] for each in judge_sentences(text)] == sentences


def test_speech_in_quotation_marks_as_a_whole_is_speech() -> None:
    assert level_of("“안녕하세요, 처음 뵙겠습니다.”") == "jondaetmal"
    assert level_of('"나 왔어!"') == "banmal"


def test_a_sentence_says_who_judged_it() -> None:
    told = judge_sentences("나 왔어. 그게 더 반갑대. 즐거운 하루.")
    assert [(each.level, each.by) for each in told] == [("banmal", "suffix"), ("banmal", "kiwi"), (None, "suffix")]


def test_a_level_comes_with_a_confidence() -> None:
    (sure,), (leaning,) = judge_sentences("갔다 왔습니다."), judge_sentences("그냥 심심해서.")
    assert sure.confidence >= 0.95
    assert 0.5 < leaning.confidence < 0.95
