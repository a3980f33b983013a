import ArgumentParser
import SpoolService

/// The command line: arguments in, exit code out.
@main
struct Loopspool: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "loopspool",
        abstract: "A local sidecar that makes LLM logs and feedback durable, then delivers them.",
        discussion: """
            Apps hand loopspool their Humanloop v4 logs over a Unix socket or localhost HTTP. An \
            acknowledged event is on disk, and stays there until upstream has it.

            Examples:
              loopspool run
              loopspool run --upstream https://logs.example.com/v4
              loopspool log --project demo --output "Hello"
              loopspool status
            """,
        version: Version.current,
        subcommands: [
            RunCommand.self, StatusCommand.self, LogCommand.self, FeedbackCommand.self,
            SendCommand.self, DeadCommand.self, DoctorCommand.self,
            ArchiveCommand.self,
        ])
}
