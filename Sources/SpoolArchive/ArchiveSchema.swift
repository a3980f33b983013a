import SpoolSQLite

/// The tables of `archive.db`.
///
/// A log is one row: what its request said as it came, and beside it what later updates said, so
/// that nothing is ever re-encoded. Rows are numbered in the order of their commits, which is the
/// order of every list. A reference is not unique: the archive never deduplicates, or duplicates
/// would be invisible.
enum ArchiveSchema {
    /// "LSar": marks the file as an archive (sqlite.org/pragma.html, application_id).
    static let applicationID: Int32 = 0x4C53_6172

    /// All steps in order, never edited once released.
    static let migrations = [
        Migration(
            version: 1,
            sql: """
                CREATE TABLE instance (
                    number INTEGER PRIMARY KEY CHECK (number = 1),
                    id TEXT NOT NULL,
                    -- Logs stored now, their bytes, and logs that had to go to make room.
                    logs INTEGER NOT NULL CHECK (logs >= 0),
                    bytes INTEGER NOT NULL CHECK (bytes >= 0),
                    trimmed INTEGER NOT NULL CHECK (trimmed >= 0)
                ) STRICT;

                CREATE TABLE project (
                    number INTEGER PRIMARY KEY,
                    id TEXT NOT NULL UNIQUE,
                    name TEXT NOT NULL UNIQUE,
                    created_at INTEGER NOT NULL,
                    logs INTEGER NOT NULL DEFAULT 0 CHECK (logs >= 0)
                ) STRICT;

                CREATE TABLE session (
                    number INTEGER PRIMARY KEY,
                    id TEXT NOT NULL UNIQUE,
                    reference TEXT UNIQUE,
                    created_at INTEGER NOT NULL
                ) STRICT;

                -- AUTOINCREMENT: children keep a trimmed parent's number, so it is never used
                -- again.
                CREATE TABLE log (
                    number INTEGER PRIMARY KEY AUTOINCREMENT,
                    id TEXT NOT NULL UNIQUE,
                    project INTEGER NOT NULL REFERENCES project (number),
                    session INTEGER REFERENCES session (number),
                    -- The parent's number; the parent itself may have been trimmed.
                    parent INTEGER CHECK (parent < number),
                    reference TEXT,
                    is_saved INTEGER NOT NULL CHECK (is_saved IN (0, 1)),
                    has_datapoint INTEGER NOT NULL CHECK (has_datapoint IN (0, 1)),
                    received_at INTEGER NOT NULL,
                    updated_at INTEGER NOT NULL,
                    -- Of this row with its feedback and results, for the bound on the whole file.
                    bytes INTEGER NOT NULL CHECK (bytes > 0),
                    -- JSON from updates; each stands for the member of the same name in the body.
                    output BLOB CHECK (output IS NULL OR is_saved),
                    error BLOB,
                    duration BLOB,
                    -- Last, so that the columns before it are read without it.
                    body BLOB NOT NULL
                ) STRICT;
                CREATE INDEX log_by_project ON log (project, number);
                CREATE INDEX log_by_reference ON log (reference, number)
                    WHERE reference IS NOT NULL;
                CREATE INDEX log_by_session ON log (session, number) WHERE session IS NOT NULL;

                CREATE TABLE feedback (
                    number INTEGER PRIMARY KEY,
                    id TEXT NOT NULL,
                    log INTEGER NOT NULL REFERENCES log (number) ON DELETE CASCADE,
                    received_at INTEGER NOT NULL,
                    body BLOB NOT NULL
                ) STRICT;
                CREATE INDEX feedback_by_log ON feedback (log, number);

                CREATE TABLE evaluation_result (
                    number INTEGER PRIMARY KEY,
                    id TEXT NOT NULL,
                    log INTEGER NOT NULL REFERENCES log (number) ON DELETE CASCADE,
                    evaluation_id TEXT NOT NULL,
                    evaluator_id TEXT NOT NULL,
                    received_at INTEGER NOT NULL,
                    value BLOB,
                    error BLOB,
                    CHECK (value IS NOT NULL OR error IS NOT NULL)
                ) STRICT;
                CREATE INDEX evaluation_result_by_log ON evaluation_result (log, number);
                """)
    ]
}
