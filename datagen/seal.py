"""Seal accepted dialogues into Parquet shards.

The ledger says which shard is being written before it is, and that it is whole only afterwards: a crash in between
leaves a file that nobody vouches for, which is written again.
"""

from collections.abc import Callable
from pathlib import Path

from datagen.ledger import Ledger

SHARD_ROWS = 10_000


def recover_shards(ledger: Ledger, folder: Path) -> list[str]:
    """Forget shards that a crash left half-written, and those that are gone. Returns the names of the latter."""
    lost = []
    for name, (state, _) in ledger.shards().items():
        path = folder / name
        if state == "writing":
            path.unlink(missing_ok=True)
            path.with_name(f".{name}.writing").unlink(missing_ok=True)
            ledger.forget_shard(name)
        elif not path.is_file():
            ledger.unseal_shard(name)
            lost.append(name)
    return lost


def seal_dialogues(ledger_path: Path, folder: Path, categories: dict[str, str], write: Callable[..., None]) -> None:
    """Write every accepted dialogue that lies in no shard yet. Raises DataError where the disk does not take it.

    `categories` tells each topic's. One call at a time: reads on a connection of its own, and `write(method,
    *arguments)` calls a method of the writing ledger on its thread.
    """
    from datagen.store import write_shard  # pyarrow takes 0.3 s to import, and is needed here alone

    reader = Ledger.open_to_read(ledger_path)
    try:
        while attempts := reader.unsealed_attempts(SHARD_ROWS):
            name = f"part-{_next_number(reader, folder):05d}.parquet"
            write(Ledger.begin_shard, name)
            write_shard(folder / name, reader.dialogues(attempts, categories))
            write(Ledger.seal_shard, name, attempts)
            if len(attempts) < SHARD_ROWS:
                break  # what came in meanwhile waits for the next call, or a run would end in shards of a few rows
    finally:
        reader.close()


def seal_alone(ledger: Ledger, folder: Path, categories: dict[str, str]) -> None:
    """`seal_dialogues` where nobody else writes to the ledger meanwhile."""

    def write(method: Callable[..., None], *arguments: object) -> None:
        method(ledger, *arguments)

    seal_dialogues(ledger.path, folder, categories, write)


def _next_number(ledger: Ledger, folder: Path) -> int:
    """Beyond all that lies there too: where a ledger was lost, its shards are all that is left of what was paid for."""
    names = {*ledger.shards(), *(path.name for path in folder.glob("part-*.parquet"))}
    numbers = (name.removeprefix("part-").removesuffix(".parquet") for name in names)
    return max((int(number) for number in numbers if number.isdecimal()), default=0) + 1
