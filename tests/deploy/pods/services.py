"""Services: which pods stand behind each, under which names, and the way there for clients.

What kube-proxy does for a cluster address is done by a listener on it, which hands each connection
to the next ready pod in turn. Without a ready pod nobody listens, and connections are refused.
Names and listeners follow the pods after ``delay_s``, as endpoints do.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from tests.deploy.pods.network import Network
from tests.deploy.pods.objects import Manifest, name_of, selects
from tests.deploy.pods.pods import Pod
from tests.deploy.pods.probes import port_number


class Forwarder:
    """One port of a cluster address."""

    def __init__(self, address: str, port: int) -> None:
        self._address, self._port = address, port
        self._targets: Sequence[tuple[str, int]] = ()
        self._turn = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._follow = asyncio.Lock()

    async def lead_to(self, targets: Sequence[tuple[str, int]]) -> None:
        """From the next connection on; those that are open stay."""
        async with self._follow:
            self._targets = targets
            if targets and self._server is None:
                self._server = await asyncio.start_server(self._taken, self._address, self._port)
            elif not targets and self._server is not None:
                self._server.close()
                self._server = None

    async def _taken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await self._forward(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # the client sees its connection end, as it would
        finally:
            writer.transport.abort()
            self._open.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._targets:
            return
        self._turn += 1
        host, port = self._targets[self._turn % len(self._targets)]
        their_reader, their_writer = await asyncio.open_connection(host, port)
        ways = [_copy(reader, their_writer), _copy(their_reader, writer)]
        try:
            await asyncio.wait(
                [asyncio.create_task(way) for way in ways], return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            their_writer.transport.abort()

    async def close(self) -> None:
        await self.lead_to(())
        for task in tuple(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # either end is gone: the other one is told by closing


class Services:
    """All of one namespace."""

    def __init__(self, network: Network, *, namespace: str, domain: str, delay_s: float) -> None:
        self._network = network
        self._suffix = f"{namespace}.svc.{domain}"
        self._delay_s = delay_s
        self._services: dict[str, Manifest] = {}
        self._addresses: dict[str, str] = {}
        self._forwarders: dict[tuple[str, int], Forwarder] = {}
        self._records: dict[str, Sequence[str]] = {}
        self._following: set[asyncio.Task[None]] = set()

    @property
    def manifests(self) -> Sequence[Manifest]:
        return tuple(self._services.values())

    def apply(self, services: Iterable[Manifest]) -> None:
        """Exactly these are there from now on."""
        self._services = {name_of(each): each for each in services}
        for name, service in self._services.items():
            if service["spec"].get("clusterIP") != "None" and name not in self._addresses:
                self._addresses[name] = self._network.service_address()

    def address(self, name: str) -> str:
        """Its cluster address."""
        return self._addresses[name]

    def resolve(self, name: str) -> Sequence[str] | None:
        return self._records.get(name)

    # --- following the pods ------------------------------------------------------------

    def pods_changed(self, pods: Sequence[Pod]) -> None:
        """What they are now is known to clients after the delay."""
        records = self._records_of(pods)
        targets = {key: tuple(found) for key, found in self._targets_of(pods)}
        task = asyncio.create_task(self._announce(records, targets))
        self._following.add(task)
        task.add_done_callback(self._following.discard)

    async def _announce(
        self,
        records: dict[str, Sequence[str]],
        targets: Mapping[tuple[str, int], Sequence[tuple[str, int]]],
    ) -> None:
        await asyncio.sleep(self._delay_s)
        self._records = records
        for key, found in targets.items():
            if key not in self._forwarders:
                self._forwarders[key] = Forwarder(self._addresses[key[0]], key[1])
            await self._forwarders[key].lead_to(found)

    def _records_of(self, pods: Sequence[Pod]) -> dict[str, Sequence[str]]:
        records: dict[str, Sequence[str]] = {}
        for name, service in self._services.items():
            full = f"{name}.{self._suffix}"
            if name in self._addresses:
                records[full] = (self._addresses[name],)
                continue
            known = [pod for pod in self._behind(service, pods) if pod.ip]
            if known:
                records[full] = [pod.ip for pod in known]
            for pod in known:
                if pod.manifest["spec"].get("subdomain") == name:
                    records[f"{pod.name}.{full}"] = (pod.ip,)
        return records

    def _behind(self, service: Manifest, pods: Sequence[Pod]) -> list[Pod]:
        spec = service["spec"]
        everybody = spec.get("publishNotReadyAddresses", False)
        chosen = [pod for pod in pods if selects(spec.get("selector") or {}, pod.labels)]
        return [pod for pod in chosen if not pod.is_gone and (pod.serves or everybody)]

    def _targets_of(
        self, pods: Sequence[Pod]
    ) -> Iterable[tuple[tuple[str, int], list[tuple[str, int]]]]:
        for name, service in self._services.items():
            if name in self._addresses:
                behind = self._behind(service, pods)
                for port in service["spec"]["ports"]:
                    target = port.get("targetPort", port["port"])
                    ends = [(pod.ip, port_number(pod.template, target)) for pod in behind]
                    yield (name, port["port"]), ends

    async def close(self) -> None:
        await asyncio.gather(*self._following, return_exceptions=True)
        for forwarder in self._forwarders.values():
            await forwarder.close()


def search_path(namespace: str, domain: str, dns: str) -> str:
    """A pod's resolv.conf under the policy ClusterFirst."""
    return (
        f"search {namespace}.svc.{domain} svc.{domain} {domain}\n"
        f"nameserver {dns}\noptions ndots:5\n"
    )
