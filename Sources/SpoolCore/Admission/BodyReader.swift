/// What a request body holds.
enum BodyForm {
    case log
    case feedback
    case update(reference: String)

    /// Whether several may come as an array.
    var takesArray: Bool {
        if case .update = self { false } else { true }
    }
}

/// One body or line on its way through the decoder: the scanner, and what has been found wrong.
///
/// Reading goes on after a mistake, so that all of them are reported and JSON errors behind them
/// are found; but nothing is added to the submission any more.
struct BodyReader {
    let decoder: EventDecoder
    let bytes: UnsafeRawBufferPointer
    let now: Timestamp
    var scanner: JSONScanner
    /// At most ``Mistake/listedMax``, in the order of the text.
    private(set) var mistakes: [Mistake] = []
    var projects: ProjectPlaces
    /// What the answer needs; nil where nothing is answered.
    var answer: AnswerDraft?

    init(
        _ decoder: EventDecoder, _ bytes: UnsafeRawBufferPointer, depthMax: Int, answers: Bool
    ) {
        self.decoder = decoder
        self.bytes = bytes
        self.now = decoder.stamps.now()
        self.scanner = JSONScanner(bytes, depthMax: depthMax)
        // A line adds one event, so that an index over the others would not pay.
        self.projects = ProjectPlaces(isIndexed: answers)
        self.answer = answers ? AnswerDraft() : nil
    }

    /// Notes a mistake.
    mutating func refuse(
        _ place: Place, _ key: StaticString? = nil, as type: Mistake.Kind, _ message: String
    ) {
        guard mistakes.count < Mistake.listedMax else { return }
        mistakes.append(Mistake(loc: place.loc(key), message: message, type: type))
    }

    /// Reads a whole body: one event, or an array of them where that is allowed.
    mutating func readBody(
        _ form: BodyForm, into submission: inout Submission
    ) throws(JSONError) {
        let place = Place(root: "body")
        guard form.takesArray, try scanner.peekKind() == .array else {
            return try readEvent(form, at: place, into: &submission)
        }
        // An event may be as deep in an array as alone.
        scanner = JSONScanner(bytes, depthMax: Limits.jsonDepthMax + 1)
        answer?.beginArray()
        try scanner.enterArray()
        var index = 0
        while try scanner.nextElement() {
            try readEvent(form, at: place.at(element: index), into: &submission)
            index += 1
        }
        answer?.endArray()
    }

    private mutating func readEvent(
        _ form: BodyForm, at place: Place, into submission: inout Submission
    ) throws(JSONError) {
        switch form {
        case .log:
            try readLog(at: place, into: &submission)
        case .feedback:
            try readFeedback(at: place, into: &submission)
        case .update(let reference):
            try readUpdate(reference: reference, at: place, into: &submission)
        }
    }
}

/// Finds a project's place in ``Submission/projects``.
///
/// Few projects are compared one by one, which costs no allocation; many, in an array of logs, are
/// indexed, so that 10,000 logs of 10,000 projects are not compared 50 million times.
struct ProjectPlaces {
    private static let comparedMax = 16
    private let isIndexed: Bool
    private var last = 0
    private var index: [String: Int] = [:]

    init(isIndexed: Bool) {
        self.isIndexed = isIndexed
    }

    /// The place of the project `prefix` + `content`, added to the list when it is new.
    mutating func place(
        of prefix: StaticString, _ content: UnsafeRawBufferPointer, in projects: inout [String]
    ) -> Int {
        if last < projects.count, Self.equals(projects[last], prefix, content) { return last }
        last = find(prefix, content, in: projects) ?? projects.count
        if last == projects.count {
            projects.append(prefix.description + String(decoding: content, as: UTF8.self))
        }
        return last
    }

    private mutating func find(
        _ prefix: StaticString, _ content: UnsafeRawBufferPointer, in projects: [String]
    ) -> Int? {
        guard isIndexed, projects.count > Self.comparedMax else {
            return projects.firstIndex { Self.equals($0, prefix, content) }
        }
        for place in index.count..<projects.count { index[projects[place]] = place }
        return index[prefix.description + String(decoding: content, as: UTF8.self)]
    }

    private static func equals(
        _ project: String, _ prefix: StaticString, _ content: UnsafeRawBufferPointer
    ) -> Bool {
        let length = prefix.utf8CodeUnitCount
        guard project.utf8.count == length + content.count else { return false }
        return prefix.withUTF8Buffer { project.utf8.starts(with: $0) }
            && project.utf8.dropFirst(length).elementsEqual(content)
    }
}
