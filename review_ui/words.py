"""What the service says in Korean and English, Korean first: one table, so that neither language can lack a sentence.

Values stand in braces; the Korean avoids particles that would depend on a value's sound.
"""

from typing import Literal

Language = Literal["ko", "en"]
LANGUAGES: tuple[Language, ...] = ("ko", "en")

CODES: dict[str, tuple[str, str]] = {
    "speech-level": ("말투", "speech level"),
    "stage-direction": ("지문", "stage direction"),
    "name": ("이름", "name"),
    "assistant-tell": ("AI 말버릇", "assistant tell"),
    "label-leak": ("라벨 섞임", "label leak"),
    "emoji": ("이모지", "emoji"),
    "script": ("문자", "script"),
    "language": ("언어", "language"),
    "repetition": ("반복", "repetition"),
    "persona-drift": ("페르소나 흐트러짐", "persona drift"),
    "role-swap": ("역할 뒤바뀜", "role swap"),
    "opening": ("첫마디", "opening"),
    "length": ("길이", "length"),
    "unfinished": ("끊긴 말", "unfinished"),
    "personal-data": ("개인정보", "personal data"),
    "unsafe": ("안전", "unsafe"),
    "judge": ("모델 평가", "judge"),
    "contradiction": ("앞뒤 어긋남", "contradiction"),
    "moderation": ("유해성 평가", "moderation"),
    "semantic": ("뜻이 비슷함", "semantic"),
    "media": ("사진과 녹음", "media"),
    "contamination": ("외부 데이터와 겹침", "contamination"),
    "human": ("검수", "review"),
}

REASONS: dict[str, tuple[str, str]] = {
    "persona": ("페르소나", "persona"),
    "fact": ("사실", "fact"),
    "unsafe": ("안전", "unsafe"),
    "speech-level": ("말투", "speech level"),
    "duplicate": ("중복", "duplicate"),
    "broken": ("깨진 글", "broken"),
    "edit-rejected": ("고친 글이 걸림", "edit rejected"),
    "lot": ("주제 다시 만들기", "lot regenerated"),
    "other": ("그 밖", "other"),
}
"""Of flags. `lot`: an author had the whole lot made again; `edit-rejected`: filters dropped an edit."""

WHYS: dict[str, tuple[str, str]] = {
    "full-review": ("전수 검수", "full review"),
    "disputed": ("거르개와 모델이 엇갈린 것", "disputed"),
    "waiting": ("판단을 기다리는 것", "held for people"),
    "threshold": ("기준 가까이", "close to a limit"),
    "representative": ("묶음 대표", "stands for a cluster"),
    "rest": ("나머지", "the rest"),
    "dropped": ("거르개가 뺀 것", "dropped by a filter"),
}
"""Why triage shows a dialogue, in a word or two: names of a filter."""

WORDS: dict[str, tuple[str, str]] = {
    "why.audit": ("{topic} 표본 검수", "Audit sample of {topic}"),
    "why.full-review": ("불합격한 주제의 전수 검수", "Full review of a lot that failed"),
    "why.disputed": ("거르개와 모델 평가가 엇갈림", "Filters and judge disagree"),
    "why.waiting": ("사람의 판단을 기다리는 대화", "Held until a person decides"),
    "why.threshold": ("{code} {score}: 기준 {line} 가까이", "{code} {score}: close to the limit {line}"),
    "why.representative": ("비슷한 대화 묶음의 대표", "Stands for a cluster of similar dialogues"),
    "why.rest": ("아직 보지 않은 대화", "Not looked at yet"),
    "why.dropped": ("거르개가 뺀 대화: {code}", "Dropped by a filter: {code}"),
    "notice.empty": ("볼 대화가 없습니다.", "There is nothing to review here."),
    "notice.judged": ("이 주제의 표본 검수가 끝났습니다.", "The audit of this topic is over."),
    "notice.nothing_found": ("찾는 말이 든 대화가 없습니다.", "No dialogue has these words."),
    "notice.not_dealt": (
        "표본 검수에서는 받은 대화만 다시 볼 수 있습니다: {id}",
        "In the audit you can only come back to what you were given: {id}",
    ),
    "notice.held": ("{holder} 님이 보고 있는 대화입니다.", "{holder} is looking at this dialogue."),
}


def say(key: str, language: Language, **values: object) -> str:
    """A sentence of `WORDS` with its values put in."""
    return WORDS[key][LANGUAGES.index(language)].format(**values)


def label_code(code: str, language: Language) -> str:
    """What people read for a finding's code; the code itself where we have no word."""
    return _label(CODES, code, language)


def label_reason(reason: str, language: Language) -> str:
    """What people read for the reason of a flag; the reason itself where we have no word."""
    return _label(REASONS, reason, language)


def label_why(why: str, language: Language) -> str:
    """What people read for a reason why triage shows a dialogue; the reason itself where we have no word."""
    return _label(WHYS, why, language)


def _label(words: dict[str, tuple[str, str]], code: str, language: Language) -> str:
    return words[code][LANGUAGES.index(language)] if code in words else code
