//! The error type of the crate: what failed, the value, what was expected, and how to fix it.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

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
    /// The kind of the I/O error that caused it, if one did.
    pub cause: Option<std::io::ErrorKind>,
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
        Self { cause: Some(error.kind()), ..Self::new(Kind::Runtime, message) }
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

/// Formats a path on one line, with control characters escaped.
fn shown(path: &Path) -> String {
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
