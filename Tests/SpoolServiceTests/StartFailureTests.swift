import Glibc
import SpoolQueue
import SpoolSQLite
import SpoolService
import Testing

@Suite("What stops a start")
struct StartFailureTests {
    private func refusal(_ code: Int32) -> SQLiteError {
        SQLiteError(code: code, message: "m", action: "a")
    }

    /// The codes are those of sqlite.org/rescode.html.
    @Test("is tried again where the disk is full or refuses", arguments: [13, 10, 1034, 5, 8, 14])
    func diskIsTriedAgain(code: Int32) {
        #expect(StartFailure(refusal(code)) == .disk)
    }

    @Test("is not tried again where the file is to blame", arguments: [11, 26, 1])
    func fileIsNot(code: Int32) {
        #expect(StartFailure(refusal(code)) == .database)
        #expect(StartFailure(QueueError.damaged("p", "w")) == .database)
    }

    @Test("is tried again where a directory could not be used for want of room")
    func roomIsTriedAgain() {
        func failure(_ errno: Int32) -> StartFailure {
            StartFailure(QueueError.unusable(path: "p", errno: errno, words: "w"))
        }
        #expect(failure(ENOSPC) == .disk)
        #expect(failure(EIO) == .disk)
        #expect(failure(EACCES) == .directory)
        #expect(failure(ENOENT) == .directory)
        #expect(StartFailure(QueueError.unsalvaged(path: "p", damage: "d", cause: "c")) == .disk)
    }
}
