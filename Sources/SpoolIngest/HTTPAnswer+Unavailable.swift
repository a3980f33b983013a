import SpoolCore
import SpoolServer

extension HTTPAnswer {
    /// 503, and when to try again. Never 429, on which the TypeScript SDK freezes its caller.
    static func unavailable(_ text: String) -> HTTPAnswer {
        var answer = HTTPAnswer.detail(status: 503, text)
        answer.headers.append(("Retry-After", String(Limits.retryAfterSeconds)))
        return answer
    }
}
