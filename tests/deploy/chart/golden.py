"""What the chart renders by default, and with everything: kept to be read, and compared by a test.

After a change that was meant: `python -m tests.deploy.chart.golden` from the repository, and review
the difference as an operator would.
"""

from pathlib import Path

from tests.deploy.chart.helm import template
from tests.deploy.chart.matrix import FILES

DIRECTORY = Path(__file__).parent / "golden"

FOREIGN = {"monitoring.rules.enabled": False, "monitoring.dashboards.enabled": False}
"""Rules and dashboards are files of their own, which change by their own rules."""


def golden() -> dict[str, str]:
    """File name → text."""
    return {
        "default.yaml": template(),
        "full.yaml": template(FOREIGN, files=[FILES["full"]]),
        "volume-backup.yaml": template(files=[FILES["volume-backup"]]),
        "single.yaml": template(files=[FILES["single"]]),
    }


def main() -> None:
    DIRECTORY.mkdir(exist_ok=True)
    for name, text in golden().items():
        (DIRECTORY / name).write_text(text, encoding="utf-8")
        print(f"wrote {(DIRECTORY / name).relative_to(Path.cwd())}")


if __name__ == "__main__":
    main()
