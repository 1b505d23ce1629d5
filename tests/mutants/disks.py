"""Mutants of the log and the snapshots on disk, and of what a start makes of them."""

from kvorum.storage import record, segment, snapshots
from kvorum.storage.replay import Replay
from kvorum.storage.scan import SegmentScan
from kvorum.storage.snapshot_file import SnapshotScan, SnapshotWriter
from kvorum.storage.snapshot_files import SnapshotFiles
from kvorum.storage.wal import LogWriter, Wal
from tests.mutants.mutant import Edit, Mutant

DISKS = (
    Mutant(
        "log-not-synced",
        "a batch is written, but not synced",
        ("disk", "simulator"),
        (Edit(LogWriter, "write", "self._file.write_durably(", "self._file.write("),),
    ),
    Mutant(
        "answered-before-written",
        "the log says that a batch is durable when it has only been handed to the worker",
        ("simulator",),
        (Edit(Wal, "append", "return future", "return _done()"),),
    ),
    Mutant(
        "torn-tail-accepted",
        "a record whose payload was written in part is taken for whole",
        ("disk", "simulator"),
        (Edit(SegmentScan, "_next", " or crc32c(payload) != header.payload_crc", ""),),
    ),
    Mutant(
        "header-crc-unchecked",
        "the checksum of a record's header is not compared",
        ("disk", "simulator"),
        (
            Edit(
                record,
                "decode_header",
                "if crc32c(header[: _HEADER.size]) != checksum:",
                "if False:",
            ),
        ),
    ),
    Mutant(
        "damage-cut-like-a-torn-tail",
        "whatever cannot be read ends the log, acknowledged or not",
        ("disk", "simulator"),
        (
            Edit(
                SegmentScan,
                "_judge_payload",
                "if not self._has_unwritten_sector(end):",
                "if False:",
            ),
            Edit(SegmentScan, "_judge_payload", "if self.used > end:", "if False:"),
        ),
    ),
    Mutant(
        "segment-name-not-synced",
        "the directory is not synced after a new segment",
        ("disk", "simulator"),
        (Edit(segment, "create_segment", "fs.sync_directory(directory)", "pass"),),
    ),
    Mutant(
        "vote-not-read-back",
        "a start forgets for whom the node had voted",
        ("disk", "simulator"),
        (
            Edit(
                record,
                "_decode_state",
                "NodeId(body[_STATE.size : end].decode()) if flags & _HAS_VOTE else None",
                "None",
            ),
        ),
    ),
    Mutant(
        "replaced-entries-return",
        "a start does not notice that a later batch replaced entries",
        ("disk", "simulator"),
        (Edit(Replay, "_truncate", "if first > self._end:", "if True:"),),
    ),
    Mutant(
        "void-log-kept",
        "entries that an installed snapshot made void are taken for its continuation",
        ("disk",),
        (Edit(Replay, "settle", "if void:", "if False:"),),
    ),
    Mutant(
        "base-not-read-back",
        "a start ignores where the log says that it begins",
        ("disk",),
        (Edit(Replay, "apply", "if batch.base is not None:", "if False:"),),
    ),
    Mutant(
        "older-snapshot-despite-a-gap",
        "the older snapshot is used although the log does not reach back to it",
        ("disk",),
        (Edit(Replay, "settle", "reason = self._gap()", "reason = None"),),
    ),
    Mutant(
        "segments-released-too-early",
        "segments go as soon as the newest snapshot covers them",
        ("disk",),
        (
            Edit(
                snapshots.Snapshots,
                "oldest",
                "return kept[0] if len(kept) > 1 else None",
                "return kept[-1] if kept else None",
            ),
        ),
    ),
    Mutant(
        "snapshot-crc-unchecked",
        "what is read from a snapshot is not compared with its checksums",
        ("disk",),
        (
            Edit(
                SnapshotScan,
                "_next_block",
                "if chained_crc(self._chain, length, block) != crc:",
                "if False:",
            ),
            Edit(
                SnapshotScan,
                "_end",
                "if self._expected is not None and self._checksum != self._expected.checksum:",
                "if False:",
            ),
        ),
    ),
    Mutant(
        "snapshot-renamed-before-sync",
        "a snapshot gets its name before its content is durable",
        ("disk", "simulator"),
        (Edit(SnapshotWriter, "finish", "self._file.sync()", "pass"),),
    ),
    Mutant(
        "snapshot-name-not-synced",
        "the directory is not synced after a new snapshot, but segments go",
        ("disk", "simulator"),
        (Edit(SnapshotFiles, "adopt", "self.fs.sync_directory(self.directory)", "pass"),),
    ),
    Mutant(
        "received-snapshot-not-synced",
        "a snapshot from the leader gets its name before its content is durable",
        ("disk", "simulator"),
        (Edit(snapshots._Inbound, "complete", "file.sync()", "pass"),),
    ),
)
