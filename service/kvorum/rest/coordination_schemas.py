"""Bodies and answers of ``/leases``, ``/locks``, ``/elections`` and ``/compact``."""

from typing import Annotated

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from kvorum.rest.lease_fields import TTL_S_MAX
from kvorum.rest.schemas import IsLeader, JsonText, LeaderId, RequestId, Revision

LEASE_PATTERN = "^[A-Za-z0-9._-]{1,64}$"
WAIT_S_MAX = 60

LeaseId = Annotated[
    str,
    Meta(
        description="Id of a lease: 1 to 64 letters, digits, dots, underscores or dashes.",
        pattern=LEASE_PATTERN,
        examples=["worker-7"],
    ),
]
TtlSeconds = Annotated[
    float,
    Meta(
        description="Time to live in seconds, from one second to 365 days; fractions are possible.",
        ge=1,
        le=TTL_S_MAX,
        examples=[10],
    ),
]
RemainingSeconds = Annotated[
    float,
    Meta(description="Seconds that are left of it, as far as this node knows.", examples=[7.5]),
]
More = Annotated[bool, Meta(description="Whether there are more behind the last one here.")]
Name = Annotated[
    str,
    Meta(description="Of the lock or the election: any text.", examples=["reports/daily"]),
]
Token = Annotated[
    int,
    Meta(
        description="Fencing token: grows from each holder to the next. What the lock protects "
        "should refuse a token smaller than one that it has seen.",
        examples=[42],
    ),
]
Position = Annotated[
    int, Meta(description="Place in the queue; 0 holds the lock, or leads.", examples=[0])
]
ClaimValue = Annotated[
    Raw,
    Meta(description="Any JSON that the claim brought along; null if nothing.", examples=["w7"]),
]


# Bodies, as the document shows them ----------------------------------------------------------


class _Body(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What a client sends."""


class GrantBody(_Body, frozen=True):
    """A new lease; without `id` the node gives it one."""

    ttl_seconds: TtlSeconds
    id: LeaseId | UnsetType = UNSET


class LockBody(_Body, frozen=True):
    """Who claims: an existing `lease`, or a new one of `ttlSeconds`; exactly one of them."""

    lease: LeaseId | UnsetType = UNSET
    ttl_seconds: TtlSeconds | UnsetType = UNSET
    value: JsonText | UnsetType = UNSET
    wait_seconds: Annotated[
        float,
        Meta(
            description="How long to wait until the claim holds; 0: not at all.",
            ge=0,
            le=WAIT_S_MAX,
        ),
    ] = 0
    queue: Annotated[
        bool,
        Meta(
            description="false: no claim is left unless it holds at once, and a taken lock is a "
            "409."
        ),
    ] = True


class ProclaimBody(_Body, frozen=True):
    """The leader's lease, and what it has to say now."""

    lease: LeaseId
    value: JsonText


class CompactBody(_Body, frozen=True):
    """Up to where to forget: `revision` stays readable, or the last `keepRevisions` stay."""

    revision: (
        Annotated[int, Meta(description="The oldest revision to keep.", ge=1, examples=[9000])]
        | UnsetType
    ) = UNSET
    keep_revisions: (
        Annotated[int, Meta(description="How many to keep instead.", ge=0, examples=[1000])]
        | UnsetType
    ) = UNSET


# Answers -------------------------------------------------------------------------------------


class _Answer(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What all answers have in common."""

    is_leader: IsLeader
    leader_id: LeaderId
    request_id: RequestId


class GrantAnswer(_Answer, frozen=True, kw_only=True):
    """The lease is there."""

    id: LeaseId
    ttl_seconds: TtlSeconds
    revision: Revision


class KeepAliveAnswer(_Answer, frozen=True, kw_only=True):
    """Its time began anew."""

    id: LeaseId
    ttl_seconds: TtlSeconds
    remaining_seconds: RemainingSeconds


class RevokeAnswer(_Answer, frozen=True, kw_only=True):
    """It is over."""

    revision: Revision
    deleted: Annotated[int, Meta(description="Keys that were deleted with it.", examples=[3])]


class LeaseItem(Struct, frozen=True, kw_only=True, rename="camel"):
    """One of many."""

    id: LeaseId
    ttl_seconds: TtlSeconds
    remaining_seconds: RemainingSeconds
    key_count: Annotated[int, Meta(description="Keys that end with it.", examples=[3])]


class LeasesAnswer(_Answer, frozen=True, kw_only=True):
    """A page of leases, by id."""

    leases: list[LeaseItem]
    more: More


class LeaseAnswer(_Answer, frozen=True, kw_only=True):
    """One lease."""

    id: LeaseId
    ttl_seconds: TtlSeconds
    remaining_seconds: RemainingSeconds
    key_count: Annotated[int, Meta(description="Keys that end with it.", examples=[3])]
    keys: (
        Annotated[
            list[str], Meta(description="With `keys=true`: these, the first 10,000 in order.")
        ]
        | UnsetType
    ) = UNSET


class ClaimAnswer(_Answer, frozen=True, kw_only=True):
    """A claim and its place."""

    name: Name
    held: Annotated[bool, Meta(description="Whether it holds the lock, or leads.")]
    lease: LeaseId
    token: Token
    position: Position
    value: ClaimValue


class ClaimItem(Struct, frozen=True, kw_only=True, rename="camel"):
    """A claim."""

    lease: LeaseId
    token: Token
    position: Position
    value: ClaimValue


class LockAnswer(_Answer, frozen=True, kw_only=True):
    """Who holds the lock, and who waits, first come first."""

    name: Name
    holder: ClaimItem | None
    queue: list[ClaimItem]
    more: More


class ElectionAnswer(_Answer, frozen=True, kw_only=True):
    """Who leads, and who would, first come first."""

    name: Name
    leader: ClaimItem | None
    queue: list[ClaimItem]
    more: More


class NamesAnswer(_Answer, frozen=True, kw_only=True):
    """A page of names that somebody claims, in the order of their percent-encoded form."""

    names: list[Name]
    more: More


class ReleaseAnswer(_Answer, frozen=True, kw_only=True):
    """The claim is not there any more."""

    released: Annotated[bool, Meta(description="Whether there was one.")]


class LeaderEvent(Struct, frozen=True, kw_only=True, rename="camel"):
    """Data of `leader`: who leads now."""

    name: Name
    leader: ClaimItem | None


class CompactAnswer(_Answer, frozen=True, kw_only=True):
    """What came before this revision is forgotten."""

    compacted_revision: Annotated[
        int, Meta(description="The oldest revision that can be read.", examples=[9000])
    ]
