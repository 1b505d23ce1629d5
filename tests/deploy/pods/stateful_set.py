"""The StatefulSet controller: `podManagementPolicy: Parallel`, rolling updates, kept claims.

One call of :meth:`StatefulSet.sync` does what one sync of the real controller does, in its order:
create what is missing, all at once; end what has too high an ordinal, all at once; then, from the
highest ordinal down to the partition, end the first pod of an older revision, but only while every
pod above it is available (pkg/controller/statefulset, updateStatefulSet).
"""

import copy
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from tests.deploy.pods.objects import Manifest, Refused, name_of
from tests.deploy.pods.pods import Pod, Surroundings, digest
from tests.deploy.pods.volumes import claim_name


class StatefulSet:
    """``held``: ordinals whose pods stay pending, as for want of a machine; others change it."""

    def __init__(self, manifest: Manifest, around: Surroundings, held: AbstractSet[int]) -> None:
        self._around = around
        self._held = held
        self._is_deleted = False
        self._manifest = manifest
        self._current = digest(manifest["spec"]["template"])
        self._templates = {self._current: manifest["spec"]["template"]}
        self._update = self._current
        self._revisions: dict[str, str] = {}  # of a pod, by its uid
        self.pods: dict[int, Pod] = {}
        self.created: list[str] = []  # names of pods, in the order of their creation
        if manifest["spec"].get("podManagementPolicy") != "Parallel":
            raise Refused("the harness has only podManagementPolicy: Parallel")

    @property
    def manifest(self) -> Manifest:
        return self._manifest

    @property
    def name(self) -> str:
        return name_of(self._manifest)

    @property
    def replicas(self) -> int:
        return 0 if self._is_deleted else int(self._manifest["spec"].get("replicas", 1))

    def apply(self, manifest: Manifest) -> None:
        """Raises :class:`Refused` where the API server forbids the change."""
        fixed = ("podManagementPolicy", "selector", "serviceName", "volumeClaimTemplates")
        for field in fixed:
            if manifest["spec"].get(field) != self._manifest["spec"].get(field):
                raise Refused(f"StatefulSet: {field} cannot be changed")
        self._manifest = manifest
        self._update = digest(manifest["spec"]["template"])
        self._templates[self._update] = manifest["spec"]["template"]

    def delete(self) -> None:
        """The next sync ends all pods."""
        self._is_deleted = True

    # --- one sync ----------------------------------------------------------------------

    def sync(self) -> None:
        for ordinal, pod in tuple(self.pods.items()):
            if pod.is_gone:
                del self.pods[ordinal]
                if ordinal >= self.replicas:
                    self._release_claims(pod.name)
        for ordinal in range(self.replicas):
            if ordinal not in self.pods and ordinal not in self._held:
                self._create(ordinal)
        for ordinal in sorted(self.pods, reverse=True):
            if ordinal >= self.replicas:
                self.pods[ordinal].terminate()
        self._roll()

    def _create(self, ordinal: int) -> None:
        revision = self._update if ordinal >= self._first_updated() else self._current
        pod = Pod(self._pod(ordinal, revision), self._around)
        self._revisions[pod.manifest["metadata"]["uid"]] = revision
        self.pods[ordinal] = pod
        self.created.append(pod.name)
        pod.start()

    def _first_updated(self) -> int:
        """Ordinals below it keep the current revision: the partition, or those not yet updated."""
        partition = self._strategy().get("partition", 0)
        current = sum(
            self._is(pod, self._current) and not pod.is_terminating for pod in self.pods.values()
        )
        return max(int(partition), current if self._update != self._current else 0)

    def _strategy(self) -> Manifest:
        strategy = self._manifest["spec"].get("updateStrategy") or {}
        if strategy.get("type", "RollingUpdate") != "RollingUpdate":
            raise Refused("the harness has only RollingUpdate")
        rolling: Manifest = strategy.get("rollingUpdate") or {}
        return rolling

    def _roll(self) -> None:
        partition = self._strategy().get("partition", 0)
        for ordinal in range(self.replicas - 1, partition - 1, -1):
            pod = self.pods.get(ordinal)
            if pod is None:
                return
            if not self._is(pod, self._update) and not pod.is_terminating:
                pod.terminate()
                return
            if not self.is_available(pod):
                return
        if partition == 0:
            self._current = self._update

    def is_available(self, pod: Pod) -> bool:
        """Ready for ``minReadySeconds``."""
        return pod.serves and pod.ready_for_s() >= self._manifest["spec"].get("minReadySeconds", 0)

    def _is(self, pod: Pod, revision: str) -> bool:
        return self._revisions[pod.manifest["metadata"]["uid"]] == revision

    # --- what others wait for ----------------------------------------------------------

    def is_settled(self) -> bool:
        """All pods are there, of the newest revision, and available; nothing else is."""
        return sorted(self.pods) == list(range(self.replicas)) and all(
            self._is(pod, self._update) and self.is_available(pod) for pod in self.pods.values()
        )

    def pod(self, ordinal: int) -> Pod:
        return self.pods[ordinal]

    # --- the pods' manifests -----------------------------------------------------------

    def _pod(self, ordinal: int, revision: str) -> Manifest:
        template = copy.deepcopy(self._templates[revision])
        name = f"{self.name}-{ordinal}"
        metadata = template.setdefault("metadata", {})
        metadata |= {"name": name, "namespace": self._manifest["metadata"]["namespace"]}
        metadata.setdefault("labels", {}).update(self._labels(name, ordinal, revision))
        spec = template["spec"]
        spec["subdomain"] = self._manifest["spec"]["serviceName"]
        spec["volumes"] = [*(spec.get("volumes") or ()), *self._volumes(name)]
        return {"kind": "Pod", "metadata": metadata, "spec": spec}

    def _labels(self, name: str, ordinal: int, revision: str) -> Mapping[str, str]:
        return {
            "statefulset.kubernetes.io/pod-name": name,
            "apps.kubernetes.io/pod-index": str(ordinal),
            "controller-revision-hash": f"{self.name}-{revision}",
        }

    def _volumes(self, pod: str) -> list[Manifest]:
        return [
            {
                "name": name_of(claim),
                "persistentVolumeClaim": {"claimName": claim_name(claim, pod)},
            }
            for claim in self._manifest["spec"].get("volumeClaimTemplates") or ()
        ]

    # --- claims ------------------------------------------------------------------------

    def _release_claims(self, pod: str) -> None:
        """Of a pod that is gone for good; the default keeps them."""
        policy = self._manifest["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
        if policy.get("whenDeleted" if self._is_deleted else "whenScaled", "Retain") == "Delete":
            for claim in self._manifest["spec"].get("volumeClaimTemplates") or ():
                self._around.claims.delete(claim_name(claim, pod))
