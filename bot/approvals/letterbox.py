"""What the door seals before it writes anything down: only the worker opens it."""

from collections.abc import Callable, Mapping

from bot.errors import BadInput, CannotProve
from bot.proofs.sealing import seal
from bot.store.proofs import PROOF_KEY
from bot.store.unit_of_work import Store


class Letterbox:
    """The worker's public key, as our database has it."""

    def __init__(self, store: Store, entropy: Callable[[int], bytes]) -> None:
        self._store = store
        self._entropy = entropy

    def seal(self, content: Mapping[str, str | int]) -> tuple[str, str]:
        """Seal a form: the number of the letter, and the letter.

        Raises:
            CannotProve: no worker has published its key yet.
        """
        with self._store.read() as work:
            public = work.public_keys.get(PROOF_KEY)
        if public is None:
            raise CannotProve("proof.no-worker")
        name = self._entropy(16).hex()
        try:
            return name, seal(public, {**content, "id": name}, self._entropy)
        except BadInput:
            raise CannotProve("proof.no-worker") from None
