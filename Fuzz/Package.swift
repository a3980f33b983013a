// swift-tools-version: 6.2

import PackageDescription

// Fuzz targets for everything that reads bytes from outside; `make fuzz TARGET=…` builds and runs
// one. A package of its own, because coverage counters and checks for the debugger must not get
// into what ships; the sources are the daemon's, through symbolic links.

// scripts/fuzz.sh tells where the toolchain keeps libFuzzer.
let runtime = Context.environment["LOOPSPOOL_FUZZER_RUNTIME"] ?? "libclang_rt.fuzzer_no_main.a"
let sanitizers = Context.environment["LOOPSPOOL_FUZZ_SANITIZERS"] ?? "fuzzer"

// Coverage of our own modules only: what the fuzzer shall explore is ours. Optimised, and yet with
// every assertion and bound check that a debug build has.
let instrumented: [SwiftSetting] = [
    .unsafeFlags([
        "-sanitize=\(sanitizers)", "-assert-config", "Debug", "-enable-testing",
        "-gline-tables-only",
    ])
]

let package = Package(
    name: "loopspool-fuzz",
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0")
    ],
    targets: [
        .systemLibrary(name: "CFuzzer"),
        .target(name: "FuzzKit", dependencies: ["CFuzzer"]),

        .target(name: "CLinux"),
        .systemLibrary(
            name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .target(name: "SpoolTestKit", dependencies: ["SpoolCore"]),
        .target(name: "SpoolCore", swiftSettings: instrumented),
        .target(
            name: "SpoolSQLite", dependencies: ["CLinux", "CSQLite"], swiftSettings: instrumented),
        .target(
            name: "SpoolServer",
            dependencies: [
                "CLinux", "SpoolCore", .nio("NIOCore"), .nio("NIOPosix"), .nio("NIOHTTP1"),
            ], swiftSettings: instrumented),
        .target(
            name: "SpoolIngest",
            dependencies: [
                "SpoolCore", "SpoolServer", .nio("NIOCore"), .nio("NIOPosix"), .nio("NIOHTTP1"),
            ], swiftSettings: instrumented),
        .target(
            name: "SpoolQueue", dependencies: ["SpoolCore", "SpoolSQLite"],
            swiftSettings: instrumented),
        .target(
            name: "SpoolArchive",
            dependencies: [
                "SpoolCore", "SpoolServer", "SpoolSQLite", .nio("NIOCore"), .nio("NIOPosix"),
                .nio("NIOHTTP1"),
            ], swiftSettings: instrumented),
        // Of these two only the files that read settings: the rest would bring the HTTP client, and
        // minutes of building its TLS.
        .target(name: "SpoolSender", swiftSettings: instrumented),
        .target(
            name: "SpoolService",
            dependencies: ["SpoolCore", "SpoolIngest", "SpoolQueue", "SpoolSender", "SpoolServer"],
            swiftSettings: instrumented),

        .fuzzer("canary", in: "Canary", ["SpoolCore"]),
        .fuzzer("scanner", in: "Scanner", ["SpoolCore"]),
        .fuzzer("ndjson", in: "NDJSON", ["SpoolCore", "SpoolIngest", "SpoolTestKit"]),
        .fuzzer("admission", in: "Admission", ["SpoolCore", "SpoolTestKit"]),
        .fuzzer("target", in: "Target", ["SpoolCore", "SpoolIngest"]),
        .fuzzer("answer", in: "Answer", ["SpoolCore"]),
        .fuzzer(
            "settings", in: "Settings",
            ["SpoolCore", "SpoolSender", "SpoolServer", "SpoolService"]),
        .fuzzer(
            "framing", in: "Framing",
            ["SpoolCore", "SpoolIngest", "SpoolServer", .nio("NIOCore"), .nio("NIOHTTP1")]),
        .fuzzer("archive", in: "Archive", ["SpoolArchive", "SpoolCore", "SpoolServer"]),
    ],
    swiftLanguageModes: [.v6]
)

for target in package.targets where target.type != .system && target.name != "CLinux" {
    target.swiftSettings =
        (target.swiftSettings ?? []) + [
            .enableUpcomingFeature("ExistentialAny"),
            .enableUpcomingFeature("InternalImportsByDefault"),
            .enableUpcomingFeature("MemberImportVisibility"),
            .treatAllWarnings(as: .error),
        ]
}

extension Target {
    /// The executable `fuzz-NAME`: libFuzzer without its `main`, and one property.
    static func fuzzer(
        _ name: String, in folder: String, _ dependencies: [Target.Dependency]
    ) -> Target {
        .executableTarget(
            name: "fuzz-" + name, dependencies: ["FuzzKit"] + dependencies,
            path: "Targets/" + folder,
            swiftSettings: [.unsafeFlags(["-parse-as-library", "-assert-config", "Debug"])],
            linkerSettings: [
                .unsafeFlags(
                    sanitizers.split(separator: ",").filter { $0 != "fuzzer" }
                        .map { "-sanitize=\($0)" }),
                .unsafeFlags(["-Xlinker", runtime]), .linkedLibrary("stdc++"), .linkedLibrary("m"),
            ])
    }
}

extension Target.Dependency {
    static func nio(_ product: String) -> Target.Dependency {
        .product(name: product, package: "swift-nio")
    }
}
