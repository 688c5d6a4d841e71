//! Names of files and classes as they can be printed: they may contain terminal escapes.

/// Replaces control characters except newlines: names of files and classes can contain terminal escapes.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// Replaces all control characters: for the fields of a line.
pub(crate) fn one_line(text: &str) -> String {
    printable(text).replace('\n', "\u{fffd}")
}

/// A name on one line: control characters as escapes such as `\n`.
pub(crate) fn escaped(name: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    name.chars().map(escape).collect()
}
