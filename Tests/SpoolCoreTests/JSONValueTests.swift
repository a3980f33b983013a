import SpoolCore
import Testing

@Suite("JSON value")
struct JSONValueTests {
    @Test("members and elements are reached by key and index")
    func subscripts() throws {
        let text = #"{"error":{"code":404,"detail":["no such log",null]},"ok":false}"#
        let value = try JSONValue(parsing: Array(text.utf8))
        #expect(value["error"]?["code"]?.intValue == 404)
        #expect(value["error"]?["detail"]?[0]?.stringValue == "no such log")
        #expect(value["error"]?["detail"]?[1]?.isNull == true)
        #expect(value["ok"]?.boolValue == false)
        #expect(value["error"]?["detail"]?[2] == nil)
        #expect(value["error"]?["detail"]?[-1] == nil)
        #expect(value["none"] == nil)
        #expect(value[0] == nil)
        #expect(value["ok"]?["x"] == nil)
    }

    @Test("members keep their order and their duplicates, and the last one of a name wins")
    func duplicates() throws {
        let value = try JSONValue(parsing: Array(#"{"b":1,"a":2,"b":3}"#.utf8))
        #expect(value.members?.map(\.0) == ["b", "a", "b"])
        #expect(value["b"]?.intValue == 3)
    }

    @Test("a value answers only for what it is")
    func accessors() throws {
        let value = try JSONValue(
            parsing: Array(#"["1",1,1.0,1e400,true,null,{},[],123456789012345678901]"#.utf8))
        let elements = try #require(value.elements)
        #expect(elements.map(\.stringValue) == ["1"] + [String?](repeating: nil, count: 8))
        #expect(elements.map(\.intValue) == [nil, 1] + [Int?](repeating: nil, count: 7))
        #expect(elements[2].doubleValue == 1)
        #expect(elements[3].doubleValue == nil)
        #expect(elements[8].doubleValue == 123_456_789_012_345_683_968)
        #expect(elements.map(\.boolValue).compactMap(\.self) == [true])
        #expect(elements.map(\.isNull).firstIndex(of: true) == 5)
        #expect(elements.map { $0.members != nil }.firstIndex(of: true) == 6)
        #expect(elements.map { $0.elements != nil }.firstIndex(of: true) == 7)
    }

    @Test("the parser's verdict is the scanner's, over the whole corpus")
    func verdicts() {
        for text in JSONCorpus.all {
            let parsed = Result { () throws(JSONError) in try JSONValue(parsing: text.bytes) }
            switch parsed {
            case .success: #expect(text.refusal == nil, "\(text.name)")
            case .failure(let error): #expect(scan(text.bytes).refusal == error, "\(text.name)")
            }
        }
    }

    @Test("values are equal when kind, order and content are")
    func equality() throws {
        let texts =
            ["null", "0", "1", "1.0", "true", "false", "\"\"", "\"1\"", "[]", "[1]", "{}"]
            + [#"{"a":1}"#, #"{"b":1}"#, #"{"a":2}"#, #"{"a":1,"b":1}"#, #"{"b":1,"a":1}"#]
        let values = try texts.map { try JSONValue(parsing: Array($0.utf8)) }
        for (left, leftValue) in values.enumerated() {
            for (right, rightValue) in values.enumerated() {
                #expect((leftValue == rightValue) == (left == right), "\(left) and \(right)")
            }
        }
    }
}
