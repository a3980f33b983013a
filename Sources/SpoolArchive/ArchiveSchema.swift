import SpoolSQLite

/// The tables of `archive.db`.
///
/// A log is one row: what its request said as it came, and beside it what later updates said, so
/// that nothing is ever re-encoded. Rows are numbered in the order of their commits. A reference is
/// not unique: the archive never deduplicates, or duplicates would be invisible.
///
/// Lists never read these wide rows to find their way: `listing` has a narrow row for each log, and
/// projects and sessions count what they hold.
enum ArchiveSchema {
    /// "LSar": marks the file as an archive (sqlite.org/pragma.html, application_id).
    static let applicationID: Int32 = 0x4C53_6172

    /// What a project takes besides its name, about.
    static let projectOverheadBytes: Int64 = 200
    /// What a project counts towards the archive's bound: its name stands in its row and in an
    /// index.
    static let projectBytes = "(\(projectOverheadBytes) + 2 * length(CAST(name AS BLOB)))"

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
                """),
        Migration(
            version: 2,
            sql: """
                -- Filled in from the logs of version 1 when the store opens, oldest first.
                CREATE TABLE listing (
                    log INTEGER PRIMARY KEY REFERENCES log (number) ON DELETE CASCADE,
                    project INTEGER NOT NULL,
                    -- The caller's own time, else that of arrival.
                    created_at INTEGER NOT NULL,
                    source TEXT,
                    model TEXT
                ) STRICT;
                CREATE INDEX listing_by_time ON listing (project, created_at);

                -- What an evaluation said beside its log.
                CREATE TABLE evaluation_log (
                    log INTEGER PRIMARY KEY REFERENCES log (number) ON DELETE CASCADE,
                    evaluation_id TEXT NOT NULL,
                    evaluatee_id TEXT,
                    datapoint_id TEXT NOT NULL
                ) STRICT;
                ALTER TABLE evaluation_result ADD COLUMN evaluatee_id TEXT;

                ALTER TABLE session ADD COLUMN updated_at INTEGER NOT NULL DEFAULT 0;
                ALTER TABLE session ADD COLUMN logs INTEGER NOT NULL DEFAULT 0 CHECK (logs >= 0);
                UPDATE session SET
                    logs = (SELECT count(*) FROM log WHERE session = session.number),
                    updated_at = max(created_at, coalesce(
                        (SELECT max(updated_at) FROM log WHERE session = session.number), 0));
                CREATE INDEX session_unused ON session (number) WHERE logs = 0;

                -- Which sessions have logs in which projects, and how many.
                CREATE TABLE project_session (
                    project INTEGER NOT NULL,
                    session INTEGER NOT NULL,
                    logs INTEGER NOT NULL CHECK (logs >= 0),
                    PRIMARY KEY (project, session)
                ) STRICT, WITHOUT ROWID;
                CREATE INDEX project_session_by_session ON project_session (session, project);
                INSERT INTO project_session (project, session, logs)
                    SELECT project, session, count(*) FROM log
                    WHERE session IS NOT NULL GROUP BY project, session;

                ALTER TABLE project ADD COLUMN updated_at INTEGER NOT NULL DEFAULT 0;
                ALTER TABLE project ADD COLUMN sessions INTEGER NOT NULL DEFAULT 0
                    CHECK (sessions >= 0);
                UPDATE project SET
                    sessions = (SELECT count(*) FROM project_session AS named
                        WHERE named.project = project.number),
                    updated_at = max(created_at, coalesce(
                        (SELECT max(received_at) FROM log WHERE log.project = project.number), 0));
                -- No list reads it any more.
                DROP INDEX log_by_project;
                """),
        Migration(
            version: 3,
            sql: """
                -- Projects count towards the bound, and those without logs go with the oldest.
                UPDATE instance SET bytes = bytes + (SELECT coalesce(
                    sum(200 + 2 * length(CAST(name AS BLOB))), 0) FROM project);
                CREATE INDEX project_unused ON project (updated_at, number) WHERE logs = 0;
                """),
    ]
}
