//! One error type: what failed, with its value and what was expected, and the way out.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// What a failure is about; each kind is an exit code of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Anything that is none of the below: exit code 1.
    Runtime,
    /// Arguments, recipes and settings: exit code 2.
    Usage,
    /// Images, labels and the files that hold them: exit code 3.
    Data,
    /// Model files and checkpoints: exit code 4.
    Model,
    /// The loss is not a number any more: exit code 5.
    Diverged,
    /// Ended by a signal of this number: exit code 128 + the number, as shells have it.
    Interrupted(u8),
}

impl Kind {
    /// The program's exit code.
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

/// A failure, told in the user's terms.
///
/// `message` names the thing, its value and what was expected; `help` is the command or the edit that works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What it is about.
    pub kind: Kind,
    /// The thing, its value, what was expected.
    pub message: String,
    /// The way out, if one is known.
    pub help: Option<String>,
    /// What the system said, where it failed: what different failures may have in common.
    pub cause: Option<std::io::ErrorKind>,
}

impl Error {
    /// A failure of the given kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), help: None, cause: None }
    }

    /// A failure in arguments, recipes or settings.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// A failure in images, labels or their files.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(Kind::Data, message)
    }

    /// A failure in a model file or checkpoint.
    pub fn model(message: impl Into<String>) -> Self {
        Self::new(Kind::Model, message)
    }

    /// A failure of the file system at `path`.
    pub fn io(path: impl AsRef<Path>, doing: &str, error: &std::io::Error) -> Self {
        let message = format!("{}: cannot {doing}: {error}", shown(path.as_ref()));
        Self { cause: Some(error.kind()), ..Self::new(Kind::Runtime, message) }
    }

    /// The same failure with the way out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same failure with what was being done put in front.
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

/// A path on one line: what steers a terminal, or ends the line, as escapes such as `\n`.
fn shown(path: &Path) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    path.to_string_lossy().chars().map(escape).collect()
}

/// A path as a word of a command that a shell reads back: in quotes, where it holds anything but plain characters.
pub fn shell(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    match path.as_os_str().as_encoded_bytes().first() {
        // Without it, it would be read as an option.
        Some(b'-') => shell_word(Path::new(".").join(path)),
        _ => shell_word(path),
    }
}

/// A word of a command, as a shell reads it back: in quotes, where it holds anything but plain characters.
pub fn shell_word(word: impl AsRef<OsStr>) -> String {
    let word = word.as_ref();
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
    match word.to_str() {
        Some(text) if !text.is_empty() && text.chars().all(plain) => text.to_owned(),
        Some(text) if !text.chars().any(char::is_control) => format!("'{}'", text.replace('\'', r"'\''")),
        _ => word.as_encoded_bytes().iter().fold("$'".to_owned(), |text, &byte| text + &escaped(byte)) + "'",
    }
}

/// A byte between `$'` and `'`.
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
    fn a_shell_reads_words_back() {
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
    fn bash_reads_back_any_path() {
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
