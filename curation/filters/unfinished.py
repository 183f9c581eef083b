"""unfinished: an utterance stops in mid-sentence.

Why    A reply that met its token limit ends anywhere, and training on it teaches the persona to stop anywhere.
Drops  A last turn that ends "… 그리고", "나는 오늘 학교에서 친구를", "네가 좋아하는", "정말 행복하", "*고개를 끄",
       "괜찮으면,".
Keeps  "그게…", "음~", "좋은데", "먹고", "했거든", "몰라 나는", "보고 싶어 너를", "알겠어", "엄마랑", "ㅇㅇ": Korean
       speech trails off, and puts what it forgot behind the predicate.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from curation.filter import Filter, FilterSettings
from curation.filters.word_file import WordForm, read_words
from curation.finding import AtLeast, Observation
from curation.subject import Subject, Utterance


class Settings(FilterSettings):
    """Limits of `unfinished`. A score tells how sure it is: 1 no sentence ends so; 0.75 hardly one does, and it lacks
    the punctuation that ends every other turn of the persona; 0.5 hardly one does."""

    last_turn: AtLeast = AtLeast(drop=1, note=0.5)
    """Of the dialogue's last utterance. Default: what is sure drops."""
    earlier_turn: AtLeast = AtLeast(note=1)
    """Of any earlier turn of the persona. Default: noted, since the talk went on."""
    unclosed: AtLeast = AtLeast(note=1)
    """Quotation marks and brackets that one of the persona's turns opens and does not close. Default: noted."""


class _Words(WordForm):
    openers: frozenset[str]
    loose_openers: frozenset[str]
    loose_word_ends: tuple[str, ...]
    subjects: frozenset[str]
    word_ends: tuple[str, ...]
    words: frozenset[str]
    cut_words: tuple[str, ...]
    verb_stems: frozenset[str]
    no_particle: tuple[str, ...]


@cache
def _read_words() -> _Words:
    return read_words("unfinished", _Words)


@dataclass(frozen=True, slots=True)
class _End:
    """The last word, the words before it, and whether a finished sentence stands right before it."""

    word: str
    before: list[str]
    follows_sentence: bool

    @property
    def follows_predicate(self) -> bool:
        return bool(self.before) and self.before[-1][-1] in _PREDICATE_ENDS


_PREDICATE_ENDS = frozenset("요다해어아지네까자게야걸군래데니마줘봐라워려져쳐여돼대냐죠구나해파퍼러")
_OTHER_ENDS = frozenset("고면서데든며도듯용당욤삼중쯤음함임됨응넵엉")
_JOINING = frozenset("면고서데니만은는며러려건에를을든")
_SENTENCE_ENDS = frozenset(".!?…~")
_OPEN_ENDS = frozenset(",、:(“‘「『[{《〈")
_FINALS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_DIRECTION_START = re.compile("[가-힣{]")
_TAIL = 120
_OPENING = re.compile(r"[(“‘「『\[\"]")
_PAIRS = ("()", "“”", "‘’", "「」", "『』", "[]")


def measure(subject: Subject, _: Settings) -> Iterator[Observation]:
    last = len(subject.utterances) - 1
    for utterance in subject.utterances:
        by_persona = utterance.role == "assistant"
        if not by_persona and utterance.index != last:
            continue
        rule = "last_turn" if utterance.index == last else "earlier_turn"
        found = list(_measure_end(utterance, rule))
        yield from found or (_measure_style(subject, utterance) if utterance.index == last and by_persona else ())
        if by_persona and _OPENING.search(utterance.text):
            yield from _measure_unclosed(utterance)


def _measure_end(utterance: Utterance, rule: str) -> Iterator[Observation]:
    text = utterance.text.rstrip()
    if not text:
        return
    if "*" in text and (start := _find_open_direction(utterance)) is not None:
        yield Observation(rule, 1, f"지문이 끝나지 않음: '{text[start:][:60]}'", utterance.index, start, len(text))
    elif text[-1] in _OPEN_ENDS and text[-2:] not in (",,", ":(", ";(") and not _closes_wrongly(text):
        # A comma may be a slip for a full stop ("좋아하네요,"), but not after a connective or a particle.
        certainty = 1.0 if text[-1] != "," or text[-2:-1] in _JOINING else 0.5
        yield Observation(rule, certainty, f"'{text[-1]}'에서 말이 끊김", utterance.index, len(text) - 1, len(text))
    elif "가" <= text[-1] <= "힣" and (certainty := _judge_end(_take_end(text))):
        start = max(text.rfind(" "), text.rfind("\n")) + 1
        evidence = f"말이 끝나지 않음: '…{text[-30:].strip()}'"
        yield Observation(rule, certainty, evidence, utterance.index, start, len(text))


