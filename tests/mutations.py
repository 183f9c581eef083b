"""Documents that went wrong somewhere: a right one with any value at any place, or with a place gone, or any bytes."""

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Place = tuple[str | int, ...]

ODD: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=6),
        st.sampled_from(["", "농담", "\ud800", "../x", "\x00", "9" * 400, 10**400, -1, 2**63]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=6,
)
BYTES = st.one_of(st.binary(max_size=200), st.text(max_size=80).map(lambda text: text.encode(errors="surrogatepass")))


def list_places(document: object, place: Place = ()) -> Iterator[Place]:
    """Where something stands in a document of lists and mappings, the whole of it first."""
    yield place
    pairs = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in pairs:
        yield from list_places(value, (*place, key))


def mutate(document: Any) -> st.SearchStrategy[Any]:
    """The document with one to three of its places gone, doubled, or holding any other value."""
    places = list(list_places(document))[1:]
    change = st.tuples(st.sampled_from(places), st.sampled_from(["put", "put", "drop", "double"]), ODD)
    return st.lists(change, min_size=1, max_size=3).map(lambda changes: _apply(document, changes))


def _apply(document: Any, changes: list[tuple[Place, str, Any]]) -> Any:
    changed = copy.deepcopy(document)
    for place, what, value in changes:
        node: Any = changed
        try:
            for key in place[:-1]:
                node = node[key]
            if what == "drop":
                del node[place[-1]]
            elif what == "double" and isinstance(node, list) and isinstance(place[-1], int):
                node.append(copy.deepcopy(node[place[-1]]))
            else:
                node[place[-1]] = value
        except (LookupError, TypeError):  # an earlier change took the place away
            continue
    return changed
