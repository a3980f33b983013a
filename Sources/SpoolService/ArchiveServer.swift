public import Logging
public import NIOCore
internal import SpoolArchive
internal import SpoolCore
public import SpoolServer

/// The archive behind a listener: embedded in the daemon, or by itself as `archive serve`.
public final class ArchiveServer: Sendable {
    /// Where it is bound.
    public var listening: ListenAddress { listener.boundAddress }
    /// Tells this archive's file from every other.
    public var instanceID: String { archive.status.instanceID }
    /// How much it holds, and how much it may.
    var holdings: Holdings {
        Holdings(
            status: archive.status, bytesMax: Self.settings.storedBytesMax,
            setAside: archive.filesSetAside.first)
    }
    private let archive: Archive
    private let listener: HTTPListener

    private init(archive: Archive, listener: HTTPListener) {
        self.archive = archive
        self.listener = listener
    }

    /// An archive's use of its bound.
    struct Holdings: Sendable {
        /// Logs and bytes.
        let status: ArchiveStatus
        /// Bytes; beyond them the oldest logs go.
        let bytesMax: Int64
        /// The last damaged file that was set aside and is still there.
        let setAside: String?
    }

    /// Opens the archive in `directory` and serves it.
    ///
    /// - Parameters:
    ///   - record: a file that gets every request as one line of JSON; a test aid.
    ///   - setsDamagedAside: whether a fresh archive is begun in the place of a damaged one.
    public static func start(
        directory: String, record: String?, setsDamagedAside: Bool = false,
        on address: ListenAddress, group: any EventLoopGroup, logger: Logger
    ) async throws -> ArchiveServer {
        let archive = try open(
            directory: directory, record: record, setsDamagedAside: setsDamagedAside,
            logger: logger)
        do {
            let listener = try await HTTPListener.start(
                archive.application, on: address, group: group,
                budget: ByteBudget(bytesMax: Limits.ingestBytesMax),
                connections: ConnectionLimit(max: Limits.connectionsMax))
            return ArchiveServer(archive: archive, listener: listener)
        } catch {
            await archive.close()
            throw error
        }
    }

    private static let settings = ArchiveSettings()

    /// Opens the archive in `directory`, which is made when it is missing.
    static func open(
        directory: String, record: String?, setsDamagedAside: Bool = false, logger: Logger
    ) throws -> Archive {
        try Process.makeDirectory(directory)
        var settings = Self.settings
        settings.recordPath = record
        settings.setsDamagedAside = setsDamagedAside
        return try Archive.open(
            directory: directory, settings: settings, now: Process.now,
            report: { error in
                if error is ArchiveSetAside {
                    logger.critical("the archive was set aside", metadata: ["what": "\(error)"])
                } else {
                    logger.error("the archive's disk refused", metadata: ["error": "\(error)"])
                }
            })
    }

    /// Answers what is under way, then closes the file.
    public func stop() async {
        await listener.drain()
        await archive.close()
    }
}
