"""The durable log, the snapshots and the data directory. This text specifies the formats.

All integers are little-endian. CRC means CRC-32C (Castagnoli, RFC 3720 §12.1).
"Sector" means 512 bytes at a multiple of 512 from the start of the file.

Data directory
==============
::

    LOCK                      flock(2)ed by the running node; holds its process id, decimal
    identity.json             {"format": 2, "node_id": …, "member_id": …, "uid": …,
                               "cluster_id": …, "members": […]}
    wal/0000000000000001.wal  segments of the log
    snapshots/*.snap          snapshots; *.part is one being received, good only in part
    *.tmp                     unfinished file: meaningless, removed at start

``identity.json`` is written last, after the first segment exists: a directory that has an
identity always has a log. Format 1 had no ``member_id`` (it was the address) and no ``uid``;
it is read, and written anew at once. ``rescue`` is there while a new cluster is made of this
directory (``kvorum.storage.rescue``), ``restoring`` while a backup is written into it
(``kvorum.storage.restoring``).

Segments
========
The name is the sequence number of the segment's first record, 16 hexadecimal digits. A
segment is allocated at its full size, filled with zeros, and made durable under a
temporary name before it is renamed; the directory is made durable before the first record
is written. So a crash leaves every segment whole in size and header. Segments that snapshots
cover are removed, the oldest first, each durably before the next; a log that has lost its
first segment in this way is *released*. Behind a segment that is removed, another one holds
a hard state.

=======  ====  ==================================================================
offset   size  segment header (sector 0)
=======  ====  ==================================================================
0        8     ``b"KVORUMW1"``; the last character is the format version
8        8     first sequence number, equal to the name
16       8     size of the file in bytes
24       4     checksum (below) of the record before; 0 before record 1
28       4     CRC of bytes 0 to 27
512      8     seal (sector 1): sequence number of the next segment, or 0
520      4     CRC of bytes 512 to 519, or 0
1024           records
=======  ====  ==================================================================

The rest of sectors 0 and 1 is zero. The seal is written once the next segment is durable;
it shows that a segment after this one has gone missing. Nothing else in a segment is
ever overwritten, except that recovery fills a torn tail with zeros.

Records
=======
A record is one write and one sync: what the sync makes durable, all or nothing. Records
follow each other without gaps, begin at multiples of 32 and are a multiple of 32 long, so
that a record header never crosses a sector. Sequence numbers begin at 1 and have no gaps.
A record that does not fit begins a new segment (larger than usual, if it must be).

=======  ====  ==================================================================
offset   size  record header
=======  ====  ==================================================================
0        4     length of the payload that follows the header, at most 2^28
4        4     checksum of the record before; 0 for record 1
8        8     sequence number
16       4     CRC of the payload
20       4     number of entries
24       4     flags: 1 hard state, 2 it has a vote, 4 the payload is stuffed, 8 base
28       4     **checksum** of the record: CRC of bytes 0 to 27
=======  ====  ==================================================================

Payload::

    hard state  u64 term, u64 commit, u16 length of the vote, the vote in UTF-8  (flag 1)
    base        u64 term, u64 index                                               (flag 8)
    entries     u64 index of the first, then for each: u64 term, u8 kind, u32 size of data,
                then the data of all, in order         (if the number of entries is not 0)
    padding     2 to 33 bytes of 0xA5, up to a multiple of 32

Without flag 2 the vote is absent and its length 0. Entries have consecutive indexes. If
their first index is not above the last one stored, they replace it and all that follow.
A **base** says that a snapshot was installed which ends with that entry: all entries in
records before are void, and those that follow begin right behind it.

**Stuffing.** A payload with 256 zero bytes in a row (before padding) is stored with
``FF FF`` put before every 254 bytes of it. Hence every sector of a record holds at least
two bytes that are not zero, however its data look, and *a sector of zeros in a record
proves that the sector was never written* (or, later, lost as a whole).

Recovery
========
A disk writes a sector whole or not at all, in any order until a sync returns; a record is
written only after the sync of the one before has returned. Hence only the very last record
can be torn, it was never acknowledged, and its unwritten sectors are zero. Bytes that are
missing because the file is shorter than its header says count as zero.

========================================================  ===========================
finding                                                   decision
========================================================  ===========================
no segment at all; gap in names                           refuse
first segment missing, and there is no snapshot           refuse
segment header damaged, or not matching name and chain    refuse (it was synced)
newest segment is sealed                                  refuse: a later one is missing
bad record before the first of the next segment           refuse
what follows the last record of an older segment          ignored
header not zero, its CRC wrong                            refuse (a sector is atomic)
header sound; sequence, chain or length impossible        refuse (stale, misplaced)
payload CRC wrong, no zero sector in the record           refuse: it had been written
payload CRC wrong, zero sector, all zero after it         torn: cut, with a warning
payload CRC wrong, zero sector, other bytes after it      refuse
header zero, all zero after it                            the end
header zero, rest of its sector not                       refuse
header zero, a sound later record header after it         refuse
header zero, other bytes in later sectors                 torn: cut, with a warning
newest segment shorter than its header says               as above, with a warning
CRC right, content impossible (indexes with a gap,        refuse
terms that fall, commit beyond the last entry)
leftover ``*.tmp``                                        removed
========================================================  ===========================

The log is then held against the newest sound snapshot (without one: entry 0). Its *start* is
the last base, or whatever precedes its first entry; only entries behind the snapshot are kept.

========================================================  ===========================
finding                                                   decision
========================================================  ===========================
start is behind the snapshot                              refuse: a snapshot is missing
start is the snapshot's last entry                        the log continues it
that entry is in the log, in the same term                the log continues it
log ends before it, or holds another term there           void: a base is written
... but an entry that far or further was committed        refuse
released, and no hard state in it                         refuse
========================================================  ===========================

A log is void if a crash came after a snapshot was received and before its base was written, or
if the snapshot covers entries that others had committed before they were stored here. In
both cases, whatever the log holds behind the snapshot was never committed. A hard state older
than the snapshot is raised to its term, without a vote: had one been given, it would be in
the log.

"Cut" means filled with zeros and synced before anything is appended. Refusing changes
nothing on the disk. Whatever is recovered is synced before it is used, because the process,
and not the machine, may have died between a write and its sync.

What this guarantees: the result is always a prefix of the batches that were appended, and
no acknowledged batch is missing from it, as long as acknowledged sectors do not turn into
zeros as a whole (a disk that lies about its cache, a file cut short from outside): zeros
cannot be told from what was never written. Any other damage to acknowledged batches is
refused.

Snapshots
=========
The name is ``index-term-checksum.snap``: of the last entry covered, 16 hexadecimal digits each,
and CRC of the whole file, 8 digits. A file gets it when it is complete and synced, and the
directory is synced before the snapshot counts. The last two are kept.

=======  ====  ==================================================================
offset   size  head
=======  ====  ==================================================================
0        8     ``b"KVORUMS1"``; the last character is the format version
8        8     term of the last entry
16       8     index of the last entry
24       4     size of the cluster's id
28       4     size of the membership
32       …     cluster id in UTF-8; membership (``raft.membership``)
…        4     CRC of everything before
=======  ====  ==================================================================

Then blocks of the state, opaque here, each behind ``u32 length, u32 CRC``, not longer than
2^26 bytes. The CRC is that of: u32 CRC of the block before (for the first one: of the head),
u32 length, the block. So a block that is damaged, missing, repeated or in another's place is
noticed. The trailer is a block of length 0 whose content is u64 number of blocks, u64 size
of all blocks together. Nothing follows it.

A snapshot is sound if everything is as told here and the CRC of the whole is that of the name;
what is not sound is never used. A node starts from the newest sound one, with a
warning for each that is not; recovery of the log decides whether that is enough. A snapshot of
another cluster or another format version is not passed over but refused.

While a snapshot is received, its bytes are in ``index-term-checksum.part``, not synced. After a
restart the head and all blocks that are sound and in their place count as received.

A backup is such a file under any name and of any cluster: its blocks and its trailer still show
every damage.
"""
