"""Letters of other scripts in Korean text: which are slips of a model, and which a Korean would write.

A slip stands bare in the sentence ("너무 開心해"). Glossed ("기(氣)", "ありがとう(아리가토)"), quoted ("'愛'라는
글자") or in talk about a language it is deliberate. Single Greek letters are signs (π, μm), and text emoticons borrow
letters from everywhere ("(´ω`)", "ツ"). Latin letters are no foreign script here, but for those of Vietnamese alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

ForeignKind = Literal["bare", "glossed"]

_SCRIPTS = {
    "한자": "\u3005\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af",
    "일본 문자": "ぁ-ゖゝ-ゟァ-ヺヽ-ヿㇰ-ㇿｦ-ｯｱ-ﾝ",
    "키릴 문자": "Ѐ-\u052f\u1c80-\u1c8f\u2de0-\u2dff\ua640-\ua69f",
    "그리스 문자": "\u0370-\u037d\u037f-\u0383\u0386\u0388-\u03ff\u1f00-\u1fff",
    "히브리 문자": "\u0591-\u05f4\ufb1d-\ufb4f",
    "아랍 문자": "\u0620-\u065f\u066e-\u06ef\u06fa-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdfb\ufe70-\ufefc",
    "인도 문자": "\u0900-\u0963\u0971-\u0dff",
    "태국 문자": "\u0e01-\u0e3a\u0e40-\u0e4e",
    "베트남 문자": "đĐơƠưƯ\u1ea0-\u1ef9",
    "다른 문자": "\u0530-\u058f\u0700-\u074f\u0780-\u07bf\u0e81-\u0eff\u0f00-\u0fff\u1000-\u109f\u10a0-\u10ff"
    "\u1200-\u13ff\u1780-\u17ff\u1800-\u18af\u3105-\u312f\ua000-\ua48f",
}
_FOREIGN = "".join(_SCRIPTS.values())
_RUN = re.compile(f"[{_FOREIGN}]+(?:[ 、。・ー！？]*[{_FOREIGN}]+)*")
_LETTER = re.compile(f"[{_FOREIGN}]")
_NAMES = {name: re.compile(f"[{letters}]") for name, letters in _SCRIPTS.items()}

_RARE_SCRIPTS = frozenset({"아랍 문자", "인도 문자", "태국 문자", "다른 문자"})
_FACE_LETTERS = frozenset("ωдДзЭεσοОоツノヾヽっつシミﾉへの人口益皿ಠಥಡఠงฅλღლوヮਊ੭ﻌﻋꈍꓵψΨΦΣ")
_GLOSS_BEFORE = re.compile(r"[가-힣][’'\"”」]?\s?[(（\[]\s?$")
_GLOSS_AFTER = re.compile(r"\s?[’'\"”」]?\s?[(（\[][^()（）\[\]\n]{0,30}[가-힣]")
_OPENING = frozenset("'\"‘“「『《〈`(（")
_CLOSING = frozenset("'\"’”」』》〉`)）")


@dataclass(frozen=True, slots=True)
class ForeignRun:
    """Characters `start` to `end` (exclusive) in a script with a Korean name. `letters` counts its letters."""

    start: int
    end: int
    script: str
    letters: int
    kind: ForeignKind


def find_foreign(text: str) -> Iterator[ForeignRun]:
    """Foreign letters that call for attention: not emoticons, signs of science, or Han after its reading (기(氣))."""
    for found in _RUN.finditer(text):
        start, end = found.span()
        letters = len(_LETTER.findall(found[0]))
        script = next(name for name, pattern in _NAMES.items() if pattern.match(found[0]))
        if _is_sign(text, start, end) or (script in _RARE_SCRIPTS and _stands_apart(text, start, end)):
            continue
        gloss_before = _GLOSS_BEFORE.search(text, max(0, start - 4), start) is not None
        if gloss_before and script == "한자":
            continue
        glossed = gloss_before or _GLOSS_AFTER.match(text, end) is not None or _is_quoted(text, start, end)
        yield ForeignRun(start, end, script, letters, "glossed" if glossed or script == "베트남 문자" else "bare")


def _is_sign(text: str, start: int, end: int) -> bool:
    """Greek as a sign (α, Δt, μm), or one to three letters that make a face with the symbols beside them."""
    run = text[start:end]
    if len(run) <= 2 and _NAMES["그리스 문자"].fullmatch(run[0]):
        return True
    if len(run) > 3 or not _FACE_LETTERS.issuperset(run):
        return False
    beside = text[max(0, start - 1) : start] + text[end : end + 1]
    return run == "ღ" or any(not each.isalnum() and not each.isspace() and each not in ".,!?" for each in beside)


def _stands_apart(text: str, start: int, end: int) -> bool:
    """One or two letters away from Hangul: the paws, wings and ears of emoticons come from the rarest scripts."""
    beside = text[max(0, start - 1) : start] + text[end : end + 1]
    return end - start <= 2 and not any("가" <= each <= "힣" for each in beside)


def _is_quoted(text: str, start: int, end: int) -> bool:
    """Whether the run, with what else stands in the quotation, is quoted: 10 characters to each side are looked at."""
    before = text[max(0, start - 10) : start]
    after = text[end : end + 10]
    return any(each in _OPENING for each in before) and any(each in _CLOSING for each in after)
