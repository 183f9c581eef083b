"""What people decided, for curation: the verdicts of the review database, with those of `reviews.jsonl` beside them.

Of two verdicts about one dialogue, one from each, the later one counts.
"""

from pathlib import Path

from curation.reviewing.place import find_database, read_key
from curation.reviews import REVIEWS_FILE, Review, Reviews, fold_reviews, list_reviews


def read_all_reviews(folder: Path) -> Reviews:
    """The verdict that counts for each dialogue of a folder.

    Raises DataError where a line of `reviews.jsonl` is no review, or the database is away.
    """
    written, torn = list_reviews(folder / REVIEWS_FILE)
    decided = _read_database(folder)
    last = {each.id: each.at for each in written}
    latest = {each.id: each.at for each in decided}
    outdated = {id_ for id_, at in latest.items() if id_ in last and last[id_] > at}
    reviews = [each for each in written if each.id not in latest or each.id in outdated]
    return fold_reviews([*reviews, *(each for each in decided if each.id not in outdated)], torn)


def _read_database(folder: Path) -> list[Review]:
    url, key = find_database(folder), read_key(folder)
    if url is None or key is None:
        return []
    # SQLAlchemy takes 0.2 s to import, which whoever never reviewed need not wait for
    from curation.reviewing.decided import read_decided

    return read_decided(url, key)
