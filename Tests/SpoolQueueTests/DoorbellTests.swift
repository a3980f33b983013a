import Synchronization
import Testing

@testable import SpoolQueue

@Suite("The doorbell")
struct DoorbellTests {
    @Test("rings the thousandth time as directly as the first")
    func directness() {
        let bell = Doorbell()
        let marks = Mutex<[Int]>([])
        bell.install {
            var mark: UInt8 = 0
            let address = withUnsafeMutablePointer(to: &mark) { Int(bitPattern: $0) }
            marks.withLock { $0.append(address) }
        }
        for _ in 0..<1000 { bell.ring() }
        let all = marks.withLock { $0 }
        #expect(all.count == 1000)
        // Nothing was put between the caller and the listener: it would have moved the stack.
        #expect(Set(all).count == 1)
    }
}
