internal import SpoolSQLite

/// The spool's tables, as the steps by which they came to be. Invariants are `CHECK`s where SQL can hold
/// them: a transaction that would break one fails whole.
enum QueueSchema {
    /// "lspl" as the file's application id, so that no other program's file is mistaken for a spool.
    static let applicationID: Int32 = 0x6c73_706c

    static let migrations = [
        Migration(version: 1, sql: version1), Migration(version: 2, sql: version2),
        Migration(version: 3, sql: version3),
    ]

    private static let version1 = """
        -- One row: what makes this file's ids its own, and the next event's sequence.
        CREATE TABLE spool (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            epoch INTEGER NOT NULL CHECK (epoch BETWEEN 0 AND 1048575),
            key0 INTEGER NOT NULL,
            key1 INTEGER NOT NULL,
            next_sequence INTEGER NOT NULL CHECK (next_sequence BETWEEN 1 AND 17592186044416)
        ) STRICT;

        -- One row: the ledger balances in every transaction, or the transaction fails.
        -- held = queued + in flight: the rows of `event`.
        CREATE TABLE ledger (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            accepted INTEGER NOT NULL CHECK (accepted >= 0),
            held INTEGER NOT NULL CHECK (held >= 0),
            delivered INTEGER NOT NULL CHECK (delivered >= 0),
            dead INTEGER NOT NULL CHECK (dead >= 0),
            discarded INTEGER NOT NULL CHECK (discarded >= 0),
            payload_bytes INTEGER NOT NULL CHECK (payload_bytes >= 0),
            CHECK (accepted = held + delivered + dead + discarded)
        ) STRICT;

        -- Counts by name that are no part of the balance: possible_duplicates.log, malformed, ...
        CREATE TABLE counter (
            name TEXT PRIMARY KEY,
            value INTEGER NOT NULL CHECK (value >= 0)
        ) STRICT, WITHOUT ROWID;

        -- An upstream by its base URL. `reference_list`: the last three delivered, one a line.
        CREATE TABLE destination (
            id INTEGER PRIMARY KEY,
            base_url TEXT NOT NULL UNIQUE,
            calibration INTEGER NOT NULL DEFAULT 0 CHECK (calibration IN (0, 1, 2)),
            reference_list TEXT NOT NULL DEFAULT ''
        ) STRICT;

        -- The operations that have answered 2xx there.
        CREATE TABLE route (
            destination INTEGER NOT NULL REFERENCES destination (id),
            operation INTEGER NOT NULL,
            PRIMARY KEY (destination, operation)
        ) STRICT, WITHOUT ROWID;

        -- A project as callers name it (`name:`, `id:`), or the caller where none is named.
        CREATE TABLE project (
            number INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE
        ) STRICT;

        -- The id upstream gave a project.
        CREATE TABLE project_id (
            destination INTEGER NOT NULL REFERENCES destination (id),
            project INTEGER NOT NULL REFERENCES project (number),
            id TEXT NOT NULL,
            PRIMARY KEY (destination, project)
        ) STRICT, WITHOUT ROWID;

        -- What is served in turn.
        CREATE TABLE lane (
            id INTEGER PRIMARY KEY,
            destination INTEGER NOT NULL REFERENCES destination (id),
            operation INTEGER NOT NULL CHECK (operation IN (24, 25, 32, 36, 37, 38, 58)),
            project INTEGER NOT NULL REFERENCES project (number),
            UNIQUE (destination, operation, project)
        ) STRICT;

        -- Every event that upstream may not have yet. `kind`: 1 log, 2 update, 3 feedback; 4 session,
        -- 5 evaluation log and 6 evaluation result are set aside. `hold`: 0 ready, 1 waiting for a log
        -- (`waits_on`), for a time (`not_before`), or for whichever comes first.
        CREATE TABLE event (
            sequence INTEGER PRIMARY KEY CHECK (sequence > 0),
            lane INTEGER NOT NULL REFERENCES lane (id),
            kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 6),
            hold INTEGER NOT NULL CHECK (hold IN (0, 1)),
            waits_on INTEGER,
            not_before INTEGER,
            reference INTEGER,
            flags INTEGER NOT NULL CHECK (flags >= 0),
            attempts INTEGER NOT NULL CHECK (attempts >= 0),
            accepted_at INTEGER NOT NULL,
            causes BLOB CHECK (length(causes) % 9 = 0),
            address TEXT,
            body BLOB NOT NULL,
            CHECK ((hold = 0) = (waits_on IS NULL AND not_before IS NULL)),
            CHECK (kind IN (1, 3, 4) OR address IS NOT NULL),
            CHECK (kind IN (2, 3, 6) OR reference IS NOT NULL)
        ) STRICT;
        -- A lane's next ready events; covers what a start needs to know of every event.
        CREATE INDEX event_lane ON event (lane, hold, sequence, reference, kind);
        -- Who is woken when a log leaves.
        CREATE INDEX event_wait ON event (waits_on, sequence) WHERE waits_on IS NOT NULL;
        -- Who is woken by time.
        CREATE INDEX event_due ON event (not_before) WHERE not_before IS NOT NULL;
        -- The effects on one log, in order.
        CREATE INDEX event_chain ON event (reference, sequence) WHERE kind IN (2, 3, 6);

        -- A batch. state 1 or 2: its request may have been written. state 0: it may not. In state 0
        -- and 2 its events travel in no other company. `events`: their sequences, 8 bytes each,
        -- little endian.
        CREATE TABLE lease (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            destination INTEGER NOT NULL REFERENCES destination (id),
            operation INTEGER NOT NULL CHECK (operation IN (24, 25, 32, 36, 37, 38, 58)),
            state INTEGER NOT NULL CHECK (state IN (0, 1, 2)),
            events BLOB NOT NULL CHECK (length(events) > 0 AND length(events) % 8 = 0)
        ) STRICT;

        -- Ids upstream gave to the events of one delivery, those of 256 neighbouring sequences a row.
        CREATE TABLE identity (
            id INTEGER PRIMARY KEY,
            block INTEGER NOT NULL,
            destination INTEGER NOT NULL REFERENCES destination (id),
            delivered_at INTEGER NOT NULL,
            count INTEGER NOT NULL CHECK (count > 0),
            entries BLOB NOT NULL
        ) STRICT;
        CREATE INDEX identity_block ON identity (block);

        -- Events that are not tried again unless the operator says so.
        CREATE TABLE dead (
            sequence INTEGER PRIMARY KEY,
            lane INTEGER NOT NULL REFERENCES lane (id),
            kind INTEGER NOT NULL,
            reference INTEGER,
            flags INTEGER NOT NULL,
            attempts INTEGER NOT NULL,
            accepted_at INTEGER NOT NULL,
            causes BLOB,
            address TEXT,
            body BLOB NOT NULL,
            died_at INTEGER NOT NULL,
            reason TEXT NOT NULL,
            status INTEGER,
            words TEXT NOT NULL
        ) STRICT;
        CREATE INDEX dead_log ON dead (reference) WHERE kind = 1;

        -- Input that could not be understood, where there was nobody to tell.
        CREATE TABLE malformed (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            kept_at INTEGER NOT NULL,
            source TEXT NOT NULL,
            reason TEXT NOT NULL,
            size INTEGER NOT NULL,
            input BLOB NOT NULL
        ) STRICT;

        INSERT INTO ledger VALUES (1, 0, 0, 0, 0, 0, 0);
        """

