//! Numbers, durations, bytes, and lists of names in messages, and text in tables.

use unicode_width::UnicodeWidthChar;

/// Returns `number` with thousands separators: `1,281,167`.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Returns a count of things: `1 image`, `12,000 images`, `3 entries`, `4 classes`.
pub fn counted(number: usize, thing: &str) -> String {
    let stem = thing.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u']));
    match (number, stem) {
        (1, _) => format!("1 {thing}"),
        (_, Some(stem)) => format!("{} {stem}ies", grouped(number)),
        (_, None) if thing.ends_with('s') => format!("{} {thing}es", grouped(number)),
        (_, None) => format!("{} {thing}s", grouped(number)),
    }
}

/// Joins the first five names of a list: `a, b, c, d, e and 2 more`.
pub(crate) fn first_few(names: impl Iterator<Item: AsRef<str>>) -> String {
    joined(names, 5)
}

/// Joins the first twelve names of a list, where five would not tell what it is.
pub(crate) fn first_dozen(names: impl Iterator<Item: AsRef<str>>) -> String {
    joined(names, 12)
}

fn joined(mut names: impl Iterator<Item: AsRef<str>>, most: usize) -> String {
    let shown: Vec<String> = names.by_ref().take(most).map(|name| name.as_ref().to_owned()).collect();
    match names.count() {
        0 => shown.join(", "),
        more => format!("{} and {} more", shown.join(", "), grouped(more)),
    }
}

/// Returns things in a sentence: `8`, `8 and 11`, `8, 11 and 14`.
pub fn enumerated(things: &[String]) -> String {
    match things {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => things.concat(),
    }
}

/// Returns a loss: `0.6931`, and `2.41e17` for that of a training run that diverges.
pub fn loss(value: f64, decimals: usize) -> String {
    if value.abs() >= 1e4 { format!("{value:.2e}") } else { format!("{value:.decimals$}") }
}

