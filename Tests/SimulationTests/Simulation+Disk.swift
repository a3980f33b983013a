import SpoolCore
import SpoolFaultKit
import SpoolSQLite

/// The disk under the queue: its faults, its power, and what it turns out to hold.
extension Simulation {
    /// A group whose commit was answered by a failure, or by nobody: whether it is on the disk shows when
    /// the file is opened next.
    struct UnclearGroup {
        /// Which it is.
        let number: Int64
        /// What its jobs did, and when, by the wall clock.
        let deeds: [(answer: SpoolAnswer, losses: Losses)]
        let at: Timestamp
    }

    /// The file was opened: it holds the last group whole, or nothing of it, and everything before.
    func learnWhatIsOnDisk() throws {
        guard let store = spool.store else { return }
        if let group = unclear {
            unclear = nil
            let isThere = try spool.lastGroup() == group.number
            note("group \(group.number) is \(isThere ? "on the disk" : "lost")")
            saw(isThere ? .groupSurvived : .groupLost)
            for deed in group.deeds where isThere {
                try record(deed.answer, deed.losses, at: group.at)
            }
        }
        if isUpkeepUnclear {
            isUpkeepUnclear = false
            try record(try Losses(of: store, since: nil))
        }
        try books.checkBalance(of: store)
    }

    /// The disk fails the queue from now on.
    func fail(_ fault: DiskFault) {
        spool.fail(fault)
        guard fault.lasts else { return }
        plan(.mend, after: anyDuration(upTo: .seconds(20)))
    }

    /// The disk is in order again.
    func mend() {
        note("the disk is mended")
        spool.mend()
    }

    /// Draws how the process dies.
    func anyDeath() -> SimulatedSpool.Death {
        Bool.random(using: &random) ? .killed : anyPowerCut()
    }

    /// Draws a power cut.
    func anyPowerCut() -> SimulatedSpool.Death {
        .powerCut(leaving: anyRemains(), seed: random.next())
    }

    /// Draws what is left of the unsynced.
    func anyRemains() -> FaultDisk.Remains {
        FaultDisk.Remains.allCases.randomElement(using: &random) ?? .nothing
    }
}
