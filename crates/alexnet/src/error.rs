//! The error type of the crate: what failed, the value, what was expected, and how to fix it.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

use alexnet_kernels::memory::OutOfMemory;

/// A `Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// The category of an error. Each one has its own exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any other failure: exit code 1.
    Runtime,
    /// Invalid arguments, recipes or settings: exit code 2.
    Usage,
    /// Unusable images, labels, or the files that hold them: exit code 3.
    Data,
    /// Unusable model files or checkpoints: exit code 4.
    Model,
    /// Training diverged, with non-finite values: exit code 5.
    Diverged,
    /// Interrupted by the signal with this number: exit code 128 + the number, as in shells.
    Interrupted(u8),
}

impl Kind {
    /// Returns the exit code of a program that fails with an error of this kind.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Runtime => 1,
            Self::Usage => 2,
            Self::Data => 3,
            Self::Model => 4,
            Self::Diverged => 5,
            Self::Interrupted(signal) => 128u8.saturating_add(signal),
        }
    }
}

/// An error that its user can act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The category, which determines the exit code.
    pub kind: Kind,
    /// What failed: the thing, its value, and what was expected.
    pub message: String,
    /// The command or the edit that fixes it, if one is known.
    pub help: Option<String>,
    /// The underlying cause, if a caller may want to react to it.
    pub cause: Option<Box<Cause>>,
}

/// The underlying cause of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The file system failed.
    Io(std::io::ErrorKind),
    /// Memory is insufficient.
    OutOfMemory {
        /// Bytes needed.
        needed: usize,
        /// Bytes available, if known.
        available: Option<usize>,
    },
    /// Threads could not be started.
    Threads {
        /// Number of threads requested.
        requested: usize,
    },
    /// Something has the wrong shape or size.
    Shape {
        /// What has it.
        what: String,
        /// The shape found.
        found: String,
        /// The shape expected.
        expected: String,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::OutOfMemory { needed, available } => {
                write!(f, "not enough memory: {} needed", Bytes(*needed))?;
                available.map_or(Ok(()), |available| write!(f, ", {} available", Bytes(available)))
            }
            Self::Threads { requested } => match requested {
                1 => f.write_str("cannot start a thread"),
                _ => write!(f, "cannot start {requested} threads"),
            },
            Self::Shape { what, found, expected } => write!(f, "{what}: {found}, expected {expected}"),
        }
    }
}

/// A number of bytes, shown in MiB or GiB.
struct Bytes(usize);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebibytes = self.0 as f64 / f64::from(1 << 20);
        match mebibytes < 1024.0 {
            true => write!(f, "{mebibytes:.1} MiB"),
            false => write!(f, "{:.1} GiB", mebibytes / 1024.0),
        }
    }
}

impl Error {
    /// Creates an error of the given kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), help: None, cause: None }
    }

    /// Creates an error about arguments, recipes or settings.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// Creates an error about images, labels, or their files.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(Kind::Data, message)
    }

    /// Creates an error about a model file or checkpoint.
    pub fn model(message: impl Into<String>) -> Self {
        Self::new(Kind::Model, message)
    }

    /// Creates an error from a failed file operation: `PATH: cannot DOING: ERROR`.
    pub fn io(path: impl AsRef<Path>, doing: &str, error: &std::io::Error) -> Self {
        let message = format!("{}: cannot {doing}: {error}", shown(path.as_ref()));
        Self { cause: Some(Box::new(Cause::Io(error.kind()))), ..Self::new(Kind::Runtime, message) }
    }

    /// Insufficient memory: `needed` bytes of `available`.
    pub fn out_of_memory(needed: usize, available: Option<usize>) -> Self {
        Self::caused(Kind::Runtime, Cause::OutOfMemory { needed, available })
    }

    /// Threads that could not be started, with the reason.
    pub fn threads(requested: usize, reason: &impl fmt::Display) -> Self {
        let error = Self::caused(Kind::Runtime, Cause::Threads { requested });
        Self { message: format!("{}: {reason}", error.message), ..error }
    }

    /// A wrong shape or size.
    pub fn shape(what: impl ToString, found: impl ToString, expected: impl ToString) -> Self {
        let (what, found, expected) = (what.to_string(), found.to_string(), expected.to_string());
        Self::caused(Kind::Runtime, Cause::Shape { what, found, expected })
    }

    fn caused(kind: Kind, cause: Cause) -> Self {
        Self { message: cause.to_string(), cause: Some(Box::new(cause)), ..Self::new(kind, "") }
    }

    /// The same failure with details on the lines after the message.
    #[must_use]
    pub fn detail(mut self, detail: impl fmt::Display) -> Self {
        self.message = format!("{}\n{detail}", self.message);
        self
    }

    /// Sets the help.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Prepends a description of what was being done to the message.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }
}

