//! Counts and lists of names in messages.

/// Formats a number with a noun: `1 mask`, `2 masks`, `3 entries`, `4 classes`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) if noun.ends_with('s') => format!("{number} {noun}es"),
        (_, None) => format!("{number} {noun}s"),
    }
}

/// Joins the first five names of a list.
pub(crate) fn first_few(names: &[&str]) -> String {
    let shown = names.iter().take(5).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(5) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::{count, first_few};

    #[test]
    fn nouns_have_plurals() {
        assert_eq!(
            [count(1, "image"), count(0, "image"), count(2, "entry"), count(3, "class")],
            ["1 image", "0 images", "2 entries", "3 classes"]
        );
    }

    #[test]
    fn long_lists_are_shortened() {
        assert_eq!(first_few(&["a", "b"]), "a, b");
        assert_eq!(first_few(&["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e and 2 more");
    }
}
