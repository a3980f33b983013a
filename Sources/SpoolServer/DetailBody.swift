internal import SpoolCore

/// The API's body for an error with one sentence: `{"detail":"…"}`.
enum DetailBody {
    /// The JSON text for `text`.
    static func make(_ text: String) -> [UInt8] {
        var writer = JSONWriter(reserving: text.utf8.count + 16)
        writer.beginObject()
        writer.key("detail")
        writer.string(text)
        writer.endObject()
        return writer.bytes
    }
}
