//! Text that fits: names of classes and files can be long, in any script, and contain anything.

use std::borrow::Cow;

use crate::format::{cells, cut};

/// The width of a narrow character in font sizes, generously: sans-serif fonts differ.
const NARROW: f64 = 0.6;

/// Returns `name` cut to about `width` pixels at a font size, with an ellipsis where it was cut. The result is isolated from
/// the text around it, so that a right-to-left name has its ellipsis on the left.
pub(super) fn fitted(name: &str, width: f64, size: f64) -> String {
    let name: String =
        name.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    let most = (width / (NARROW * size)).floor() as usize;
    let text = cut(&name, most);
    match text.is_ascii() {
        true => text,
        false => format!("\u{2068}{text}\u{2069}"),
    }
}

/// Returns `text` in lines of about `width` pixels at a font size, broken at spaces; a word that is longer is cut.
pub(super) fn wrapped(text: &str, width: f64, size: f64) -> Vec<String> {
    let fits = |line: &str| cells(line) as f64 * NARROW * size <= width;
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if fits(&format!("{line} {word}")) => *line += &format!(" {word}"),
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines.iter().map(|line| fitted(line, width, size)).collect()
}

/// Formats a share as a percentage: 0.8342 is `83.4 %`.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// Replaces characters that XML does not allow, even escaped.
pub(super) fn xml_text(text: &str) -> Cow<'_, str> {
    let forbidden = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{fffe}' | '\u{ffff}');
    match text.contains(forbidden) {
        false => Cow::Borrowed(text),
        true => Cow::Owned(text.replace(forbidden, "\u{fffd}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_and_wide_characters_count_double() {
        assert_eq!(fitted("cat", 60.0, 10.0), "cat");
        assert_eq!(fitted("ten letter", 60.0, 10.0), "ten letter");
        assert_eq!(fitted("eleven char", 60.0, 10.0), "\u{2068}eleven ch…\u{2069}");
        assert_eq!(fitted("two  words or more", 36.0, 10.0), "\u{2068}two…\u{2069}");
        assert_eq!(fitted("茶色の犬", 60.0, 10.0), "\u{2068}茶色の犬\u{2069}");
        assert_eq!(fitted("大きな茶色の犬", 60.0, 10.0), "\u{2068}大きな茶…\u{2069}");
        assert_eq!(fitted("", 60.0, 10.0), "");
        assert_eq!(fitted("anything", 0.0, 10.0), "\u{2068}…\u{2069}");
    }

    #[test]
    fn long_lines_are_broken_at_spaces() {
        assert_eq!(
            wrapped("split val of clothes, seed 0", 72.0, 10.0),
            ["split val of", "clothes,", "seed 0"]
        );
        assert_eq!(wrapped("a word-that-is-long", 60.0, 10.0), ["a", "\u{2068}word-that…\u{2069}"]);
        assert_eq!(wrapped("", 60.0, 10.0), [""; 0]);
    }

    #[test]
    fn characters_that_xml_forbids_are_replaced() {
        assert_eq!(xml_text("a\u{0}\u{1b}[31m\u{ffff}"), "a\u{fffd}\u{fffd}[31m\u{fffd}");
        assert_eq!(xml_text("größe\n<&>"), "größe\n<&>");
        assert_eq!(fitted("a\tb", 60.0, 10.0), "\u{2068}a\u{fffd}b\u{2069}");
    }
}
