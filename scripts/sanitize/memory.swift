// One fault of memory for each word: `overflow`, `use-after-free`, `leak`; `none` is clean.

@main
enum Memory {
    static func main() {
        let fault = CommandLine.arguments.dropFirst().first ?? "none"
        let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: 32)
        bytes.initialize(repeating: 1, count: 32)
        switch fault {
        case "overflow":
            print(bytes[CommandLine.arguments.count + 30])
            bytes.deallocate()
        case "use-after-free":
            bytes.deallocate()
            print(bytes[CommandLine.arguments.count])
        case "leak":
            forget()
            bytes.deallocate()
        default:
            bytes.deallocate()
        }
    }

    @inline(never)
    static func forget() {
        for _ in 0..<100 {
            let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: 48)
            bytes.initialize(repeating: 2, count: 48)
        }
    }
}