    /// The whole ingest API: repeated requests are recognised, and sessions have provisional ids.
    private static let version2 = """
        -- What a log looked like as it came, 16 bytes: by it a repeated request is recognised.
        ALTER TABLE event ADD COLUMN digest BLOB CHECK (digest IS NULL OR length(digest) = 16);
        ALTER TABLE dead ADD COLUMN digest BLOB;
        -- 16 bytes an entry, zeros where there was none; NULL for deliveries before version 2.
        ALTER TABLE identity ADD COLUMN digests BLOB;
        -- Logs under a name that an older log in the queue has too.
        CREATE INDEX event_shared ON event (reference, sequence) WHERE flags >= 8;
        -- Sessions that logs name by session_reference_id (its key), under the sequence of the first log
        -- that did; upstream's id once an answer carried it.
        CREATE TABLE session (
            sequence INTEGER PRIMARY KEY,
            destination INTEGER NOT NULL REFERENCES destination (id),
            name INTEGER NOT NULL,
            upstream_id TEXT,
            UNIQUE (name, destination)
        ) STRICT;
        -- Logs that were discarded by command while queued: whatever names one is discarded too.
        CREATE TABLE deleted (
            sequence INTEGER PRIMARY KEY,
            reference INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX deleted_name ON deleted (reference);
        -- Events that name something by a provisional id: what they name is not forgotten.
        CREATE INDEX event_named ON event (sequence) WHERE flags & 2;
        CREATE INDEX dead_named ON dead (sequence) WHERE flags & 2;
        """

    /// What the sender notes, and what each part of the spool weighs.
    private static let version3 = """
        -- The sender's own notes: backoff, parks, smaller sizes. Opaque to the queue.
        ALTER TABLE destination ADD COLUMN notes TEXT NOT NULL DEFAULT '';
        -- Body bytes of a lane's events; their sum is payload_bytes of the ledger.
        ALTER TABLE lane ADD COLUMN payload_bytes INTEGER NOT NULL DEFAULT 0
            CHECK (payload_bytes >= 0);
        UPDATE lane SET payload_bytes =
            (SELECT coalesce(sum(length(body)), 0) FROM event WHERE event.lane = lane.id);
        -- Body bytes of the dead letters, and 200 for each.
        ALTER TABLE ledger ADD COLUMN dead_bytes INTEGER NOT NULL DEFAULT 0 CHECK (dead_bytes >= 0);
        UPDATE ledger SET dead_bytes = (SELECT coalesce(sum(length(body) + 200), 0) FROM dead);
        -- Which of them died first.
        CREATE INDEX dead_age ON dead (died_at);
        -- Why a log was discarded; whatever names it is discarded for the same reason.
        ALTER TABLE deleted ADD COLUMN reason TEXT NOT NULL DEFAULT 'deleted';
        -- Events accepted before this one that name the log by its reference; later ones mean another.
        ALTER TABLE deleted ADD COLUMN until_sequence INTEGER NOT NULL DEFAULT 0;
        -- The session that a log names by session_reference_id, while upstream's id is not known.
        ALTER TABLE event ADD COLUMN session INTEGER;
        UPDATE event SET session = sequence WHERE flags & 16;
        CREATE INDEX event_session ON event (session) WHERE session IS NOT NULL;
        ALTER TABLE dead ADD COLUMN session INTEGER;
        UPDATE dead SET session = sequence WHERE flags & 16;
        CREATE INDEX dead_session ON dead (session) WHERE session IS NOT NULL;
        -- Logs and evaluation logs by name, and what died of a project.
        DROP INDEX dead_log;
        CREATE INDEX dead_log ON dead (reference) WHERE kind IN (1, 5);
        CREATE INDEX dead_lane ON dead (lane) WHERE kind IN (1, 5);
        -- What a list of dead letters is filtered by, without reading bodies.
        CREATE INDEX dead_facts ON dead (sequence, lane, kind, reason, died_at);
        """
}
