"""How varied the dialogues are: figures of text diversity, and how much of the scenarios was used.

distinct-n     Li et al. 2016, "A Diversity-Promoting Objective Function", over words between spaces
self-BLEU      Zhu et al. 2018, "Texygen": BLEU-4 of each dialogue against all others
compression    Shaib et al. 2024, "Standardizing the Measurement of Text Diversity": bytes over gzipped bytes

All of them depend on how much text is measured, so two sets are compared on the same number of dialogues.
"""

import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from curation.normal_form import fold
from curation.report.document import Coverage, CoverageRow, Measures
from curation.report.grams import hash_grams
from curation.report.input import ReportInput
from curation.subject import blank_directions
from datagen.record import Dialogue, Role

SAMPLE = 1_000
"""Dialogues that are measured at most: self-BLEU of more takes longer and says the same."""

LONGEST = 4_000
"""Characters of a dialogue that are measured."""

_WORD = re.compile(r"\w+")
_NO_MATCH = 0.1  # counted where no n-gram matches (Chen and Cherry 2014, method 1), or one zero would hide the rest
_MIX = np.uint64(0x9E3779B97F4A7C15)


def measure_diversity(dialogues: Sequence[Dialogue], before: Sequence[Dialogue], threshold: float) -> Measures:
    """The figures of `dialogues`; near-duplicates are counted in `before`, which still has them.

    `near_duplicates`: the share that has another at a Jaccard similarity of character 3-grams of at least `threshold`.
    """
    texts = [_join(each) for each in dialogues]
    words = [_WORD.findall(each) for each in texts]
    opening_bits = _measure_entropy(_find_openings(dialogues, "user"))
    reply_bits = _measure_entropy(_find_openings(dialogues, "assistant"))
    raw = "\n".join(texts).encode()
    return Measures(
        dialogues=len(dialogues),
        distinct_1=round(measure_distinct(words, 1), 4),
        distinct_2=round(measure_distinct(words, 2), 4),
        self_bleu=round(measure_self_bleu(words), 4),
        compression_ratio=round(len(raw) / len(zlib.compress(raw, 6, wbits=31)), 3),
        opening_bits=round(opening_bits, 2),
        opening_kinds=round(2**opening_bits, 1),
        reply_bits=round(reply_bits, 2),
        reply_kinds=round(2**reply_bits, 1),
        near_duplicates=round(measure_near_duplicates([_join(each) for each in before], threshold), 4),
    )


def _join(dialogue: Dialogue) -> str:
    return "\n".join(message.content for message in dialogue.messages)[:LONGEST]


def measure_distinct(texts: Iterable[Sequence[str]], size: int) -> float:
    """Different n-grams as a share of all, within texts; 0 where there is none."""
    grams = [gram for words in texts for gram in zip(*(words[at:] for at in range(size)), strict=False)]
    return len(set(grams)) / len(grams) if grams else 0.0


def measure_self_bleu(texts: Sequence[Sequence[str]]) -> float:
    """The mean BLEU-4 of each text with all others as its references, 0..1; 0 of fewer than two.

    Linear in the text: of an n-gram only the two highest counts matter, since the reference that has it most often is
    either another text or the text itself.
    """
    texts = [each for each in texts if each]
    if len(texts) < 2:
        return 0.0
    numbers: dict[str, int] = {}
    ids = [np.array([numbers.setdefault(word, len(numbers)) for word in words], dtype=np.uint64) for words in texts]
    logs, orders = np.zeros(len(ids)), np.zeros(len(ids))
    for size in (1, 2, 3, 4):
        matched, total = _match_grams(ids, size)
        precision = np.where(matched > 0, matched, _NO_MATCH) / np.maximum(total, 1)
        logs += np.where(total > 0, np.log(precision), 0)
        orders += total > 0
    return float(np.mean(np.exp(logs / orders) * _find_brevity(np.array([len(each) for each in ids]))))


