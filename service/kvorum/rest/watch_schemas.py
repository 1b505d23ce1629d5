"""What the events of ``/watch`` and ``/elections/{name}/observe`` carry as their data."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from kvorum.rest.schemas import (
    ContentType,
    CreateRevision,
    JsonText,
    KeyText,
    KeyValue,
    Lease,
    ModRevision,
    ValueBase64,
    Version,
)

EventRevision = Annotated[
    int, Meta(description="Revision of the store that made the change.", examples=[42])
]


class _Data(Struct, frozen=True, gc=False, kw_only=True, rename="camel", omit_defaults=True):
    """Of one event."""


class StreamEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One server-sent event; which data it carries is told by the operation."""

    event: Annotated[
        Literal["opened", "change", "bookmark", "leader", "cancelled"],
        Meta(description="Its type."),
    ]
    data: Annotated[str, Meta(description="JSON text.", examples=['{"revision":41}'])]
    id: (
        Annotated[str, Meta(description="Revision to go on behind.", examples=["41"])] | UnsetType
    ) = UNSET
    retry: (
        Annotated[int, Meta(description="Milliseconds before connecting again.", examples=[1000])]
        | UnsetType
    ) = UNSET


class WatchOpened(_Data, frozen=True):
    """Data of `opened`, the first event."""

    revision: Annotated[int, Meta(description="Revision of this node's store now.", examples=[41])]


class WatchEvent(_Data, frozen=True):
    """One key that was put, with what it holds now, or deleted."""

    type: Annotated[Literal["put", "delete"], Meta(description="What was done to the key.")]
    key: KeyText
    value: JsonText | UnsetType = UNSET
    value_base64: ValueBase64 | UnsetType = UNSET
    content_type: ContentType | UnsetType = UNSET
    create_revision: CreateRevision | UnsetType = UNSET
    mod_revision: ModRevision | UnsetType = UNSET
    version: Version | UnsetType = UNSET
    lease: Lease | UnsetType = UNSET
    previous: (
        Annotated[
            KeyValue | None,
            Meta(
                description="With `previous=true`: what the key held before, null if it did not "
                "exist."
            ),
        ]
        | UnsetType
    ) = UNSET


class WatchChange(_Data, frozen=True):
    """Data of `change`: everything that one revision did to the keys that are watched."""

    revision: EventRevision
    events: Annotated[list[WatchEvent], Meta(description="In the order they were written.")]


class WatchBookmark(_Data, frozen=True):
    """Data of `bookmark`: up to this revision nothing more will come."""

    revision: Annotated[
        int,
        Meta(
            description="All changes at or below it were sent; also the event's id.", examples=[57]
        ),
    ]


class WatchCancelled(_Data, frozen=True):
    """Data of `cancelled`, the last event: why the stream ends, and how to go on."""

    reason: Annotated[
        Literal["compacted", "lagging", "stopping"],
        Meta(
            description="`compacted`: the history that is needed is forgotten; `lagging`: the "
            "stream was read too slowly; `stopping`: the node stops."
        ),
    ]
    resume_revision: Annotated[
        int,
        Meta(
            description="Watch on from here (`fromRevision`); after `compacted`, read the keys "
            "anew first.",
            examples=[43],
        ),
    ]
    detail: Annotated[str, Meta(description="The reason in words.")]