def _measure_style(subject: Subject, last: Utterance) -> Iterator[Observation]:
    """A last turn that ends bare, in a word that ends few sentences, where the persona punctuates all its others."""
    text = last.text.rstrip()
    if not "가" <= text[-1:] <= "힣" or text[-1] in _PREDICATE_ENDS or text[-1] in _OTHER_ENDS:
        return
    others = [each.text.rstrip()[-1:] for each in subject.persona_utterances if each is not last]
    if others and not any("가" <= each <= "힣" for each in others):
        start = max(text.rfind(" "), text.rfind("\n")) + 1
        evidence = f"다른 말과 달리 문장 부호 없이 끊김: '…{text[-30:].strip()}'"
        yield Observation("last_turn", 0.75, evidence, last.index, start, len(text))


def _closes_wrongly(text: str) -> bool:
    """Whether the mark at the end is an opening one typed for a closing one: "'괜찮아‘"."""
    return text[-1] in "“‘" and text[-2:-1].strip() != ""


def _find_open_direction(utterance: Utterance) -> int | None:
    """Where a direction opens that the rest of the text does not close: "*고개를 끄"."""
    speech = utterance.speech
    start = speech.rfind("*")
    opens = start == 0 or (start > 0 and speech[start - 1].isspace())
    opens = opens and _DIRECTION_START.match(speech, start + 1) is not None
    rest = speech[start:].strip()
    is_cut = speech.count("*") == 1 and "\n" not in rest and rest[-1:].isalnum()
    return start if opens and is_cut else None


def _take_end(text: str) -> _End:
    words = text[-_TAIL:].split()
    before = words[:-1]
    ends = [index for index, each in enumerate(before) if each[-1] in _SENTENCE_ENDS or each[-1] in "*ㅋㅎㅠㅜ"]
    follows_sentence = bool(ends) and ends[-1] == len(before) - 1
    return _End(words[-1], before[ends[-1] + 1 :] if ends else before, follows_sentence)


def _judge_end(end: _End) -> float:
    """How sure it is that the text stops before its sentence does: 1, 0.5 or 0."""
    words, word = _read_words(), end.word
    has_context = bool(end.before) or end.follows_sentence
    if word in words.openers:
        is_sure = end.follows_sentence or (has_context and word not in words.loose_openers)
        return 1.0 if is_sure else 0.5 * has_context
    if _get_final(word[-1]) == "ㅆ" or word.endswith(words.cut_words) or word in words.verb_stems:
        return 1.0
    if not has_context:
        return 0.0
    if word in words.words or word.endswith(words.word_ends):
        return 0.5 if end.follows_predicate or word.endswith(words.loose_word_ends) else 1.0
    if word in words.subjects:
        return _judge_subject(end)
    if word == "수" and end.before and _get_final(end.before[-1][-1]) == "ㄹ":
        return 1.0
    return _judge_particle(end)


def _judge_subject(end: _End) -> float:
    """A first person without a predicate. "이번엔 내가" is an answer, "그럼 나는" a question, "몰라 나는" whole."""
    if end.follows_predicate:
        return 0.0
    is_topic = end.word[-1] == "는" and end.before[-1:] not in (["그럼"], ["그러면"])
    return 1.0 if is_topic or len(end.before) >= 3 else 0.5


def _judge_particle(end: _End) -> float:
    """Objects and genitives without what they belong to. Behind a predicate they are whole: "보고 싶어 너를"."""
    word = end.word
    if len(word) < 2 or word.endswith(_read_words().no_particle) or end.follows_predicate:
        return 0.0
    if word[-1] == "의":
        return 1.0 if len(end.before) >= 2 else 0.5
    if word[-1] == "를" or (word[-1] == "을" and _get_final(word[-2])):
        return 1.0 if len(end.before) >= 3 else 0.5
    return 0.0


def _get_final(syllable: str) -> str:
    """The final consonant of a syllable; empty where there is none."""
    return _FINALS[(ord(syllable) - 0xAC00) % 28].strip() if "가" <= syllable <= "힣" else ""


def _measure_unclosed(utterance: Utterance) -> Iterator[Observation]:
    text = utterance.text
    unclosed = [pair[0] for pair in _PAIRS if pair[0] in text and text.count(pair[0]) > text.count(pair[1])]
    if text.count('"') % 2:
        unclosed.append('"')
    if unclosed:
        start = text.rfind(unclosed[0])
        evidence = f"'{unclosed[0]}'가 닫히지 않음: '{text[start : start + 40]}'"
        yield Observation("unclosed", len(unclosed), evidence, utterance.index, start, start + 1)


FILTER = Filter("unfinished", 1, Settings, measure)
