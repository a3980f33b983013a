import Foundation

/// What a daemon has left on the disk.
enum LeftBehind {
    /// The bytes of all files below a directory, as text.
    static func text(of directory: String) throws -> String {
        let files = FileManager.default.enumerator(atPath: directory)
        var text = ""
        while let name = files?.nextObject() as? String {
            guard let data = FileManager.default.contents(atPath: directory + "/" + name) else {
                continue
            }
            text += String(decoding: data, as: UTF8.self)
        }
        return text
    }
}
