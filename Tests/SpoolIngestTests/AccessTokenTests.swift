import NIOHTTP1
import SpoolCore
import SpoolIngest
import SpoolServer
import SpoolTestKit
import Testing

/// The optional token of the TCP port.
@Suite struct AccessTokenTests {
    private static let secret = "correct-horse-battery"
    private let token = AccessToken(Self.secret)

    private func planned(_ headers: HTTPHeaders, _ path: String = "/logs", peer: Peer = .tcp)
        -> HTTPAnswer?
    {
        IngestDesk(settings: IngestSettings(tcpToken: token))
            .planned("POST", path, headers, peer: peer)
    }

    @Test(arguments: [
        ("Authorization", "Bearer correct-horse-battery"),
        ("authorization", "bearer  correct-horse-battery"),
        ("X-API-KEY", "correct-horse-battery"), ("x-api-key", "correct-horse-battery"),
    ])
    func `a request with the token comes in, in either field`(name: String, value: String) {
        #expect(planned([name: value]) == nil)
        #expect(planned(["X-API-KEY": "hl_sk_own", name: value]) == nil)
    }

    @Test(
        arguments: [
            nil, ("Authorization", "correct-horse-battery"), ("Authorization", "Bearer"),
            ("Authorization", "Bearer "), ("Authorization", "Basic correct-horse-battery"),
            ("Authorization", "Bearer correct-horse-batterz"),
            ("Authorization", "Bearer xorrect-horse-battery"),
            ("Authorization", "Bearer correct-horse-batter"),
            ("Authorization", "Bearer correct-horse-battery2"),
            ("Authorization", "Bearer correct-horse-battery x"), ("X-API-KEY", ""),
            ("X-API-KEY", "hl_sk_own"), ("X-API-KEY", "Bearer correct-horse-battery"),
            ("X-API-KEY", "CORRECT-HORSE-BATTERY"), ("Cookie", "correct-horse-battery"),
        ] as [(String, String)?])
    func `every other request on TCP is 401, whatever its path, and says what to do`(
        field: (String, String)?
    ) throws {
        let headers = field.map { HTTPHeaders([$0]) } ?? [:]
        for path in ["/logs", "/v4/chat", "/sessions/s", "/healthz", "/nowhere"] {
            let answer = try #require(planned(headers, path))
            #expect(answer.status == 401)
            #expect(answer.header("WWW-Authenticate") == "Bearer")
            let detail = try #require(answer.detailText)
            #expect(detail.contains("Authorization: Bearer"))
            #expect(!detail.contains(Self.secret))
        }
    }

    @Test func `a Unix socket asks for no token, nor does a port without one`() {
        #expect(planned([:], peer: Peer(uid: 1, gid: 1, pid: 1)) == nil)
        #expect(IngestDesk().planned("POST", "/logs", [:], peer: .tcp) == nil)
    }

    @Test func `foreign pages are told so before they are asked for a token`() {
        #expect(planned(["Origin": "https://evil.example"])?.status == 403)
        #expect(planned(["Host": "evil.example"])?.status == 403)
    }

    @Test func `a token prints as nothing of itself`() {
        var settings = IngestSettings()
        settings.tcpToken = token
        for text in ["\(token)", "\(settings)", String(reflecting: token)] {
            #expect(!text.contains("horse"))
            #expect(!text.contains("99, 111, 114"), "the bytes of the token: \(text)")
        }
    }

    // MARK: Live calls

    /// The keys with which a call arrives upstream.
    private func keys(_ headers: HTTPHeaders, peer: Peer, daemonKey: String?) throws -> [String] {
        let desk = LiveDesk(settings: LiveSettings(tcpToken: token, daemonKey: daemonKey))
        _ = desk.send("GET", "/projects", headers: headers, peer: peer)
        let sent = try #require(desk.upstream.calls.first).request.headers
        #expect(!sent.contains { $0.value.contains(Self.secret) })
        return sent.filter { $0.name.lowercased() == "x-api-key" }.map(\.value)
    }

    @Test func `whoever knows the token is lent the daemon's key, and the token stays here`() throws
    {
        let bearer: HTTPHeaders = ["Authorization": "Bearer \(Self.secret)"]
        let key: HTTPHeaders = ["x-api-key": Self.secret]
        let both: HTTPHeaders = ["Authorization": "Bearer \(Self.secret)", "X-API-KEY": "own"]
        for headers in [bearer, key, both] {
            #expect(try keys(headers, peer: .tcp, daemonKey: "daemon") == ["daemon"])
        }
        #expect(try keys(bearer, peer: .tcp, daemonKey: nil) == [])
        #expect(try keys(key, peer: .tcp, daemonKey: nil) == [])
        #expect(try keys(both, peer: .tcp, daemonKey: nil) == ["own"])
    }

    @Test func `on a Unix socket the token lends nothing, and stays here too`() throws {
        let peer = Peer(uid: 1000, gid: 1, pid: 1)
        #expect(try keys(["X-API-KEY": Self.secret], peer: peer, daemonKey: "daemon") == [])
        #expect(try keys(["X-API-KEY": "own"], peer: peer, daemonKey: "daemon") == ["own"])
    }
}