def _match_grams(ids: Sequence[NDArray[np.uint64]], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Per text: its n-grams clipped to the most that one other text has, and all its n-grams."""
    lengths = np.array([max(len(each) - size + 1, 0) for each in ids])
    if not lengths.any():
        return lengths, lengths
    owners = np.repeat(np.arange(len(ids)), lengths)
    codes = np.concatenate([_hash_words(each, size) for each in ids])
    order = np.lexsort((owners, codes))
    codes, owners = codes[order], owners[order]
    starts = np.flatnonzero(np.r_[True, (codes[1:] != codes[:-1]) | (owners[1:] != owners[:-1])])
    counts = np.diff(np.r_[starts, len(codes)])
    codes, owners = codes[starts], owners[starts]
    order = np.lexsort((-counts, codes))
    codes, owners, counts = codes[order], owners[order], counts[order]
    first = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    group = np.repeat(np.arange(len(first)), np.diff(np.r_[first, len(codes)]))
    has_second = np.diff(np.r_[first, len(codes)]) > 1
    second = np.where(has_second, counts[np.minimum(first + 1, len(counts) - 1)], 0)
    most_elsewhere = np.where(np.arange(len(codes)) == first[group], second[group], counts[first[group]])
    clipped = np.minimum(counts, most_elsewhere)
    return np.bincount(owners, weights=clipped, minlength=len(ids)).astype(np.int64), lengths


def _hash_words(ids: NDArray[np.uint64], size: int) -> NDArray[np.uint64]:
    count = max(len(ids) - size + 1, 0)
    code = np.zeros(count, dtype=np.uint64)
    for offset in range(size):
        code = (code ^ (ids[offset : offset + count] + np.uint64(1))) * _MIX
        code ^= code >> np.uint64(29)
    return code


def _find_brevity(lengths: NDArray[np.int64]) -> NDArray[np.float64]:
    """BLEU's penalty of each text that is shorter than the other text of the closest length (the shorter at a tie)."""
    order = np.argsort(lengths, kind="stable")
    ranked = lengths[order].astype(float)
    below = np.r_[-np.inf, ranked[:-1]]
    above = np.r_[ranked[1:], np.inf]
    closest = np.where(ranked - below <= above - ranked, below, above)
    penalty = np.empty(len(lengths))
    penalty[order] = np.exp(np.minimum(0, 1 - closest / ranked))
    return penalty


def _find_openings(dialogues: Iterable[Dialogue], role: Role) -> Iterator[str]:
    """The first two words that each side says, stage directions left out."""
    for dialogue in dialogues:
        first = next((each for each in dialogue.messages if each.role == role), None)
        if first is not None:
            yield " ".join(_WORD.findall(blank_directions(first.content[:LONGEST]))[:2])


def _measure_entropy(values: Iterable[str]) -> float:
    """Shannon's entropy in bits: n values equally often have log2 n."""
    counts = np.array(list(Counter(values).values()), dtype=float)
    shares = counts / max(counts.sum(), 1)
    return float(-(shares * np.log2(shares)).sum()) + 0.0


def measure_near_duplicates(texts: Sequence[str], threshold: float) -> float:
    """The share of texts with another one at a true Jaccard similarity of folded 3-grams of at least `threshold`."""
    if len(texts) < 2:
        return 0.0
    documents, codes = hash_grams([fold(each) for each in texts], (3,))
    if not len(codes):
        return 0.0
    vocabulary, columns = np.unique(codes, return_inverse=True)
    grams = sparse.csr_array((np.ones(len(codes), np.float32), (documents, columns)), (len(texts), len(vocabulary)))
    grams.sum_duplicates()
    grams.data[:] = 1
    sizes = np.diff(grams.indptr)
    shared = sparse.coo_array(grams @ grams.T)
    similar = shared.data / (sizes[shared.row] + sizes[shared.col] - shared.data) >= threshold
    return len(np.unique(shared.row[similar & (shared.row != shared.col)])) / len(texts)


def tell_coverage(used: Sequence[Dialogue], all_rows: Sequence[Dialogue], data: ReportInput) -> Coverage | None:
    """How many of the scenarios' values the accepted dialogues use, counted per topic; None without any scenario."""
    taken = [(each.topic, values) for each in used if (values := _read_scenario(each.scenario))]
    if not taken:
        return None
    chosen = _collect(taken)
    if data.declared is None:
        available = _collect((each.topic, _read_scenario(each.scenario)) for each in all_rows)
    else:
        declared = data.declared.items()
        available = {(topic, name): set(values) for topic, names in declared for name, values in names.items()}
    rows: dict[str, CoverageRow] = {}
    for (topic, name), known in available.items():
        row = rows.setdefault(name, CoverageRow(name=name, used=0, available=0))
        row["used"] += len(chosen.get((topic, name), set()) & known)
        row["available"] += len(known)
    return Coverage(
        dialogues=len(taken),
        combinations=len({(topic, *sorted(values.items())) for topic, values in taken}),
        from_spec=data.declared is not None,
        rows=sorted(rows.values(), key=lambda row: (row["name"] not in ("situation", "opening"), -row["available"])),
    )


def _collect(scenarios: Iterable[tuple[str, Mapping[str, str]]]) -> dict[tuple[str, str], set[str]]:
    values: dict[tuple[str, str], set[str]] = {}
    for topic, scenario in scenarios:
        for name, value in scenario.items():
            values.setdefault((topic, name), set()).add(value)
    return values


def _read_scenario(text: str) -> dict[str, str]:
    """The scenario's situation, opening and facets by name; empty where a row has none, or another's."""
    try:
        scenario: Any = json.loads(text or "{}")
    except ValueError:
        return {}
    if not isinstance(scenario, dict):
        return {}
    values = {name: scenario[name] for name in ("situation", "opening") if isinstance(scenario.get(name), str)}
    facets = scenario.get("facets")
    if isinstance(facets, dict):
        values |= {str(name): value for name, value in facets.items() if isinstance(value, str)}
    return values
