/// What a request body holds.
enum BodyForm {
    case log
    case feedback
    case update(LogName)
    case session
    /// The address is that of ``EventDraft/address``.
    case evaluationLog(address: String)
    case evaluationResult(address: String)

    /// Whether several may come as an array.
    var takesArray: Bool {
        switch self {
        case .log, .feedback: true
        case .update, .session, .evaluationLog, .evaluationResult: false
        }
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
    /// Whether the array goes on after ``Limits/requestEventsMax`` events, where reading ended.
    private(set) var hasTooManyEvents = false
    /// What was found in the log inside an evaluation's log.
    var innerLog: Members?
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
        guard mayListMore else { return }
        refuse(place.loc(key), as: type, message)
    }

    /// Notes a mistake below a place.
    mutating func refuse(_ loc: [Mistake.Step], as type: Mistake.Kind, _ message: String) {
        guard mayListMore else { return }
        mistakes.append(Mistake(loc: loc, message: message, type: type))
    }

    /// Whether another mistake would be reported.
    var mayListMore: Bool { mistakes.count < Mistake.listedMax }

    /// Reads a whole body: one event, or an array of them where that is allowed. Of an array with too many
    /// only the beginning.
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
            guard index < Limits.requestEventsMax else {
                hasTooManyEvents = true
                return
            }
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
        case .update(let name):
            try readUpdate(of: name, at: place, into: &submission)
        case .session:
            try readSession(at: place, into: &submission)
        case .evaluationLog(let address):
            try readEvaluationLog(to: address, at: place, into: &submission)
        case .evaluationResult(let address):
            try readEvaluationResult(to: address, at: place, into: &submission)
        }
    }
}
