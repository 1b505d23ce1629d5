"""The HTTP front end: JSON over REST, problems (RFC 9457), OpenAPI and its page.

``app.create_app`` is the only entry. Requests for ``/key/…`` take the hot path
(``hot``), a bare ASGI callable; everything else goes through Litestar. Both call
the same functions, so the framework decides nothing about an answer.
"""
