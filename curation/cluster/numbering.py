"""Who is who among all rows: digests → representatives, numbered as the one-machine engine numbers them.

This is what the driver itself does for the index: 16 bytes a row come in, 8 go out, about 60 are held meanwhile.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from curation.duplicates.rows import Int64s, UInt8s

_Words = npt.NDArray[np.uint64]


def number_rows(known: UInt8s, additions: Sequence[UInt8s]) -> list[Int64s]:
    """The representative of each row of each addition.

    `known`: n × 16, the digests of representatives 0 to n - 1, all different; `additions`: the digests of new rows. A
    representative is the first row that has its digest; new ones are numbered on in the order of their rows.
    """
    words = np.ascontiguousarray(np.concatenate([known, *additions])).view(np.uint64)
    first = _find_first(words)
    is_first = first == np.arange(len(first))
    numbers = (np.cumsum(is_first) - 1)[first]
    ends = np.cumsum([len(each) for each in additions])
    return np.split(numbers[len(known) :], ends[:-1]) if len(additions) else []


def _find_first(words: _Words) -> Int64s:
    """For each row of two words the first row with the same ones."""
    order = np.lexsort((words[:, 1], words[:, 0]))
    ordered = words[order]
    is_new = np.ones(len(order), np.bool_)
    is_new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    first = np.empty(len(order), np.int64)
    first[order] = order[np.flatnonzero(is_new)][np.cumsum(is_new) - 1]  # lexsort is stable: the least row leads
    return first


class GivenNumbers:
    """Numbers that were found before, for the rows of one addition in their order."""

    def __init__(self, members: Int64s, digests: UInt8s) -> None:
        self._members = members
        self._digests = digests
        self._at = 0

    def number(self, batch: Sequence[object]) -> tuple[Int64s, Sequence[bytes]]:
        own = slice(self._at, self._at + len(batch))
        self._at += len(batch)
        return self._members[own], [each.tobytes() for each in self._digests[own]]
