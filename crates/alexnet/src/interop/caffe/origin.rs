//! Where a value stands, for messages.

use std::fmt::Display;

use crate::Error;
use crate::error::Kind;

/// A file, for messages about its contents.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// The name of the file.
    pub(super) name: String,
    /// The kind of errors about it.
    pub(super) kind: Kind,
}

impl Origin {
    /// A text that a person has written, or could have.
    pub(super) fn text(name: &str) -> Self {
        Self { name: name.to_owned(), kind: Kind::Usage }
    }

    /// A file of weights.
    pub(super) fn binary(name: &str) -> Self {
        Self { name: name.to_owned(), kind: Kind::Model }
    }

    /// Creates an error about a line, if known, or about the file.
    pub(super) fn refuse(&self, line: Option<usize>, message: impl Display) -> Error {
        Error::new(self.kind, format!("{}: {message}", self.at(line)))
    }

    /// Formats a position: `deploy.prototxt:12`.
    pub(super) fn at(&self, line: Option<usize>) -> String {
        match line {
            Some(line) => format!("{}:{line}", self.name),
            None => self.name.clone(),
        }
    }
}

/// Shortens a text for a message, and escapes control characters.
pub(super) fn short(text: &str) -> String {
    let mut out: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        out.push_str("...");
    }
    out.replace("\\'", "'").replace("\\\"", "\"")
}
