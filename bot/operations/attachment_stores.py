"""From what the configuration says of attachments to the places where they lie."""

from collections.abc import Iterable, Sequence

from bot.buckets.client import Address
from bot.config.record_types import Attachment
from bot.errors import CannotProve
from bot.targets.attachment_store import AttachmentStore
from bot.targets.folder_store import FolderStore
from bot.targets.object_store import ObjectStore


def stores_of(attachments: Iterable[Attachment], key: bytes) -> tuple[AttachmentStore, ...]:
    """Every place that is configured, once each. ``key`` seals what the worker notes down in a bucket."""
    return tuple(store_of(one, key) for one in {one.root: one for one in attachments}.values())


def store_of(attachment: Attachment, key: bytes) -> AttachmentStore:
    """The place into which the names of a column lead."""
    place = attachment.object
    if place is None:
        return FolderStore(attachment.root)
    address = Address(place.bucket, place.prefix, place.endpoint, place.region, place.key_id, place.secret)
    return ObjectStore(address, key)


def stores_at(
    roots: Iterable[str], attachments: Sequence[Attachment], key: bytes, target: str
) -> tuple[AttachmentStore, ...]:
    """The places that a plan or a backup names. A folder is its own address, a bucket must be configured.

    Raises:
        CannotProve: a bucket is not among the attachments any more.
    """
    configured = {one.root: one for one in attachments}
    found: list[AttachmentStore] = []
    for root in roots:
        if root in configured:
            found.append(store_of(configured[root], key))
        elif root.startswith("/"):
            found.append(FolderStore(root))
        else:
            raise CannotProve("attached.not-configured", root=root, target=target)
    return tuple(found)
