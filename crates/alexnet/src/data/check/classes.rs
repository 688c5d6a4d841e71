//! Checks of the names and sizes of the classes.

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization;

use crate::data::problem::{Problem, ProblemKind};
use crate::data::source::Split;
use crate::format::first_few;
use crate::{Error, Result};

/// A class with this many times fewer training images than the largest is reported.
const IMBALANCE: usize = 10;

/// Reports problems with the names and sizes of the classes.
pub(super) fn report_classes(classes: &[String], splits: &[&Split], problems: &mut Vec<Problem>) {
    names(classes, problems);
    if let [class] = classes {
        let detail = "the only class: nothing to distinguish it from".to_owned();
        problems.push(Problem { file: class.clone(), kind: ProblemKind::OneClass, detail });
    }
    for split in splits {
        let counts = split.images_per_class(classes.len());
        missing(classes, &counts, split, problems);
        if split.name == "train" {
            imbalance(classes, &counts, problems);
        }
    }
}

fn names(classes: &[String], problems: &mut Vec<Problem>) {
    let mut report = |file: &str, kind, detail: String| {
        problems.push(Problem { file: file.to_owned(), kind, detail });
    };
    for class in classes {
        if class.chars().any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
            report(class, ProblemKind::UnreadableName, format!("the class name {class:?} is not plain text"));
        }
    }
    for AlikeNames { name: class, other, difference: how } in alike(classes) {
        report(
            class,
            ProblemKind::AlikeClasses,
            format!("differs from `{other}` only in {how}: are these one class or two?"),
        );
    }
}

/// Two class names that look the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlikeNames<'a> {
    /// A class name.
    pub name: &'a str,
    /// A class name that looks the same.
    pub other: &'a str,
    /// How they differ.
    pub difference: &'static str,
}

/// Returns pairs of class names that look the same, and how they differ.
pub fn alike(classes: &[String]) -> Vec<AlikeNames<'_>> {
    let mut folded: Vec<(String, &str)> =
        classes.iter().map(|class| (folded(class), class.as_str())).collect();
    folded.sort();
    let pairs = folded.iter().zip(folded.iter().skip(1));
    pairs
        .filter(|((first, _), (second, _))| first == second)
        .map(|(&(_, other), &(_, name))| AlikeNames { name, other, difference: difference(other, name) })
        .collect()
}

/// Normalizes a name: composed characters, lower case, single spaces.
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

/// Returns the classes of which a split has images, but none that decodes, with their number of images.
pub(super) fn undecodable<'a>(
    split: &Split,
    usable: &[usize],
    classes: &'a [String],
) -> Vec<UndecodableClass<'a>> {
    let images = split.images_per_class(classes.len());
    let mut decodes = vec![false; classes.len()];
    usable.iter().for_each(|&index| decodes[split.label(index) as usize] = true);
    let classes = classes.iter().zip(images).zip(decodes);
    classes
        .filter(|((_, images), decodes)| *images > 0 && !decodes)
        .map(|((name, images), _)| UndecodableClass { name, images })
        .collect()
}

/// A class of which no image decodes.
pub(super) struct UndecodableClass<'a> {
    pub(super) name: &'a str,
    /// Its number of images.
    pub(super) images: usize,
}

/// Rejects training images if no image of some class decodes: the model would have a class that it never saw.
///
/// # Errors
/// Returns an error that names such classes.
pub fn every_class_decodes(split: &Split, usable: &[usize], classes: &[String]) -> Result<()> {
    let lost = undecodable(split, usable, classes);
    if lost.is_empty() {
        return Ok(());
    }
    Err(Error::data(format!(
        "no training image of {} can be decoded: {}",
        if lost.len() == 1 { "this class" } else { "these classes" },
        first_few(lost.iter().map(|class| format!("`{}` ({})", class.name, class.images)))
    ))
    .help("`alexnet data check SRC` shows the reasons; repair the images, or remove the class folder"))
}

/// Reports classes that a split lacks and that were not reported before.
fn missing(classes: &[String], counts: &[usize], split: &Split, problems: &mut Vec<Problem>) {
    let reported = problems.iter().filter(|problem| problem.kind == ProblemKind::MissingClass);
    let reported: HashSet<&str> = reported.filter_map(|problem| problem.file.rsplit('/').next()).collect();
    let lost = classes
        .iter()
        .zip(counts)
        .filter(|&(class, &count)| count == 0 && !reported.contains(class.as_str()));
    let lost: Vec<Problem> = lost
        .map(|(class, _)| Problem {
            file: class.clone(),
            kind: ProblemKind::MissingClass,
            detail: format!("no images of this class in {}", split.name),
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
    fn finds_class_names_that_look_alike() {
        let names =
            ["Cat", "cafe\u{301}", "caf\u{e9}", "cat", "dog", "dog ", "\u{ff41}nt", "ant", "\u{e9}t\u{e9}"];
        let names = names.map(str::to_owned);
        let mut found: Vec<(&str, &str, &str)> =
            alike(&names).iter().map(|alike| (alike.name, alike.other, alike.difference)).collect();
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
}
