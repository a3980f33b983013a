import SpoolCore
import SpoolSender
import Testing

@Suite struct `Upstream address` {
    @Test(
        arguments: [
            ("http://127.0.0.1:7575", "http://127.0.0.1:7575"),
            ("http://127.0.0.1:7575/v4/", "http://127.0.0.1:7575/v4"),
            ("HTTPS://API.Example.com/V4//", "https://api.example.com/V4"),
            ("http://[::1]:80/a b", "http://[::1]:80/a%20b"),
            ("http://h/a%20b/ä", "http://h/a%20b/%C3%A4"),
            ("http://h/5%/%zz", "http://h/5%25/%25zz"),
            ("unix:/run/loopspool/archive.sock", "unix:/run/loopspool/archive.sock"),
        ])
    func `is kept as it is but for case and trailing slashes`(
        text: String, description: String
    ) throws {
        #expect(try UpstreamAddress(text).description == description)
    }

    @Test(arguments: [
        "", "localhost:80", "ftp://h", "http://", "http:///v4", "http://:80", "http://h/v4?x=1",
        "http://h/#f", "http://h:0", "http://h:65536/v4", "http://h:-1", "http://h:abc/v4",
        "http://h:",
        "http://h:+80", "http://h:99999999999999999999", "http://[::1]:65536", "http://[::1",
        "http://::1",
        "unix:",
        "unix:/", "unix:relative.sock",
        "unix:/" + String(repeating: "x", count: 200),
    ])
    func `is refused with a reason when it leads nowhere`(text: String) {
        #expect(throws: UpstreamAddressError.self) { try UpstreamAddress(text) }
    }

    @Test func `with a password in it is refused without repeating it`() {
        #expect {
            try UpstreamAddress("http://me:secret@h/v4")
        } throws: { error in
            !"\(error)".contains("secret") && "\(error)".contains("LOOPSPOOL_API_KEY")
        }
    }
}

@Suite struct `Encoding requests` {
    @Test func `references are percent-encoded byte by byte`() {
        #expect(PercentEncoding.encoded("aZ0-._~") == "aZ0-._~")
        #expect(
            PercentEncoding.encoded("a/b?c&d=e+f g%20ä\n")
                == "a%2Fb%3Fc%26d%3De%2Bf%20g%2520%C3%A4%0A")
    }

    @Test func `a single log or feedback travels as an array of one`() {
        for kind in [EventKind.log, .feedback] {
            let request = RequestEncoder.request(
                for: .of(kind), places: [0], timeout: .seconds(1))
            #expect(request.body.first == UInt8(ascii: "["))
            #expect(request.body.last == UInt8(ascii: "]"))
            #expect(request.target == kind.route.path)
        }
    }

    @Test func `an update travels as the object it is, addressed by its reference`() {
        let request = RequestEncoder.request(
            for: .of(.update), places: [0], timeout: .seconds(1))
        #expect(request.method == "PATCH")
        #expect(request.target == "/logs?reference_id=r%201000")
        #expect(String(decoding: request.body, as: UTF8.self) == #"{"type":"t","value":"n1000"}"#)
    }

    @Test func `only the chosen events travel, byte for byte`() {
        let request = RequestEncoder.request(
            for: .of(.log, 3), places: [0, 2], timeout: .seconds(1))
        #expect(
            String(decoding: request.body, as: UTF8.self)
                == #"[{"reference_id":"r1000","output":"x"},{"reference_id":"r1002","output":"x"}]"#
        )
    }
}
