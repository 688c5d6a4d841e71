//! The order of class names that are sorted by their bytes.

use std::cmp::Ordering;

use crate::data::problem::{Findings, ProblemKind};

/// Reports class names that other programs sort in another order.
pub(super) fn report_class_order(classes: &[String], findings: &mut Findings) {
    let mut natural: Vec<&String> = classes.iter().collect();
    natural.sort_by(|a, b| natural_order(a, b));
    if let Some(place) = (0..classes.len()).find(|&i| *natural[i] != classes[i]) {
        let detail = format!(
            "class {place} here, where names are sorted by their bytes; in natural order it would be `{}`. Programs differ, \
             so compare classes by name, not by number",
            natural[place]
        );
        findings.report(ProblemKind::ClassOrder, &classes[place], detail);
    }
}

/// Compares numbers in names by value, everything else by bytes.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (m, n) = (digits(a), digits(b));
        let order = match (m, n) {
            (0, _) | (_, 0) => match (a.chars().next(), b.chars().next()) {
                (Some(x), Some(y)) if x == y => {
                    (a, b) = (&a[x.len_utf8()..], &b[y.len_utf8()..]);
                    continue;
                }
                (x, y) => return x.cmp(&y),
            },
            _ => {
                let number = |text: &str| text.trim_start_matches('0').to_owned();
                let (x, y) = (number(&a[..m]), number(&b[..n]));
                x.len().cmp(&y.len()).then(x.cmp(&y))
            }
        };
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (&a[m..], &b[n..]);
    }
}

#[cfg(test)]
mod tests {
    use super::natural_order;

    #[test]
    fn natural_order_compares_numbers_by_value() {
        let mut names = ["10", "9", "a10b", "a9b", "a", "", "09", "é2", "é10", "99999999999999999999999"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["", "9", "09", "10", "99999999999999999999999", "a", "a9b", "a10b", "é2", "é10"]);
    }
}
