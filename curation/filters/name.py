"""name: the persona under another name, and a user's name that nobody gave.

Why    The user is "{유저}" until somebody fills it in; "민수야" in the data makes every user a 민수. A persona that
       calls itself 지수 or GPT, or answers to it, is not the persona.
Drops  Persona: "나는 지수야", "내 이름은 GPT-4야", "민준아, 왔어?", "지은 씨!". User: "지수야, 나 왔어" to 엑사.
Keeps  "친구야", "자기야", "뭐야", "내 친구 민수가", "엑사야", the persona's names in its system prompt, quoted speech.
Notes  Names that are words too ("하늘아"), names that also stand elsewhere in the dialogue, "액사야", "*민수의 손을*".
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from curation.filter import Filter, FilterSettings
from curation.filters.word_file import WordForm, read_words
from curation.finding import AtLeast, Observation
from curation.subject import PersonaSheet, Subject, Utterance


class Settings(FilterSettings):
    """Limits of `name`. A score is 1 for a name that is nothing else, 0.5 for a guess."""

    self_name: AtLeast = AtLeast(drop=1, note=0.5)
    """The persona introduces itself by another name, 0.5 or 1. Default: the sure ones drop."""
    persona_called: AtLeast = AtLeast(drop=1, note=0.5)
    """The user calls the persona by another name, 0.5 or 1. Default: the sure ones drop."""
    user_name: AtLeast = AtLeast(drop=1, note=0.5)
    """The persona calls the user by a personal name, 0.5 or 1. Default: the sure ones drop."""


class Words(WordForm):
    given: frozenset[str]
    ambiguous: frozenset[str]
    surnames: frozenset[str]
    others: list[str]
    no_names: list[str]


_WORDS = read_words("name", Words)
_GIVEN = _WORDS.given
_NAMES = _WORDS.given | _WORDS.ambiguous
_OTHERS = tuple({each.casefold() for each in _WORDS.others})
_OTHERS_ENDS = {each[-1] for each in _OTHERS}
_LONGEST_OTHER = max(map(len, _OTHERS))
_OTHER = "|".join(re.escape(each) for each in sorted(_WORDS.others, key=len, reverse=True))

_QUOTED = re.compile("\"[^\"\n]*\"|“[^”\n]*”|'[^'\n]*'|‘[^’\n]*’|「[^」\n]*」|『[^』\n]*』")
_CALL = re.compile(r"[야아씨님](?![가-힣])")
_WORD_BEFORE = re.compile(r"(?<![가-힣])([가-힣]{2,4}) ?$")
_BOUNDARY = frozenset(".!?…~,;:)”’\"'^♥ㅋㅎㅠㅜ\n\t")
_CALLING = ",!~…"
_SAID_OF_IT = re.compile(r"[,!.~]? ?(?:하고|하던|말고|라고|라는|하며|하면서|라며)")
_IN_DIRECTION = re.compile(r"(?<![가-힣])([가-힣]{2,3})(?:의|을|를|이|가|에게|한테|와|과|랑|이랑)(?![가-힣])")

_IS = (
    r"(?:이?야|이?에요|예요|입니다|이?라고 (?:해요?|합니다|불러|부르면|불러요)|이?라네|이?거든요?|이?지요?|이?잖아요?)"
    r"(?![가-힣])"
)
_TOLD = re.compile(rf"(?:내|나의|제|저의) 이름은,? ?([가-힣]{{1,6}}?|[A-Za-z][\w.-]{{0,20}}?){_IS}")
_CLAIMED = re.compile(
    rf"[나난저전내제](?<![가-힣].)[는가]? (?:바로 )?({_OTHER}|[가-힣]{{2,4}}?){_IS}(?!\?)", re.IGNORECASE
)
_SAME_SOUND = str.maketrans("ᅢᅤᄁᄄᄈᄊᄍᆿᆩ", "ᅦᅨᄀᄃᄇᄉᄌᆨᆨ")
"""Vowels that sound alike and consonants that are mistyped for one another: 액사, 엑싸."""

_MOST = 20
"""Observations of one kind in one utterance."""


class Call(NamedTuple):
    """Somebody is called. `is_sure`: it can be nothing but a call."""

    start: int
    end: int
    word: str
    is_sure: bool


def measure(subject: Subject, _: Settings) -> Iterator[Observation]:
    """What the whole dialogue shows to be absent is not looked for in each utterance."""
    persona = subject.persona
    if persona is None or not persona.name.strip():
        return
    talk = _Talk(subject, persona)
    whole = subject.whole
    has_calls = _may_have_calls(whole, talk)
    has_claims = "이름은" in whole or any(map(_is_known, _CLAIMED.findall(whole)))
    has_directions = any(map(_GIVEN.__contains__, _IN_DIRECTION.findall("\n".join(whole.split("*")[1::2]))))
    for utterance in subject.utterances:
        is_persona = utterance.role == "assistant"
        if has_calls:
            yield from islice(_observe_calls(utterance, talk, is_persona), _MOST)
        if has_claims and is_persona:
            yield from islice(_observe_introductions(utterance, talk), _MOST)
        if has_directions and is_persona:
            yield from islice(_observe_directions(utterance, talk), _MOST)


def _ends_in_other(text: str, at: int) -> bool:
    return text[max(0, at - _LONGEST_OTHER) : at].casefold().endswith(_OTHERS)


class _Talk:
    """What is known of names while a dialogue is read."""

    def __init__(self, subject: Subject, persona: PersonaSheet) -> None:
        self._subject = subject
        self._own = persona.name.strip().casefold()
        self._own_sound = _spell_sound(self._own)
        self._prompt = persona.system_prompt
        self._mentioned: dict[str, bool] = {}

    def is_own(self, word: str) -> bool:
        """The persona's name, a part or an extension of it, or a word of its system prompt (EXAGIRL, 엑사걸)."""
        word = word.casefold()
        return word in self._own or self._own in word or word in self._prompt.casefold()

    def resembles_own(self, word: str) -> bool:
        own = self._own
        return len(word) == len(own) > 1 and any(map(own.__contains__, word)) and _spell_sound(word) == self._own_sound

    def is_misspelt_before(self, text: str, at: int) -> bool:
        """Whether the text up to `at` ends in what sounds like the persona's name and is not written so."""
        word = text[max(0, at - len(self._own)) : at]
        return word != self._own and self.resembles_own(word)

    def is_mentioned(self, word: str) -> bool:
        """Whether a name stands in the dialogue other than as a call of the persona's: somebody brought it up."""
        if word not in self._mentioned:
            self._mentioned[word] = any(_mentions(each, word) for each in self._subject.utterances)
        return self._mentioned[word]


