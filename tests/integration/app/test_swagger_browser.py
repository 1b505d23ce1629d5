"""Swagger UI of a real node in a real browser: it renders, and "Try it out" writes a key.

Needs Chromium and its driver: ``apt-get install chromium chromium-driver``.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.command import Command
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions as until
from selenium.webdriver.support.ui import WebDriverWait

from tests.integration.app.one_node import OneNode

DEADLINE_S = 30
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1280,2400",
)


def program(name: str) -> str:
    path = shutil.which(name)
    assert path, f"{name} is missing; install it: apt-get install chromium chromium-driver"
    return path


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = program("chromium")
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    chrome = Chrome(options=options, service=Service(program("chromedriver")))
    yield chrome
    chrome.quit()


class Page:
    """What a person does with the page."""

    def __init__(self, browser: Chrome, origin: str) -> None:
        self.browser = browser
        self.origin = origin
        self._wait = WebDriverWait(
            browser, DEADLINE_S, ignored_exceptions=(StaleElementReferenceException,)
        )
        browser.get(f"{origin}/swagger/index.html")

    def find(self, css: str) -> WebElement:
        return self._wait.until(until.visibility_of_element_located((By.CSS_SELECTOR, css)))

    def click(self, css: str) -> None:
        element = self._wait.until(until.element_to_be_clickable((By.CSS_SELECTOR, css)))
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def fill(self, css: str, text: str) -> None:
        field = self.find(css)
        field.send_keys(Keys.CONTROL, "a")  # the page undoes WebDriver's own clear()
        field.send_keys(text)

    def shows(self, operations: set[str]) -> None:
        """Wait until these and no others are there: the page adds them one after the other."""
        selector = (By.CLASS_NAME, "opblock")

        def difference(browser: Chrome) -> set[str | None]:
            shown = {element.get_attribute("id") for element in browser.find_elements(*selector)}
            return shown ^ operations

        try:
            self._wait.until(lambda browser: not difference(browser))
        except TimeoutException:
            assert difference(self.browser) == set()

    def requested(self) -> list[str]:
        """Every URL that the page asked for."""
        messages = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self._log("browser")]

    def _log(self, kind: str) -> list[dict[str, str]]:
        answer = self.browser.execute(Command.GET_LOG, {"type": kind})
        entries: list[dict[str, str]] = answer["value"]
        return entries


def operations_of(document: dict[str, Any]) -> set[str]:
    """As the page names their elements."""
    return {
        f"operations-{operation['tags'][0]}-{operation['operationId']}"
        for item in document["paths"].values()
        for operation in item.values()
        if isinstance(operation, dict) and "operationId" in operation
    }


def test_try_it_out_writes_a_key(browser: Chrome, node: OneNode) -> None:
    node.start()
    page = Page(browser, f"http://{node.environ['REST_ADDRESS']}")
    operation = "#operations-keys-putKey"
    page.click(f"{operation} .opblock-summary-control")
    page.click(f"{operation} .try-out__btn")
    page.fill(f"{operation} tr[data-param-name='key'] input", "swagger/kéy")
    page.fill(f"{operation} textarea.body-param__text", '{"value": {"from": "browser"}}')
    page.click(f"{operation} .execute")
    status = page.find(f"{operation} .live-responses-table tr.response .response-col_status")
    assert status.text.startswith("200")
    assert node.request("GET", "/key/swagger/kéy").json()["value"] == {"from": "browser"}

    urls = page.requested()
    assert "/key/swagger%2Fk%C3%A9y" in {urlsplit(url).path for url in urls}
    own = {"localhost"}
    assert {
        urlsplit(url).hostname for url in urls if not url.startswith(("data:", "chrome:"))
    } == own
    assert page.complaints() == []


def test_every_operation_is_shown(browser: Chrome, node: OneNode) -> None:
    node.start()
    page = Page(browser, f"http://{node.environ['REST_ADDRESS']}")
    document = node.request("GET", "/swagger/openapi.json").json()
    page.shows(operations_of(document))
    assert browser.find_elements(By.CLASS_NAME, "errors-wrapper") == []
