//! The lines of a list.

/// A line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The line number, counted from one.
    pub(super) line: usize,
    pub(super) file: String,
    pub(super) class: String,
    /// The split in the split column.
    pub(super) split: Option<&'static str>,
}

/// The cells of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cells {
    /// The line number, counted from one.
    pub(super) line: usize,
    pub(super) cells: Vec<String>,
}

/// A line that is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dropped {
    /// The line number, counted from one.
    pub(super) line: usize,
    /// The reason, or the file that does not exist.
    pub(super) what: String,
}

/// What separates cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Separator {
    Byte(u8),
    /// Spaces, which may also occur in file names and classes.
    Spaces,
}

/// Shortens a line for a message.
pub(super) fn shortened(line: &str) -> String {
    match line.char_indices().nth(80) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}
