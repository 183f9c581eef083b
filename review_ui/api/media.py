"""Pictures and recordings, for those who may see the dialogues."""

from review_ui.api.call import ApiError, Call
from review_ui.cards.media import StoredFile


async def show_medium(call: Call) -> StoredFile:
    """The file of that hash. Raises ApiError where it is missing, or not what its hash says."""
    snapshot = await call.service.call(call.run.look)
    found = await call.service.call(snapshot.media.find, call.path["sha256"])
    if isinstance(found, str):
        raise ApiError(404, "no-medium", found)
    return found
