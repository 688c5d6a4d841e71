//! The classes of a set of images, as they are shown before training.

use std::fmt::Write;

use super::output::note;
use alexnet::data::check::alike;
use alexnet::data::{Dataset, Split};
use alexnet::error::shell;
use alexnet::text::grouped;
use alexnet::{Error, Result};

/// Most classes that are listed one by one.
const MOST: usize = 10;

/// Shows the classes with their numbers of training images, the splits, and what is doubtful about them.
///
/// # Errors
/// When there are no training images, or only one class unless `one_is_enough`.
pub(super) fn introduce(dataset: &Dataset, one_is_enough: bool) -> Result<()> {
    let counts = counts(dataset.train()?, dataset.classes.len());
    note(&summary(dataset, &counts));
    doubts(dataset, &counts).iter().for_each(|text| note(text));
    match &dataset.classes[..] {
        [class] if !one_is_enough => {
            let source = shell(&dataset.origin);
            Err(Error::data(format!("{}: only one class, `{class}`", dataset.origin)).help(format!(
                "a network needs two classes or more to tell apart: one folder of images for each; to train on \
                 one class anyway: alexnet train {source} --recipe small --allow-one-class"
            )))
        }
        _ => Ok(()),
    }
}

/// Images of each class.
fn counts(split: &Split, classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    (0..split.len()).for_each(|index| counts[split.label(index) as usize] += 1);
    counts
}

/// `2 classes: cat 27, dog 30 training images; train 57, val 6`.
fn summary(dataset: &Dataset, counts: &[usize]) -> String {
    let classes = &dataset.classes;
    let mut text =
        format!("{} class{}: ", grouped(classes.len()), if classes.len() == 1 { "" } else { "es" });
    let shown = if classes.len() > MOST { MOST / 2 } else { classes.len() };
    let each = classes.iter().zip(counts).take(shown);
    let each: Vec<String> = each.map(|(class, &count)| format!("{class} {}", grouped(count))).collect();
    text += &each.join(", ");
    if shown < classes.len() {
        let (least, most) = (counts.iter().min().unwrap_or(&0), counts.iter().max().unwrap_or(&0));
        let last = classes.last().map_or("", String::as_str);
        let (least, most) = (grouped(*least), grouped(*most));
        let _ = write!(text, ", ..., {last}; {least} to {most} training images each");
    } else {
        text += " training images";
    }
    let splits = dataset.splits.iter().filter(|split| split.name != "all");
    let splits: Vec<String> =
        splits.map(|split| format!("{} {}", split.name, grouped(split.len()))).collect();
    let _ = write!(text, "; {}", splits.join(", "));
    text
}

fn doubts(dataset: &Dataset, counts: &[usize]) -> Vec<String> {
    let mut doubts = Vec::new();
    for (class, other, how) in alike(&dataset.classes) {
        doubts.push(format!("the classes `{other}` and `{class}` differ only in {how}: one class or two?"));
    }
    for (few, what) in [(0, "no training images"), (1, "only one training image")] {
        let names = dataset.classes.iter().zip(counts).filter(|&(_, &count)| count == few);
        let names: Vec<&str> = names.map(|(class, _)| class.as_str()).collect();
        if let Some(first) = names.first() {
            let more = names.len() - 1;
            doubts.push(match more {
                0 => format!("the class `{first}` has {what}"),
                _ => format!(
                    "`{first}` and {more} other class{} have {what}",
                    if more == 1 { "" } else { "es" }
                ),
            });
        }
    }
    doubts
}
