//! A look at names and numbers of the classes.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::{Findings, Problem, ProblemKind};
use crate::data::Split;

/// A class with this many times fewer training pictures than the largest is told.
const IMBALANCE: usize = 10;

pub(super) fn look(classes: &[String], splits: &[&Split], problems: &mut Vec<Problem>) {
    names(classes, problems);
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
    let mut folded: Vec<(String, &String)> =
        classes.iter().map(|class| (class.to_lowercase(), class)).collect();
    folded.sort();
    for pair in folded.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        let detail = format!("differs from `{}` in capitals only: one folder on some systems", pair[0].1);
        tell(pair[1].1, ProblemKind::ClassOrder, detail);
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
            detail: format!("{} has no pictures of this class", split.name),
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
        detail: format!("{count} training pictures; the largest class has {most}"),
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_have_values() {
        let mut names = ["10", "9", "a10b", "a9b", "a", "", "09", "é2", "é10", "99999999999999999999999"];
        names.sort_by(|a, b| naturally(a, b));
        assert_eq!(names, ["", "9", "09", "10", "99999999999999999999999", "a", "a9b", "a10b", "é2", "é10"]);
    }
}
