//! The summary of the classes before training.

use std::fmt::Write;

use super::classes::{AlikeNames, alike};
use crate::data::Dataset;
use crate::format::{counted, grouped};
use crate::{Error, Result};

/// Most classes that are listed one by one.
const MOST: usize = 10;

/// Describes a dataset before training: the classes with their numbers of training images, the splits, and what looks wrong with
/// them, a line each.
///
/// # Errors
/// Returns an error if there are no training images.
pub fn introduce(dataset: &Dataset) -> Result<Vec<String>> {
    let counts = dataset.train()?.images_per_class(dataset.classes.len());
    let mut lines = vec![summary(dataset, &counts)];
    lines.extend(doubts(dataset, &counts));
    Ok(lines)
}

/// Checks that there is something to tell apart.
///
/// # Errors
/// Returns an error if there is only one class.
pub fn several_classes(dataset: &Dataset) -> Result<()> {
    match &dataset.classes[..] {
        [class] => {
            let help = match dataset.shell_path() {
                Some(source) => format!(
                    "add a folder of images for each further class; to train on one class anyway: \
                     `alexnet train {source} --recipe small --allow-one-class`"
                ),
                None => "add images of a second class".to_owned(),
            };
            Err(Error::data(format!("{}: only one class, `{class}`", dataset.origin)).help(help))
        }
        _ => Ok(()),
    }
}

/// `2 classes: cat 27, dog 30 training images; train 57, val 6`.
fn summary(dataset: &Dataset, counts: &[usize]) -> String {
    let classes = &dataset.classes;
    let mut text = format!("{}: ", counted(classes.len(), "class"));
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

/// What is doubtful about validation: on the test images, it makes them choose the model that they measure.
fn validation_doubt(dataset: &Dataset) -> Option<&'static str> {
    let is_test = dataset.val().is_some_and(|split| split.name == "test" && !split.is_empty());
    is_test.then_some(
        "no val split: the test images choose the best model, so its accuracy on them is optimistic",
    )
}

/// What looks wrong with the splits and the classes.
fn doubts(dataset: &Dataset, counts: &[usize]) -> Vec<String> {
    let mut doubts: Vec<String> = validation_doubt(dataset).map(str::to_owned).into_iter().collect();
    for AlikeNames { name: class, other, difference: how } in alike(&dataset.classes) {
        doubts
            .push(format!("classes `{other}` and `{class}` differ only in {how}: are they the same class?"));
    }
    for (few, what) in [(0, "no training images"), (1, "only one training image")] {
        let names = dataset.classes.iter().zip(counts).filter(|&(_, &count)| count == few);
        let names: Vec<&str> = names.map(|(class, _)| class.as_str()).collect();
        let Some(first) = names.first() else { continue };
        doubts.push(match names.len() - 1 {
            0 => format!("class `{first}` has {what}"),
            more => format!("`{first}` and {} have {what}", counted(more, "other class")),
        });
    }
    doubts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::embedded;

    #[test]
    fn test_images_that_choose_the_best_model_are_noted() {
        let mut dataset = embedded::fashion_mnist().unwrap();
        let is_noted = |dataset: &Dataset| {
            introduce(dataset).unwrap().iter().any(|line| line.starts_with("no val split"))
        };
        assert!(is_noted(&dataset));
        let mut val = dataset.split("test").unwrap().clone();
        val.name = "val".into();
        dataset.splits.push(val);
        assert!(!is_noted(&dataset));
        dataset.splits.retain(|split| split.name == "train");
        assert!(!is_noted(&dataset));
    }
}