def _mentions(utterance: Utterance, word: str) -> bool:
    text = utterance.text
    if word not in text:
        return False
    called = text.count(word + "야") + text.count(word + "아") + len(re.findall(rf"{word} ?[씨님]", text))
    if utterance.role == "user":
        called -= len(re.findall(rf"(?<![가-힣])(?:나는?|난|저는?|전|이름은) {word}", text))
    return text.count(word) > called


def _spell_sound(word: str) -> str:
    return unicodedata.normalize("NFD", word).translate(_SAME_SOUND)


def _rate(word: str) -> float:
    """1 for a personal name, 0.5 for one that is a word too, 0 for anything else."""
    if word in _GIVEN:
        return 1
    if word in _WORDS.ambiguous:
        return 0.5
    return 1 if word[-2:] in _NAMES and word[:-2] in _WORDS.surnames else 0


def is_personal_name(word: str) -> bool:
    """Whether it is a name that people have, or may be one."""
    return _rate(word) > 0


def _is_known(word: str) -> bool:
    return word.casefold() in _OTHERS or is_personal_name(word)


def _may_have_calls(text: str, talk: "_Talk") -> bool:
    """A name before one of the calling endings: hardly any dialogue has one."""
    for found in _CALL.finditer(text):
        at = found.start()
        if text[at - 2 : at] in _NAMES or text[at - 3 : at - 1] in _NAMES or talk.is_misspelt_before(text, at):
            return True
        if text[at - 1 : at].casefold() in _OTHERS_ENDS and _ends_in_other(text, at):
            return True
    return False


def _blank_quotes(speech: str) -> str:
    return _QUOTED.sub(lambda found: " " * len(found[0]), speech)


def _find_calls(speech: str) -> Iterator[Call]:
    for found in _CALL.finditer(speech):
        at = found.start()
        before = _WORD_BEFORE.search(speech, max(0, at - 5), at)
        if before is None or _SAID_OF_IT.match(speech, at + 1):
            continue
        word, is_spaced = before[1], before[0].endswith(" ")
        if found[0] in "야아" and (is_spaced or _has_final(word) != (found[0] == "아")):
            continue
        start, after = before.start(), speech[at + 1 : at + 2]
        is_sure = _is_sure(found[0], _is_at_start(speech, start), after)
        if is_sure is not None:
            yield Call(start, at + 1, word, is_sure)


