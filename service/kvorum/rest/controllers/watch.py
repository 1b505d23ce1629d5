"""``/watch`` within Litestar, which only hands it on."""

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp


def watch_routes(watch: ASGIApp) -> list[HTTPRouteHandler]:
    """Requests come here only where the app runs without its front end."""

    @get("/watch")
    async def watch_keys() -> ASGIApp:
        return watch

    return [watch_keys]
