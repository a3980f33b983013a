import Glibc
import SpoolCore
import Testing

@testable import SpoolService

@Suite("How many files the process may open")
struct FileLimitTests {
    @Test("few of them mean fewer connections, and enough are left for the operator and delivery")
    func connections() {
        func served(_ filesMax: Int) -> Int {
            Process.connections(Limits.connectionsMax, filesMax: filesMax)
        }
        #expect(served(.max) == 1024)
        #expect(served(1200) == 1024)
        #expect(served(1199) == 1023)
        #expect(served(1024) == 848)
        #expect(served(64) == 1)
    }

    @Test("is raised to what it is allowed at most")
    func raises() throws {
        let filesMax = Process.raiseFilesMax()
        var limit = rlimit()
        try #require(getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
        #expect(limit.rlim_cur == limit.rlim_max)
        #expect(filesMax == Int(clamping: limit.rlim_cur))
    }
}
