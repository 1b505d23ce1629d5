"""Renders of the chart, made once, side by side, for all tests of this directory."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.deploy.chart import helm
from tests.deploy.chart.matrix import CASES, FILES, Case


def _render(case: Case) -> list[helm.Manifest]:
    files = [FILES[case.file]] if case.file else []
    return helm.render(case.values, release=case.release, files=files)


@pytest.fixture(scope="session")
def renders() -> Mapping[str, list[helm.Manifest]]:
    """The matrix: name of the case → what Kubernetes would get."""
    with ThreadPoolExecutor(4) as helms:
        return dict(zip(CASES, helms.map(_render, CASES.values()), strict=True))


@pytest.fixture(params=CASES)
def manifests(
    request: pytest.FixtureRequest, renders: Mapping[str, list[helm.Manifest]]
) -> list[helm.Manifest]:
    """Every case in turn."""
    return renders[request.param]


@pytest.fixture(scope="session")
def default(renders: Mapping[str, list[helm.Manifest]]) -> list[helm.Manifest]:
    return renders["default"]


@pytest.fixture(scope="session")
def full(renders: Mapping[str, list[helm.Manifest]]) -> list[helm.Manifest]:
    return renders["full"]
