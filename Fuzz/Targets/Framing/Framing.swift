import FuzzKit
import NIOHTTP1
import SpoolCore

@testable import SpoolIngest
@testable import SpoolServer

/// Where a message ends is either clear or it is refused (RFC 9112, section 6.3), what it asks for
/// is bounded, and no header that is ours to keep goes upstream.
@main
enum Framing {
    static func main() {
        Fuzzer.run { input in
            let lines = input.split(
                separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false
            ).map { String(decoding: $0, as: UTF8.self) }
            let head = head(lines[...])
            checkFraming(head)
            checkOriginForm(head)
            checkPreference(head)
            checkFields(head)
        }
    }

    private static func head(_ lines: ArraySlice<String>) -> HTTPRequestHead {
        let words = (lines.first ?? "").split(separator: " ", omittingEmptySubsequences: false)
        var headers = HTTPHeaders()
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            // The parser refuses other names before anything of ours sees them (RFC 9110, 5.6.2).
            guard parts.count == 2, parts[0].utf8.allSatisfy(isTokenByte) else { continue }
            headers.add(name: String(parts[0]), value: String(parts[1].drop { $0 == " " }))
        }
        return HTTPRequestHead(
            version: words.last == "HTTP/1.0" ? .http1_0 : .http1_1,
            method: HTTPMethod(rawValue: String(words[0])),
            uri: words.count > 1 ? String(words[1]) : "/", headers: headers)
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        let character = Character(UnicodeScalar(byte))
        return character.isASCII && (character.isLetter || character.isNumber)
            || "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }

    private static func checkFraming(_ head: HTTPRequestHead) {
        let framing = RequestFraming(head)
        let lengths = head.headers.filter { $0.name.lowercased() == "content-length" }
        let codings = head.headers.filter { $0.name.lowercased() == "transfer-encoding" }
        if let refusal = framing.refusal {
            require([400, 417, 501].contains(refusal.status), "status \(refusal.status)")
            require(!refusal.reason.isEmpty, "no reason")
        } else {
            require(lengths.count + codings.count <= 1, "two lengths were taken")
            require(codings.isEmpty || head.version == .http1_1, "a coding in HTTP/1.0")
        }
        switch framing.length {
        case .none:
            let said = lengths.allSatisfy { $0.value.utf8.allSatisfy { $0 == 0x30 } }
            require(framing.refusal != nil || said && codings.isEmpty, "a body was overlooked")
            require(!framing.expectsContinue, "it waits to send nothing")
        case .bytes(let bytes):
            require(bytes > 0 && !lengths.isEmpty, "\(bytes) bytes")
            let isExact = lengths.first.flatMap { UInt64($0.value) }.map { Int(clamping: $0) }
            require(framing.refusal != nil || isExact == bytes, "\(bytes) of \(lengths)")
        case .chunked: require(!codings.isEmpty, "chunks out of nowhere")
        }
        require(framing.isHead == (head.method == .HEAD), "HEAD")
        if head.headers.contains(name: "upgrade") || head.method == .CONNECT {
            require(!framing.keepsAlive, "the decoder has stopped")
        }
    }

    private static func checkOriginForm(_ head: HTTPRequestHead) {
        let origin = head.inOriginForm()
        require(origin.inOriginForm() == origin, "\(origin.uri) is no origin form yet")
        require(origin.method == head.method && origin.version == head.version, "changed")
        let uri = Array(head.uri.utf8)
        guard uri != Array(origin.uri.utf8) else { return }
        require(origin.uri.utf8.first == UInt8(ascii: "/"), origin.uri)
        let host = origin.headers["host"]
        require(host.count == 1, "\(host.count) hosts")
        require(!(host.first ?? "").utf8.contains { "/?#".utf8.contains($0) }, host.first ?? "")
    }

    private static func checkPreference(_ head: HTTPRequestHead) {
        guard let seconds = Preference.waitSeconds(head.headers) else { return }
        let most = Int(Limits.preferredWaitMax.components.seconds)
        require((0...most).contains(seconds), "a wait of \(seconds) s")
    }

    private static func isKey(_ name: String) -> Bool { name.lowercased() == "x-api-key" }

    private static func checkFields(_ head: HTTPRequestHead) {
        let token = AccessToken("a token of sixteen bytes")
        let fields = LiveFields.toUpstream(head.headers, lentKey: nil, token: token)
        let names = Set(["accept", "content-type", "user-agent", "x-api-key"])
        require(names.isSuperset(of: fields.map { $0.name.lowercased() }), "\(fields)")
        require(!fields.contains { token.isEqual(to: $0.value) && isKey($0.name) }, "the token")
        let lent = LiveFields.toUpstream(head.headers, lentKey: "lent", token: token)
        require(lent.filter { isKey($0.name) }.map { $0.value } == ["lent"], "\(lent)")
        let back = LiveFields.toClient(head.headers.map { ($0.name, $0.value) })
        let hops = Set(["connection", "transfer-encoding", "content-length", "set-cookie"])
        require(hops.isDisjoint(with: back.map { $0.0.lowercased() }), "\(back.map(\.0))")
    }
}
