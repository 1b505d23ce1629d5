"""The model network: one queue of messages, and everything that may befall them."""

from collections.abc import Callable, Iterable, Sequence

from kvorum.raft.membership import address_of
from kvorum.raft.messages import Message

Selector = Callable[[Message], bool]


def every(_message: Message) -> bool:
    return True


class Network:
    def __init__(self, numbers: Iterable[int], on_lost: Callable[[Message], None]) -> None:
        self.numbers = list(numbers)  # addresses that exist
        self.queue: list[Message] = []  # under way, in the order they were sent
        self.held: list[Message] = []
        self._holding: list[Selector] = []
        self._cut: set[tuple[str, str]] = set()  # addresses
        self._on_lost = on_lost

    def send(self, messages: Sequence[Message]) -> None:
        for message in messages:
            held = any(wanted(message) for wanted in self._holding)
            (self.held if held else self.queue).append(message)

    def take(self, wanted: Selector = every) -> list[Message]:
        """Remove such messages from the queue."""
        taken = [message for message in self.queue if wanted(message)]
        self.queue = [message for message in self.queue if not wanted(message)]
        return taken

    def passes(self, message: Message) -> bool:
        """Whether the link is up; a message is lost if it is down on arrival."""
        return (address_of(message.sender), address_of(message.to)) not in self._cut

    # --- links -----------------------------------------------------------------------

    def cut(self, sender: int, receiver: int) -> None:
        """Messages in this direction are lost from now on."""
        self._cut.add((str(sender), str(receiver)))

    def partition(self, *groups: Iterable[int]) -> None:
        """Only members of the same group hear each other; the unnamed are alone."""
        group_of = {str(n): group for group, numbers in enumerate(groups) for n in numbers}
        everyone = [str(number) for number in self.numbers]
        self._cut = {
            (one, other)
            for one in everyone
            for other in everyone
            if one != other and group_of.get(one, one) != group_of.get(other, other)
        }

    def isolate(self, number: int) -> None:
        for other in self.numbers:
            if other != number:
                self.cut(number, other)
                self.cut(other, number)

    def heal(self) -> None:
        self._cut.clear()

    # --- messages --------------------------------------------------------------------

    def hold(self, wanted: Selector) -> None:
        """Delay such messages, those under way included, until ``release``."""
        self._holding.append(wanted)
        self.held += self.take(wanted)

    def release(self) -> None:
        """What was held arrives after what is under way."""
        self._holding.clear()
        self.queue += self.held
        self.held = []

    def drop(self, wanted: Selector = every) -> list[Message]:
        """Lose such messages, held ones included; says which."""
        lost = [message for message in self.queue + self.held if wanted(message)]
        self.queue = [message for message in self.queue if not wanted(message)]
        self.held = [message for message in self.held if not wanted(message)]
        for message in lost:
            self._on_lost(message)
        return lost

    def duplicate(self, wanted: Selector = every) -> None:
        self.queue += [message for message in self.queue if wanted(message)]
