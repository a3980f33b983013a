// swift-tools-version: 6.2

import PackageDescription

// The listing of Sources/ is the data path: SpoolIngest → SpoolQueue → SpoolSender. A stage
// imports the core and the two plumbing modules, never another stage; docs/ARCHITECTURE.md says why.
let package = Package(
    name: "loopspool",
    products: [
        .executable(name: "loopspool", targets: ["loopspool"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
        .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.37.0"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.0"),
        .package(
            url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
    ],
    targets: [
        // The system's SQLite (Debian: libsqlite3-dev).
        .systemLibrary(
            name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        // Linux calls that Swift's Glibc overlay does not show.
        .target(name: "CLinux"),

        // Rules: what an event is, how it may live, every decision. Imports nothing.
        .target(name: "SpoolCore"),
        // Plumbing below the stages: one SQLite connection, one HTTP/1.1 server.
        .target(name: "SpoolSQLite", dependencies: ["CLinux", "CSQLite"]),
        .target(
            name: "SpoolServer",
            dependencies: [
                "CLinux", "SpoolCore", .nio("NIOCore"), .nio("NIOPosix"), .nio("NIOHTTP1"),
            ]),

        // 1 accepted · 2 spooled, leased, settled · 3 delivered, retried, dead
        .target(
            name: "SpoolIngest",
            dependencies: [
                "SpoolCore", "SpoolServer", .nio("NIOCore"), .nio("NIOPosix"), .nio("NIOHTTP1"),
            ]),
        .target(name: "SpoolQueue", dependencies: ["SpoolCore", "SpoolSQLite"]),
        .target(
            name: "SpoolSender",
            dependencies: [
                "SpoolCore", .nio("NIOCore"), .nio("NIOPosix"), .nio("NIOHTTP1"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
            ]),

        // The built-in v4 store: what an upstream looks like from the inside.
        .target(
            name: "SpoolArchive",
            dependencies: [
                "SpoolCore", "SpoolServer", "SpoolSQLite", .nio("NIOCore"), .nio("NIOPosix"),
                .nio("NIOHTTP1"),
            ]),
        // Assembly: settings → running daemon.
        .target(
            name: "SpoolService",
            dependencies: [
                "SpoolCore", "SpoolSQLite", "SpoolServer", "SpoolIngest", "SpoolQueue",
                "SpoolSender",
                "SpoolArchive",
                .nio("NIOCore"), .nio("NIOPosix"), .nio("NIOHTTP1"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ]),
        // The command line: arguments in, exit code out.
        .executableTarget(
            name: "loopspool",
            dependencies: [
                "SpoolArchive", "SpoolCore", "SpoolQueue", "SpoolService",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Logging", package: "swift-log"),
                .nio("NIOCore"), .nio("NIOHTTP1"),
            ]),

        .target(name: "SpoolTestKit", dependencies: ["SpoolCore"], path: "Tests/SpoolTestKit"),
        .testTarget(name: "SpoolCoreTests", dependencies: ["SpoolCore", "SpoolTestKit"]),
        .testTarget(name: "SpoolSQLiteTests", dependencies: ["SpoolSQLite", "SpoolTestKit"]),
        .testTarget(
            name: "SpoolServerTests",
            dependencies: [
                "SpoolCore", "SpoolServer", "SpoolTestKit", .nio("NIOCore"), .nio("NIOPosix"),
                .nio("NIOHTTP1"),
            ]),
        .testTarget(
            name: "SpoolIngestTests",
            dependencies: [
                "SpoolCore", "SpoolIngest", "SpoolSender", "SpoolServer", "SpoolTestKit",
                .nio("NIOCore"), .nio("NIOPosix"), .nio("NIOHTTP1"),
            ]),
        .testTarget(
            name: "SpoolQueueTests",
            dependencies: [
                "SpoolCore", "SpoolFaultKit", "SpoolQueue", "SpoolSQLite", "SpoolTestKit",
            ], exclude: ["Fixtures"]),
        // A disk that can be cut off and fails on demand: a SQLite VFS, and what Swift sees of it.
        .target(name: "CFaultVFS", dependencies: ["CSQLite"], path: "Tests/CFaultVFS"),
        .target(
            name: "SpoolFaultKit", dependencies: ["CFaultVFS"], path: "Tests/SpoolFaultKit"),
        .testTarget(
            name: "PowerCutTests",
            dependencies: [
                "SpoolCore", "SpoolFaultKit", "SpoolQueue", "SpoolSQLite", "SpoolTestKit",
            ]),
        .testTarget(
            name: "SpoolSenderTests",
            dependencies: [
                "SpoolCore", "SpoolSender", "SpoolTestKit", .nio("NIOCore"), .nio("NIOPosix"),
            ]),
        .testTarget(
            name: "SpoolArchiveTests",
            dependencies: [
                "SpoolArchive", "SpoolCore", "SpoolServer", "SpoolSQLite", "SpoolTestKit",
                .nio("NIOCore"),
                .nio("NIOPosix"), .nio("NIOHTTP1"),
            ]),
        .testTarget(
            name: "SpoolServiceTests",
            dependencies: [
                "SpoolCore", "SpoolQueue", "SpoolSQLite", "SpoolService", "SpoolServer",
                "SpoolTestKit", .nio("NIOCore"), .nio("NIOHTTP1"), .nio("NIOPosix"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        // The real queue and the real sender on virtual time.
        .testTarget(
            name: "SimulationTests",
            dependencies: [
                "SpoolCore", "SpoolFaultKit", "SpoolQueue", "SpoolSQLite", "SpoolSender",
                "SpoolTestKit",
            ], exclude: ["seeds.txt"]),
        .testTarget(
            name: "CommandLineTests",
            dependencies: [
                "SpoolCore", "SpoolServer", "SpoolService", "SpoolTestKit", "loopspool",
                .nio("NIOCore"), .nio("NIOPosix"), .nio("NIOHTTP1"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(name: "TidyTests"),
    ],
    swiftLanguageModes: [.v6]
)

// Applied to every target of ours, so that no module can opt out of the house settings.
for target in package.targets where target.type != .system && !target.name.hasPrefix("C") {
    target.swiftSettings =
        (target.swiftSettings ?? []) + [
            .enableUpcomingFeature("ExistentialAny"),
            .enableUpcomingFeature("InternalImportsByDefault"),
            .enableUpcomingFeature("MemberImportVisibility"),
            .treatAllWarnings(as: .error),
        ]
}

extension Target.Dependency {
    static func nio(_ product: String) -> Target.Dependency {
        .product(name: product, package: "swift-nio")
    }
}
