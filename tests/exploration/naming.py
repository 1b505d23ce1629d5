"""One name for all states that differ only in which node is called what."""

from collections.abc import Sequence

from msgspec.structs import replace

from tests.exploration.bounds import History
from tests.exploration.canonical import Form, canonical, digest
from tests.exploration.local import Locals
from tests.exploration.numbering import Numbers
from tests.exploration.symmetry import Symmetry

Forms = tuple[int, ...]
"""What something is called, for each way to rename the nodes."""


class Naming:
    def __init__(
        self,
        symmetry: Symmetry,
        known: Locals,
        nets: Numbers[tuple[int, ...]],
        histories: Numbers[History],
    ) -> None:
        self._symmetry = symmetry
        self._locals = known
        self._nets = nets
        self._histories = histories
        self._forms_of_net: dict[int, Forms] = {}
        self._forms_of_message: dict[int, Forms] = {}
        self._forms_of_history: dict[int, Forms] = {}
        self._renamed_nets: Numbers[tuple[int, ...]] = Numbers()
        self._digests: Numbers[bytes] = Numbers()

    def name(self, nodes: Sequence[int], net: int, history: int) -> tuple[int, ...]:
        """The least of what the state is called under those renamings that sort the nodes."""
        symmetry, known = self._symmetry, self._locals
        nets = self._forms_of_net.get(net) or self._net(net)
        histories = self._forms_of_history.get(history) or self._history(history)
        ways = symmetry.sorting([known.kinds[node] for node in nodes])
        forms = known.forms
        return min(
            (histories[way], nets[way], *[forms[nodes[at]][way] for at in symmetry.sources[way]])
            for way in ways
        )

    # --- for the first time ----------------------------------------------------------

    def _net(self, net: int) -> Forms:
        messages = [self._message(number) for number in self._nets[net]]
        forms = self._forms_of_net[net] = tuple(
            self._renamed_nets.of(tuple(sorted(message[way] for message in messages)))
            for way in range(len(self._symmetry.ways))
        )
        return forms

    def _message(self, number: int) -> Forms:
        forms = self._forms_of_message.get(number)
        if forms is None:
            message = self._locals.messages[number]
            forms = tuple(self._digest(canonical(message, n)) for n in self._symmetry.names)
            self._forms_of_message[number] = forms
        return forms

    def _history(self, number: int) -> Forms:
        history = self._histories[number]
        decided = self._locals.logs[history.decided]
        plain = replace(history, decided=0)
        forms = self._forms_of_history[number] = tuple(
            self._digest((canonical(plain.renamed(way), names), canonical(decided, names)))
            for way, names in zip(self._symmetry.ways, self._symmetry.names, strict=True)
        )
        return forms

    def _digest(self, form: Form) -> int:
        return self._digests.of(digest(form))
