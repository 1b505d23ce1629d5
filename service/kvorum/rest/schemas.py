"""Every JSON object that an answer can be: the encoder's source and the document's.

Field names on the wire are the ones here in camelCase.
"""

from typing import Annotated

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from kvorum.rest.faults import Position

IsLeader = Annotated[bool, Meta(description="Whether the node that answered leads the cluster.")]
LeaderId = Annotated[
    str,
    Meta(
        description="SELF_ID of the leader as far as this node knows; empty while there is none.",
        examples=["Node-1"],
    ),
]
RequestId = Annotated[
    str,
    Meta(
        description="Names this request: look it up at `/command/{id}`, or send the request "
        "again with it as `Idempotency-Key`.",
        examples=["2a599fd1f6949ec5-1"],
    ),
]
Success = Annotated[bool, Meta(description="Whether the command did what it was asked to.")]
Message = Annotated[
    str,
    Meta(
        description="`success`, or why not: `key not found`, `old value does not match`, "
        '`key "K" doesn\'t exist`.',
        examples=["success"],
    ),
]
Revision = Annotated[
    int,
    Meta(
        description="Revision of the store: the one that the write made, or the one that was read.",
        examples=[42],
    ),
]
CreateRevision = Annotated[
    int, Meta(description="Revision at which the key was created.", examples=[7])
]
ModRevision = Annotated[
    int, Meta(description="Revision at which the key was last written.", examples=[42])
]
Version = Annotated[
    int, Meta(description="Writes since the key was created, from 1.", examples=[3])
]
JsonText = Annotated[Raw, Meta(description="Any JSON value.", examples=[{"colour": "green"}])]
KeyText = Annotated[str, Meta(description="The key.", examples=["colour"])]
ValueBase64 = Annotated[
    str,
    Meta(description="Instead of `value`: bytes that are not JSON, in base64.", examples=["iVBO"]),
]
ContentType = Annotated[
    str, Meta(description="Media type of what is not JSON.", examples=["image/png"])
]
Lease = Annotated[
    str,
    Meta(description="Lease whose end deletes the key; absent if none.", examples=["worker-7"]),
]
LastContactMs = Annotated[
    int | None,
    Meta(
        description="Stale reads: milliseconds since this node last heard from a leader "
        "(0 on the leader); null if it has not since it started.",
        examples=[12],
    ),
]
AppliedIndex = Annotated[
    int, Meta(description="Stale reads: last log index applied here.", examples=[118])
]
CommitIndex = Annotated[
    int, Meta(description="Stale reads: last log index known as committed here.", examples=[118])
]


class CommonAnswer(Struct, frozen=True, gc=False, kw_only=True, rename="camel", omit_defaults=True):
    """What all answers have in common."""

    is_leader: IsLeader
    leader_id: LeaderId


class AcceptedAnswer(CommonAnswer, frozen=True, kw_only=True):
    """The request was taken; its outcome will be at `/command/{requestId}`."""

    request_id: RequestId


class KeyValue(Struct, frozen=True, gc=False, kw_only=True, rename="camel", omit_defaults=True):
    """A key with `value`, or `valueBase64` and `contentType`, or neither if only keys are asked."""

    key: KeyText
    value: JsonText | UnsetType = UNSET
    value_base64: ValueBase64 | UnsetType = UNSET
    content_type: ContentType | UnsetType = UNSET
    create_revision: CreateRevision
    mod_revision: ModRevision
    version: Version
    lease: Lease | UnsetType = UNSET


class WriteAnswer(CommonAnswer, frozen=True, kw_only=True):
    """The write is committed and applied."""

    request_id: RequestId
    success: Success
    message: Message
    revision: Revision
    previous: (
        Annotated[
            KeyValue | None,
            Meta(
                description="With `previous=true`: what the key held before, null if it did not "
                "exist; absent if that is compacted (of a repeated request)."
            ),
        ]
        | UnsetType
    ) = UNSET


class ReadAnswer(CommonAnswer, frozen=True, kw_only=True):
    """The value of a key, and the revisions that made it."""

    request_id: RequestId
    success: Success
    message: Message
    value: JsonText | UnsetType = UNSET
    value_base64: ValueBase64 | UnsetType = UNSET
    content_type: ContentType | UnsetType = UNSET
    revision: Revision
    create_revision: CreateRevision
    mod_revision: ModRevision
    version: Version
    lease: Lease | UnsetType = UNSET
    last_contact_ms: LastContactMs | UnsetType = UNSET
    applied_index: AppliedIndex | UnsetType = UNSET
    commit_index: CommitIndex | UnsetType = UNSET


