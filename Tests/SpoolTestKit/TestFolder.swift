import Foundation

/// Where tests put their files: one folder for a run, removed when the run ends, whatever failed in it.
public enum TestFolder {
    private static let root: URL = {
        let root = FileManager.default.temporaryDirectory
            .appending(path: "loopspool-tests-\(ProcessInfo.processInfo.processIdentifier)")
        // The process that had this id before may have been killed.
        try? FileManager.default.removeItem(at: root)
        atexit { TestFolder.remove() }
        return root
    }()

    private static func remove() {
        try? FileManager.default.removeItem(at: root)
    }

    /// A new, empty directory; `kind` begins its name.
    public static func make(_ kind: String) throws -> String {
        let directory = root.appending(path: "\(kind)-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        return directory.path
    }
}
