import SpoolCore
import Synchronization
import Testing

@Suite struct StreamHandoverTests {
    private let part = StreamPart.bytes([1])

    private func waits(_ offer: StreamHandover.Offer) -> Bool {
        if case .waits = offer { true } else { false }
    }

    private func isUnwanted(_ offer: StreamHandover.Offer) -> Bool {
        if case .unwanted = offer { true } else { false }
    }

    @Test func `a part waits for its reader, and the writer with it`() {
        var handover = StreamHandover()
        #expect(waits(handover.offer(part)))
        #expect(handover.ask { _ in } == part)
        #expect(handover.ask { _ in } == nil)
    }

    @Test func `a reader that waits is given the part at once, and only that one`() {
        var handover = StreamHandover()
        let given = Mutex<[StreamPart]>([])
        #expect(handover.ask { part in given.withLock { $0.append(part) } } == nil)
        guard case .give(let reader) = handover.offer(part) else {
            Issue.record("the reader was forgotten")
            return
        }
        reader(part)
        #expect(given.withLock { $0 } == [part])
        #expect(waits(handover.offer(part)))
    }

    @Test func `after the end nothing is wanted`() {
        var handover = StreamHandover()
        #expect(waits(handover.offer(.end)))
        #expect(isUnwanted(handover.offer(.broken(reason: "late"))))
        #expect(handover.ask { _ in } == .end)
        #expect(isUnwanted(handover.offer(part)))
    }

    @Test func `a stream that breaks says so in place of the part that waits`() {
        var handover = StreamHandover()
        #expect(waits(handover.offer(part)))
        #expect(waits(handover.offer(.broken(reason: "gone"))))
        #expect(handover.ask { _ in } == .broken(reason: "gone"))
    }

    @Test func `who cancels gets nothing more, and the writer is told once`() {
        var handover = StreamHandover()
        #expect(waits(handover.offer(part)))
        #expect(handover.cancel() == true)
        #expect(handover.cancel() == false)
        #expect(handover.ask { _ in } == nil)
        #expect(isUnwanted(handover.offer(part)))
    }

    @Test func `a writer that has come to its end need not be told`() {
        var handover = StreamHandover()
        #expect(waits(handover.offer(.end)))
        #expect(handover.cancel() == false)
    }
}