class CommandInfo(Struct, frozen=True, gc=False, kw_only=True, rename="camel", omit_defaults=True):
    """What became of a request; the revisions are those of a read that found its key."""

    found: Annotated[bool, Meta(description="Whether this request is known (still).")]
    value: Annotated[
        Raw, Meta(description="The value that was read; null for a write and for raw bytes.")
    ]
    value_base64: ValueBase64 | UnsetType = UNSET
    content_type: ContentType | UnsetType = UNSET
    message: Message
    success: Success
    revision: Revision | UnsetType = UNSET
    create_revision: CreateRevision | UnsetType = UNSET
    mod_revision: ModRevision | UnsetType = UNSET
    version: Version | UnsetType = UNSET
    lease: Lease | UnsetType = UNSET


class CommandAnswer(CommonAnswer, frozen=True, kw_only=True):
    """What became of a request."""

    info: CommandInfo


class Peer(Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    """A follower as the leader sees it."""

    node: Annotated[str, Meta(description="SELF_ID of the peer.", examples=["Node-2"])]
    next_index: Annotated[int, Meta(description="Next log index to send.", examples=[119])]
    match_index: Annotated[int, Meta(description="Last index known stored there.", examples=[118])]


class NodeInfo(Struct, frozen=True, kw_only=True, rename="camel"):
    """Where the answering node stands."""

    node_id: Annotated[str, Meta(description="SELF_ID of this node.", examples=["Node-1"])]
    cluster_id: Annotated[str, Meta(description="Identity of the cluster.")]
    role: Annotated[
        str, Meta(description="follower, pre-candidate, candidate or leader.", examples=["leader"])
    ]
    current_term: Annotated[int, Meta(description="Raft term.", examples=[3])]
    commit_index: Annotated[int, Meta(description="Last committed log index.", examples=[118])]
    last_applied: Annotated[int, Meta(description="Last applied log index.", examples=[118])]
    last_index: Annotated[int, Meta(description="Last log index stored here.", examples=[118])]
    revision: Revision
    next_index: Annotated[
        list[int],
        Meta(description="Leader: next log index for each of `members`; empty elsewhere."),
    ]
    match_index: Annotated[
        list[int],
        Meta(description="Leader: last index stored by each of `members`; empty elsewhere."),
    ]
    members: Annotated[
        list[str], Meta(description="Peer addresses of all members, this node's included.")
    ]
    peers: Annotated[list[Peer], Meta(description="Leader: its followers; empty elsewhere.")]


class StoreItem(Struct, frozen=True, kw_only=True, rename="camel"):
    """What the answering node's store holds."""

    keys: Annotated[int, Meta(description="How many there are.", examples=[1204])]
    size_bytes: Annotated[
        int, Meta(description="What all keys count for the quota.", examples=[98304])
    ]
    quota_bytes: Annotated[
        int, Meta(description="Bound of `sizeBytes`; 0: none.", examples=[2147483648])
    ]
    is_full: Annotated[
        bool,
        Meta(
            description="The quota was reached: writes that make the store larger are refused "
            "until it has shrunk to 90 % of it."
        ),
    ]
    revision: Revision
    compacted_revision: Annotated[
        int, Meta(description="The oldest revision that can be read.", examples=[12])
    ]
    history_revisions: Annotated[
        int, Meta(description="Revisions that history keeps.", examples=[30])
    ]
    history_bytes: Annotated[int, Meta(description="What they take.", examples=[8192])]
    leases: Annotated[int, Meta(description="How many there are.", examples=[3])]
    watchers: Annotated[int, Meta(description="Watches open on this node.", examples=[5])]


class ClusterInfoAnswer(CommonAnswer, frozen=True, kw_only=True):
    """Where the answering node stands."""

    info: NodeInfo
    store: StoreItem


class Member(Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    """One member. What only the leader knows of the others is null on other nodes."""

    id: Annotated[
        str,
        Meta(
            description="Names the member in the log; percent-encode it in a path.",
            examples=["localhost:8006#1f"],
        ),
    ]
    name: Annotated[
        str,
        Meta(description="Its SELF_ID; empty until it has said so.", examples=["Node-6"]),
    ]
    address: Annotated[
        str, Meta(description="Where the other nodes reach it.", examples=["localhost:8006"])
    ]
    role: Annotated[
        str,
        Meta(
            description="`voter`; `learner`: gets the log and decides nothing; `leaving`: a voter "
            "until the change under way is complete.",
            examples=["learner"],
        ),
    ]
    is_leader: Annotated[bool, Meta(description="Whether it leads, as far as this node knows.")]
    active: Annotated[bool | None, Meta(description="Heard from within the last election timeout.")]
    match_index: Annotated[
        int | None, Meta(description="Last index known stored there.", examples=[118])
    ]
    lag: Annotated[int | None, Meta(description="Log entries that it lacks.", examples=[0])]


class MembersAnswer(CommonAnswer, frozen=True, kw_only=True):
    """The membership in force on the node that answers."""

    cluster_id: Annotated[str, Meta(description="Identity of the cluster.")]
    index: Annotated[
        int,
        Meta(
            description="Log entry as of which it is in force: the one that changed it or, once a "
            "snapshot covers that, the last one covered; 0 for the first members.",
            examples=[31],
        ),
    ]
    is_joint: Annotated[
        bool,
        Meta(description="Whether a change of voters is under way: two majorities decide."),
    ]
    member: Annotated[Member, Meta(description="The one added or promoted.")] | UnsetType = UNSET
    members: list[Member]


class LeadershipAnswer(CommonAnswer, frozen=True, kw_only=True):
    """Who leads now."""


class LogMembership(Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    """The members from this entry on, by their ids."""

    voters: list[str]
    outgoing: Annotated[
        list[str],
        Meta(description="While a change is under way: the former voters, who decide as well."),
    ]
    learners: list[str]
    heirs: Annotated[
        list[str], Meta(description="Learners that take the place of a voter that lost its disk.")
    ]


class LogCommand(Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    """One command of the log; values that its type does not have are null."""

    id: Annotated[str, Meta(description="Request id of the command.")]
    key: Annotated[
        str, Meta(description="The key it writes; empty if that is not one.", examples=["colour"])
    ]
    sub_key: Annotated[str, Meta(description="Always empty.", examples=[""])] = ""
    old_value: JsonText
    new_value: JsonText
    type: Annotated[
        str,
        Meta(
            description="`set`, `compare_and_set`, `delete`; `introduce`: the member `key` "
            "tells its SELF_ID and the id of its data directory. Of all others `newValue` tells "
            "what they do: `put` (with a lease, a time to live or a content type), `txn`, "
            "`lease_grant`, `lease_keepalive`, `lease_revoke`, `compact`.",
            examples=["set"],
        ),
    ]


class LogItem(Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    """One command and the log entry that holds it; an entry can hold many."""

    index: Annotated[int, Meta(description="Index of the log entry.", examples=[118])]
    term: Annotated[int, Meta(description="Term of the log entry.", examples=[3])]
    committed: Annotated[bool, Meta(description="Whether it is known as committed here.")]
    command: LogCommand | None
    membership: LogMembership | UnsetType = UNSET


class ClusterLogAnswer(CommonAnswer, frozen=True, kw_only=True):
    """A page of the log.

    `command` is null in the entry that opens a leader's term, and in one that changes the
    membership.
    """

    entries: list[LogItem]
    first_index: Annotated[
        int,
        Meta(
            description="First log index stored here; what came before is in a snapshot.",
            examples=[1],
        ),
    ]
    last_index: Annotated[int, Meta(description="Last log index stored here.", examples=[118])]
    next_from: Annotated[
        int | None, Meta(description="`from` of the next page; null on the last.", examples=[101])
    ]


class Problem(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An error: RFC 9457, and the fields that every answer has.

    Every 4xx, 503 and 507 means that nothing was applied; after a 500 or 504 the
    outcome is unknown.
    """

    type: Annotated[str, Meta(description="Identifies the kind of problem.")]
    title: Annotated[str, Meta(description="The kind of problem in words.")]
    status: Annotated[int, Meta(description="The HTTP status.")]
    detail: Annotated[str, Meta(description="What was wrong this time, and what to do.")]
    instance: Annotated[str, Meta(description="Path of the request.", examples=["/key/colour"])]
    error: Annotated[str, Meta(description="Same as `detail`.")]
    is_leader: IsLeader
    leader_id: LeaderId
    request_id: RequestId | UnsetType = UNSET
    success: Success | UnsetType = UNSET
    message: Message | UnsetType = UNSET
    revision: Revision | UnsetType = UNSET
    position: (
        Annotated[Position, Meta(description="Where the body stops being JSON.")] | UnsetType
    ) = UNSET
    mod_revision: (
        Annotated[
            int,
            Meta(
                description="Of a precondition that does not hold: revision at which the key was "
                "last written, 0 if it does not exist.",
                examples=[42],
            ),
        ]
        | UnsetType
    ) = UNSET
    oldest_revision: (
        Annotated[
            int,
            Meta(
                description="Of a revision that is compacted: the oldest one left.", examples=[9000]
            ),
        ]
        | UnsetType
    ) = UNSET
    last_contact_ms: LastContactMs | UnsetType = UNSET
    applied_index: AppliedIndex | UnsetType = UNSET
    commit_index: CommitIndex | UnsetType = UNSET


class Index(Struct, frozen=True, kw_only=True):
    """What this is and where to go on."""

    name: str
    version: Annotated[str, Meta(description="Release of kvorum.", examples=["0.1.0"])]
    links: Annotated[dict[str, str], Meta(description="What there is, and its path.")]
