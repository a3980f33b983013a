import SpoolCore
import SpoolServer

/// From what came of a request to its answer.
extension HTTPAnswer {
    /// What was done as `write` writes it, or why it was not done.
    init<Outcome>(
        _ outcome: Result<Outcome, ArchiveRefusal>, status: Int,
        _ write: (inout JSONWriter, Outcome) throws -> Void
    ) {
        switch outcome {
        case .success(let outcome):
            var writer = JSONWriter()
            do {
                try write(&writer, outcome)
                let hasBody = status != 204
                self.init(
                    status: status, body: writer.bytes,
                    contentType: hasBody ? "application/json" : nil)
            } catch {
                self = .damaged(error)
            }
        case .failure(let refusal): self.init(refusal)
        }
    }

    /// 422 with all mistakes, or 404.
    init(_ refusal: ArchiveRefusal) {
        switch refusal {
        case .mistakes(let mistakes): self.init(status: 422, body: mistakes.body)
        case .unknown(let text): self = .detail(status: 404, text)
        }
    }

    /// 500 where the disk gave back something else than was stored.
    static func damaged(_ error: any Error) -> HTTPAnswer {
        .detail(
            status: 500,
            "what the archive stored about this is damaged (\(error)); "
                + "restore archive.db from a backup, and check the disk")
    }
}