def _is_sure(suffix: str, is_at_start: bool, after: str) -> bool | None:
    """`지수야.` may say that it was 지수; `지은아` and `지수야,` can only call her. None: nothing is called here."""
    is_end = not after or not (after.isalnum() or after == " ")
    if suffix == "아":
        return is_at_start or is_end or None
    if suffix == "야":
        return (
            (bool(after) and after in _CALLING + " ")
            if is_at_start
            else (False if after and after in _CALLING else None)
        )
    if is_at_start:
        return bool(after) and is_end
    return False if is_end else None


def _is_at_start(speech: str, start: int) -> bool:
    """Whether a sentence, or what follows a comma or a direction, begins here."""
    if start == 0 or speech[start - 1] != " ":
        return start == 0 or speech[start - 1] in _BOUNDARY
    return start == 1 or speech[start - 2] == " " or speech[start - 2] in _BOUNDARY


def _has_final(word: str) -> bool:
    return (ord(word[-1]) - ord("가")) % 28 > 0


def _observe_calls(utterance: Utterance, talk: _Talk, is_persona: bool) -> Iterator[Observation]:
    rule, who = ("user_name", "유저를") if is_persona else ("persona_called", "페르소나를")
    speech = _blank_quotes(utterance.speech)
    for start, end, word, is_sure in _find_calls(speech):
        if talk.is_own(word):
            continue
        rate = _rate(word)
        if rate == 1 or (rate > 0 and is_sure):
            score = 1 if rate == 1 and is_sure and not talk.is_mentioned(word) else 0.5
            yield Observation(rule, score, f"{who} ‘{speech[start:end]}’ 하고 부름", utterance.index, start, end)
        elif not is_persona and talk.resembles_own(word) and _is_at_start(speech, start):
            evidence = f"페르소나의 이름을 잘못 적은 듯함: {speech[start:end]}"
            yield Observation(rule, 0.5, evidence, utterance.index, start, end)
    if not is_persona:
        yield from _observe_other_models(utterance, speech, talk)


def _observe_other_models(utterance: Utterance, speech: str, talk: _Talk) -> Iterator[Observation]:
    for found in _CALL.finditer(speech):
        at = found.start()
        if found[0] in "야아" and _ends_in_other(speech, at):
            folded = speech[max(0, at - _LONGEST_OTHER) : at].casefold()
            other = max((each for each in _OTHERS if folded.endswith(each)), key=len)
            start, after = at - len(other), speech[at + 1 : at + 2]
            if not talk.is_own(other) and _is_at_start(speech, start) and _is_sure("야", True, after):
                evidence = f"페르소나를 ‘{speech[start : at + 1]}’ 하고 부름"
                yield Observation("persona_called", 1, evidence, utterance.index, start, at + 1)


def _observe_introductions(utterance: Utterance, talk: _Talk) -> Iterator[Observation]:
    speech = _blank_quotes(utterance.speech)
    told = list(_TOLD.finditer(speech)) if "이름은" in speech else []
    for each in (*told, *_CLAIMED.finditer(speech)):
        word = each[1]
        rate = 1 if word.casefold() in _OTHERS else _rate(word)
        if each.re is _TOLD and rate < 1:
            rate = 0 if word.startswith(tuple(_WORDS.no_names)) else max(rate * 2, 0.5)
        if (rate == 1 or (rate > 0 and _is_at_start(speech, each.start()))) and not talk.is_own(word):
            evidence = f"페르소나가 스스로를 다른 이름으로 소개함: {each[0][:60]}"
            yield Observation("self_name", rate, evidence, utterance.index, *each.span())


def _observe_directions(utterance: Utterance, talk: _Talk) -> Iterator[Observation]:
    for each in utterance.directions:
        for found in _IN_DIRECTION.finditer(utterance.text, each.start, each.end):
            if _rate(found[1]) == 1 and not talk.is_own(found[1]):
                evidence = f"지문에 자리표시 대신 이름이 있는 듯함: {found[0]}"
                yield Observation("user_name", 0.5, evidence, utterance.index, *found.span(1))


FILTER = Filter("name", 1, Settings, measure)