impl From<OutOfMemory> for Error {
    fn from(found: OutOfMemory) -> Self {
        Self::out_of_memory(found.bytes, None)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

/// Returns the candidate closest to a mistyped `word`, if any is close.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let scored = candidates.into_iter().map(|c| (strsim::normalized_damerau_levenshtein(word, c), c));
    scored
        .filter(|(score, _)| *score >= 0.4)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// Formats a path on one line, with control characters escaped.
pub(crate) fn shown(path: &Path) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    path.to_string_lossy().chars().map(escape).collect()
}

/// Quotes a path for use in a shell command, if it needs quotes. A leading `-` gets a `./` in front.
pub fn shell(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    match path.as_os_str().as_encoded_bytes().first() {
        // It would be read as an option.
        Some(b'-') => shell_word(Path::new(".").join(path)),
        _ => shell_word(path),
    }
}

/// Quotes a word for use in a shell command, if it needs quotes.
pub fn shell_word(word: impl AsRef<OsStr>) -> String {
    let word = word.as_ref();
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
    match word.to_str() {
        Some(text) if !text.is_empty() && text.chars().all(plain) => text.to_owned(),
        Some(text) if !text.chars().any(char::is_control) => format!("'{}'", text.replace('\'', r"'\''")),
        _ => word.as_encoded_bytes().iter().fold("$'".to_owned(), |text, &byte| text + &escaped(byte)) + "'",
    }
}

/// Escapes a byte between `$'` and `'`.
fn escaped(byte: u8) -> String {
    match byte {
        b'\'' | b'\\' => format!("\\{}", byte as char),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_rendered_with_their_values() {
        let available = Some(1_950_000_000);
        assert_eq!(
            Error::out_of_memory(3_400_000_000, available).to_string(),
            "not enough memory: 3.2 GiB needed, 1.8 GiB available"
        );
        assert_eq!(Error::out_of_memory(5 << 19, None).message, "not enough memory: 2.5 MiB needed");
        let of_kernel = Error::from(OutOfMemory { bytes: 5 << 19 });
        assert_eq!(of_kernel, Error::out_of_memory(5 << 19, None));
        let error = Error::threads(1000, &"limit reached");
        assert_eq!(error.message, "cannot start 1000 threads: limit reached");
        assert_eq!(
            (error.kind, error.cause.as_deref()),
            (Kind::Runtime, Some(&Cause::Threads { requested: 1000 }))
        );
        assert_eq!(Error::shape("mean", "2 values", 3).message, "mean: 2 values, expected 3");
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        for (text, expected) in [
            ("runs/pets-1", "runs/pets-1"),
            ("my pets", "'my pets'"),
            ("", "''"),
            ("it's $HOME", r"'it'\''s $HOME'"),
            ("~/pets", "'~/pets'"),
            ("é/日本", "é/日本"),
            ("-rf", "./-rf"),
            ("a\nb' \\", r"$'a\x0ab\' \\'"),
        ] {
            assert_eq!(shell(text), expected);
        }
    }

    #[cfg(unix)]
    #[test]
    fn bash_reads_any_quoted_path() {
        use std::os::unix::ffi::OsStrExt;
        for bytes in [b"a b\xff\n'\\\"$x`".as_slice(), b"-n", b"~", "é*".as_bytes()] {
            let path = std::ffi::OsStr::from_bytes(bytes);
            let echo = format!("printf %s {}", shell(path));
            let Ok(read) = std::process::Command::new("bash").args(["-c", &echo]).output() else { return };
            let read = read.stdout.strip_prefix(b"./").unwrap_or(&read.stdout);
            assert_eq!(read, bytes);
        }
    }
}
