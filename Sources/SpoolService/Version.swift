/// The program's version, as `--version`, `status` and the `User-Agent` say it.
public enum Version {
    /// The version, as semver.org counts.
    public static let current = "0.1.0"
}
