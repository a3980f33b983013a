/// Finds a project's place in ``Submission/projects``.
///
/// Few projects are compared one by one, which costs no allocation; many, in an array of logs, are
/// indexed, so that 10,000 logs of 10,000 projects are not compared 50 million times.
struct ProjectPlaces {
    private static let comparedMax = 16
    private let isIndexed: Bool
    private var last = 0
    private var index: [ExactName: Int] = [:]

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
        for place in index.count..<projects.count { index[ExactName(projects[place])] = place }
        return index[ExactName(prefix.description + String(decoding: content, as: UTF8.self))]
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
