//! Whether a stream is a terminal that shows colors or moving bars. The environment variables are read here only.

use std::io::IsTerminal;

/// Whether the user wants colors: not with a non-empty `NO_COLOR` (no-color.org).
pub(super) fn wants_color() -> bool {
    !is_set("NO_COLOR")
}

/// Whether `stream` is a terminal on which escape sequences for colors and cursor movement are welcome.
pub(super) fn is_capable(stream: &impl IsTerminal) -> bool {
    // Windows terminals set no `TERM`.
    let dumb = std::env::var_os("TERM").map_or(cfg!(unix), |term| term.is_empty() || term == "dumb");
    stream.is_terminal() && wants_color() && !dumb
}

/// Whether a terminal shows 24-bit colors.
pub(super) fn has_true_color() -> bool {
    std::env::var("COLORTERM").is_ok_and(|value| ["truecolor", "24bit"].contains(&value.as_str()))
}

/// Returns `text` in an SGR color such as `1;31`, if `stream` shows colors.
pub(crate) fn paint(stream: &impl IsTerminal, text: &str, color: &str) -> String {
    if is_capable(stream) { format!("\x1b[{color}m{text}\x1b[0m") } else { text.to_owned() }
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}
