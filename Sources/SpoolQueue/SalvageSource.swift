internal import Glibc
internal import SpoolSQLite

/// A damaged spool, opened to be read.
///
/// Where its first page is lost, and with it the list of tables, that of an empty spool takes its place: the
/// same steps make the same tables in the same pages. The lost one is kept beside it, as `….page1`.
struct SalvageSource {
    let connection: Connection

    /// Nil when nothing can be read.
    ///
    /// - Parameter scratch: a path for the empty spool.
    init?(path: String, scratch: String, vfs: String? = nil) throws {
        if let connection = Self.open(path, vfs) {
            self.connection = connection
            return
        }
        try Self.replaceFirstPage(of: path, scratch: scratch)
        guard let connection = Self.open(path, vfs) else { return nil }
        self.connection = connection
    }

    private static func open(_ path: String, _ vfs: String?) -> Connection? {
        guard let connection = try? Connection(path: path, access: .query, vfs: vfs),
            let shape = try? SpoolShape(of: connection)
        else { return nil }
        let isKnown = (1...QueueSchema.migrations.count).contains {
            (try? SpoolShape(version: $0)) == shape
        }
        return isKnown ? connection : nil
    }

    private static func replaceFirstPage(of path: String, scratch: String) throws {
        defer { for ending in ["", "-wal", "-shm"] { unlink(scratch + ending) } }
        do {
            _ = try DurableFile.open(
                path: scratch, applicationID: QueueSchema.applicationID,
                migrations: QueueSchema.migrations)
        }
        let model = try FileBytes(scratch)
        let file = try FileBytes(path)
        let size = Int(file.size) / pageSize * pageSize
        guard size > 0 else { return }
        try FileBytes.write(file.read(0, pageSize), to: path + ".page1")
        var page = model.read(0, pageSize)
        // A list of tables that has outgrown the page has its leaves elsewhere: they go to the end.
        var end = size / pageSize
        if page[100] == interiorPage {
            let count = Int(page[103]) << 8 | Int(page[104])
            let cells = (0..<count).map { Int(page[112 + 2 * $0]) << 8 | Int(page[113 + 2 * $0]) }
            for place in cells + [108] {
                let child = number(page, place)
                try file.write(model.read((child - 1) * pageSize, pageSize), at: end * pageSize)
                end += 1
                put(end, &page, place)
            }
        }
        // The size in pages, valid for this change counter; no free pages. Offsets of the header:
        // sqlite.org/fileformat2.html, section 1.3.
        put(end, &page, 28)
        put(0, &page, 32)
        put(0, &page, 36)
        put(number(page, 24), &page, 92)
        try file.write(page, at: 0)
    }

    private static let pageSize = 8192
    private static let interiorPage: UInt8 = 5

    private static func number(_ page: [UInt8], _ place: Int) -> Int {
        page[place..<(place + 4)].reduce(0) { $0 << 8 | Int($1) }
    }

    private static func put(_ value: Int, _ page: inout [UInt8], _ place: Int) {
        for byte in 0..<4 { page[place + byte] = UInt8(value >> (8 * (3 - byte)) & 0xff) }
    }
}

/// A file as bytes, for the repair of a page.
private final class FileBytes {
    private let descriptor: Int32
    private let path: String
    let size: Int64

    init(_ path: String) throws {
        self.path = path
        descriptor = open(path, O_RDWR | O_CLOEXEC)
        size = SpoolDoctor.size(of: path)
        if descriptor < 0 { throw Self.failure(path) }
    }

    deinit { close(descriptor) }

    /// Zeros stand for what the file does not have.
    func read(_ place: Int, _ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        _ = pread(descriptor, &bytes, count, off_t(place))
        return bytes
    }

    func write(_ bytes: [UInt8], at place: Int) throws {
        guard pwrite(descriptor, bytes, bytes.count, off_t(place)) == bytes.count else {
            throw Self.failure(path)
        }
    }

    /// Writes a file that is not there yet; an earlier attempt's stays, it has the first bytes there were.
    static func write(_ bytes: [UInt8], to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        if descriptor < 0, errno == EEXIST { return }
        guard descriptor >= 0 else { throw failure(path) }
        defer { close(descriptor) }
        guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
            defer { unlink(path) }
            throw failure(path)
        }
    }

    private static func failure(_ path: String) -> QueueError {
        .unusable(path: path, errno: errno, words: String(cString: strerror(errno)))
    }
}