/// Returns the number of a terminal's cells that a text takes: wide characters take two, accents none.
pub fn cells(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// Returns a text that takes `width` cells, or more if it is longer, with spaces at its end.
pub fn padded(text: &str, width: usize) -> String {
    text.to_owned() + &" ".repeat(width.saturating_sub(cells(text)))
}

/// Returns a text that takes `width` cells, or more if it is longer, with spaces at its start.
pub fn padded_left(text: &str, width: usize) -> String {
    " ".repeat(width.saturating_sub(cells(text))) + text
}

/// Returns a text of at most `most` cells, with an ellipsis where it was cut.
pub fn cut(text: &str, most: usize) -> String {
    if cells(text) <= most {
        return text.to_owned();
    }
    let mut left = most.saturating_sub(1);
    let fits = |c: &char| {
        let width = c.width().unwrap_or(0);
        let fits = width <= left;
        left = left.saturating_sub(width);
        fits
    };
    let start: String = text.chars().take_while(fits).collect();
    format!("{}\u{2026}", start.trim_end())
}

/// Returns the shortest decimal that names a number in single precision, which is what people wrote: 0.01, not
/// 0.009999999776. Calculations with it in double precision end at such numbers again.
pub(crate) fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

/// Returns a learning rate: `0.0005`, and `5e-10` for one below 0.0001.
pub(crate) fn learning_rate(rate: f32) -> String {
    if rate.abs() < 1e-4 { format!("{rate:e}") } else { rate.to_string() }
}

/// Returns bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns a measured value with three significant figures: `0.52`, `31.4`, `8,120`.
pub fn significant(value: f64) -> String {
    match value {
        v if v < 10.0 => format!("{v:.2}"),
        v if v < 100.0 => format!("{v:.1}"),
        v => grouped(v.round() as usize),
    }
}

/// Returns a probability: `0.031`, and `4.8e-5` for one below 0.001.
pub fn probability(p: f64) -> String {
    if p < 0.001 { format!("{p:.1e}") } else { format!("{p:.3}") }
}

/// Returns a duration in at most two units: `41 s`, `12 min`, `2 h 41 min`, `9 d 4 h`, `3 years`. The longest is
/// `over 100 years`.
pub fn duration(seconds: f64) -> String {
    const YEAR: u64 = 365 * 86_400;
    let s = seconds.max(0.0).round() as u64;
    match s {
        _ if s >= 100 * YEAR => "over 100 years".to_owned(),
        _ if s >= 2 * YEAR => format!("{} years", s / YEAR),
        0..60 => format!("{s} s"),
        60..600 => format!("{} min {:02} s", s / 60, s % 60),
        600..3_600 => format!("{} min", s / 60),
        3_600..86_400 => format!("{} h {:02} min", s / 3_600, s % 3_600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_shortened() {
        assert_eq!(first_few(["a", "b"].iter()), "a, b");
        assert_eq!(
            first_few(["a", "b", "c", "d", "e", "f", "g"].iter().map(|name| name.to_string())),
            "a, b, c, d, e and 2 more"
        );
        assert!(first_dozen(["a"; 1212].iter()).ends_with("a, a and 1,200 more"));
    }

    #[test]
    fn wide_characters_take_two_cells() {
        assert_eq!(["cat", "茶色", "e\u{301}"].map(cells), [3, 4, 1]);
        assert_eq!(["cat", "茶色", "kitten"].map(|text| padded(text, 5)), ["cat  ", "茶色 ", "kitten"]);
        assert_eq!(["cat", "茶色", "kitten"].map(|text| padded_left(text, 5)), ["  cat", " 茶色", "kitten"]);
        let texts = ["茶色の犬", "a dog", "two words"].map(|text| cut(text, 5));
        assert_eq!(texts, ["茶色…", "a dog", "two…"]);
    }

    #[test]
    fn numbers_and_durations_are_short() {
        assert_eq!([grouped(7), grouped(1_000), grouped(1_281_167)], ["7", "1,000", "1,281,167"]);
        assert_eq!([1, 2, 1200].map(|n| counted(n, "image")), ["1 image", "2 images", "1,200 images"]);
        let nouns = [counted(1, "class"), counted(3, "class"), counted(2, "entry"), counted(0, "day")];
        assert_eq!(nouns, ["1 class", "3 classes", "2 entries", "0 days"]);
        let listed = |count: usize| enumerated(&["8", "11", "14"].map(String::from)[..count]);
        assert_eq!([0, 1, 2, 3].map(listed), ["", "8", "8 and 11", "8, 11 and 14"]);
        assert_eq!(hex(&[0, 0xa5, 0xff]), "00a5ff");
        assert_eq!([significant(0.517), significant(31.42), significant(8_120.4)], ["0.52", "31.4", "8,120"]);
        assert_eq!([1.0, 0.03125, 0.001, 4.76e-5].map(probability), ["1.000", "0.031", "0.001", "4.8e-5"]);
        assert_eq!([0.01, 1e-4, 5e-5, 5e-10].map(learning_rate), ["0.01", "0.0001", "5e-5", "5e-10"]);
        let losses =
            [(0.7312, 4), (9_999.0, 3), (240_814_607_218_769_920.0, 4), (f64::INFINITY, 3), (f64::NAN, 4)];
        assert_eq!(losses.map(|(l, d)| loss(l, d)), ["0.7312", "9999.000", "2.41e17", "inf", "NaN"]);
        let durations = [41.0, 125.0, 725.0, 9_665.0, 792_000.0].map(duration);
        assert_eq!(durations, ["41 s", "2 min 05 s", "12 min", "2 h 41 min", "9 d 4 h"]);
        let long = [4e7, 1e8, 4.5e14, f64::INFINITY, f64::NAN].map(duration);
        assert_eq!(long, ["462 d 23 h", "3 years", "over 100 years", "over 100 years", "0 s"]);
    }
}
