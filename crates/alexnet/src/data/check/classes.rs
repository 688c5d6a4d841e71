//! A look at names and numbers of the classes.

use std::cmp::Ordering;
use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization;

use super::{Findings, Problem, ProblemKind};
use crate::data::Split;
use crate::{Error, Result};

/// A class with this many times fewer training images than the largest is told.
const IMBALANCE: usize = 10;

pub(super) fn look(classes: &[String], splits: &[&Split], problems: &mut Vec<Problem>) {
    names(classes, problems);
    if let [class] = classes {
        let detail = "the only class: there is nothing to tell it from".to_owned();
        problems.push(Problem { file: class.clone(), kind: ProblemKind::OneClass, detail });
    }
    for split in splits {
        let mut counts = vec![0usize; classes.len()];
        (0..split.len()).for_each(|index| counts[split.label(index) as usize] += 1);
        missing(classes, &counts, split, problems);
        if split.name == "train" {
            imbalance(classes, &counts, problems);
        }
    }
}

fn names(classes: &[String], problems: &mut Vec<Problem>) {
    let mut tell = |file: &str, kind, detail: String| {
        problems.push(Problem { file: file.to_owned(), kind, detail });
    };
    for class in classes {
        if class.chars().any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
            tell(class, ProblemKind::UnreadableName, format!("the class name {class:?} is not plain text"));
        }
    }
    for (class, other, how) in alike(classes) {
        tell(
            class,
            ProblemKind::AlikeClasses,
            format!("differs from `{other}` only in {how}: one class or two?"),
        );
    }
}

/// Tells of names, in the order of their bytes, that other programs put in another order.
pub(in crate::data) fn order(classes: &[String], findings: &mut Findings) {
    let mut natural: Vec<&String> = classes.iter().collect();
    natural.sort_by(|a, b| naturally(a, b));
    if let Some(place) = (0..classes.len()).find(|&i| *natural[i] != classes[i]) {
        let detail = format!(
            "number {place} here, where names are sorted by their bytes; sorted by the numbers in them it would be `{}`. \
             Programs differ, so compare classes by name",
            natural[place]
        );
        findings.tell(ProblemKind::ClassOrder, &classes[place], detail);
    }
}

/// Pairs of class names that look the same, and in what they differ.
pub fn alike(classes: &[String]) -> Vec<(&str, &str, &'static str)> {
    let mut folded: Vec<(String, &str)> =
        classes.iter().map(|class| (folded(class), class.as_str())).collect();
    folded.sort();
    let same = folded.windows(2).filter(|pair| pair[0].0 == pair[1].0);
    same.map(|pair| (pair[1].1, pair[0].1, difference(pair[0].1, pair[1].1))).collect()
}

/// What people read: composed characters, no capitals, single spaces.
fn folded(class: &str) -> String {
    let composed: String = class.nfkc().flat_map(char::to_lowercase).nfkc().collect();
    spaced(&composed)
}

fn spaced(class: &str) -> String {
    class.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn difference(a: &str, b: &str) -> &'static str {
    if spaced(a) == spaced(b) {
        "spaces"
    } else if a.nfc().eq(b.nfc()) {
        "Unicode normalization (NFC and NFD)"
    } else if a.nfkc().eq(b.nfkc()) {
        "the width or form of characters"
    } else {
        "capitals"
    }
}

/// Classes that a split has images of, none of which can be used.
pub(super) fn undecodable<'a>(
    split: &Split,
    usable: &[usize],
    classes: &'a [String],
) -> Vec<(&'a str, usize)> {
    let mut counts = vec![(0usize, 0usize); classes.len()];
    (0..split.len()).for_each(|index| counts[split.label(index) as usize].0 += 1);
    usable.iter().for_each(|&index| counts[split.label(index) as usize].1 += 1);
    let lost = classes.iter().zip(counts).filter(|(_, (images, usable))| *images > 0 && *usable == 0);
    lost.map(|(class, (images, _))| (class.as_str(), images)).collect()
}

/// Refuses training images of which a class has none that decodes: the model would have a class that it never saw.
///
/// # Errors
/// When there is such a class; the message names it.
pub fn every_class_decodes(split: &Split, usable: &[usize], classes: &[String]) -> Result<()> {
    let lost = undecodable(split, usable, classes);
    if lost.is_empty() {
        return Ok(());
    }
    let shown: Vec<String> =
        lost.iter().take(5).map(|(class, images)| format!("`{class}` ({images})")).collect();
    let more = if lost.len() > 5 { format!(" and {} more", lost.len() - 5) } else { String::new() };
    Err(Error::data(format!(
        "no training image of {} decodes: {}{more}",
        if lost.len() == 1 { "this class" } else { "these classes" },
        shown.join(", ")
    ))
    .help("`alexnet data check SRC` says why; repair the images, or remove the class folder"))
}

/// Numbers in names by their value, all else by its bytes.
fn naturally(a: &str, b: &str) -> Ordering {
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

/// Classes that a split lacks and that nobody has told yet.
fn missing(classes: &[String], counts: &[usize], split: &Split, problems: &mut Vec<Problem>) {
    let told = problems.iter().filter(|problem| problem.kind == ProblemKind::MissingClass);
    let told: HashSet<&str> = told.filter_map(|problem| problem.file.rsplit('/').next()).collect();
    let lost =
        classes.iter().zip(counts).filter(|&(class, &count)| count == 0 && !told.contains(class.as_str()));
    let lost: Vec<Problem> = lost
        .map(|(class, _)| Problem {
            file: class.clone(),
            kind: ProblemKind::MissingClass,
            detail: format!("{} has no images of this class", split.name),
        })
        .collect();
    problems.extend(lost);
}

fn imbalance(classes: &[String], counts: &[usize], problems: &mut Vec<Problem>) {
    let most = counts.iter().copied().max().unwrap_or(0);
    let rare = classes.iter().zip(counts).filter(|&(_, &count)| count > 0 && count * IMBALANCE < most);
    problems.extend(rare.map(|(class, count)| Problem {
        file: class.clone(),
        kind: ProblemKind::Imbalance,
        detail: format!("{count} training images; the largest class has {most}"),
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_are_found() {
        let names =
            ["Cat", "cafe\u{301}", "caf\u{e9}", "cat", "dog", "dog ", "\u{ff41}nt", "ant", "\u{e9}t\u{e9}"];
        let names = names.map(str::to_owned);
        let mut found: Vec<(&str, &str, &str)> = alike(&names);
        found.sort_unstable();
        assert_eq!(
            found,
            [
                ("caf\u{e9}", "cafe\u{301}", "Unicode normalization (NFC and NFD)"),
                ("cat", "Cat", "capitals"),
                ("dog ", "dog", "spaces"),
                ("\u{ff41}nt", "ant", "the width or form of characters"),
            ]
        );
    }

    #[test]
    fn numbers_in_names_have_values() {
        let mut names = ["10", "9", "a10b", "a9b", "a", "", "09", "é2", "é10", "99999999999999999999999"];
        names.sort_by(|a, b| naturally(a, b));
        assert_eq!(names, ["", "9", "09", "10", "99999999999999999999999", "a", "a9b", "a10b", "é2", "é10"]);
    }
}
