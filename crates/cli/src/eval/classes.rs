//! The results of each class, and the classes that are confused most often.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::output::{escaped, percent};
use alexnet::eval::statistics::{Confusion, Interval};
use alexnet::format::{cells, counted, cut, grouped, padded};

/// Most classes that the text shows, and how many of a longer list.
const SHOWN: usize = 20;
const LOWEST: usize = 10;
/// Most pairs of confused classes.
const PAIRS: usize = 10;
/// The longest class name that the text shows, in cells.
const LONGEST: usize = 30;

pub(super) fn json(confusion: &Confusion, classes: &[String]) -> Value {
    let interval = |found: Option<(f64, Interval)>| found.map(|found| found.1);
    let value = |found: Option<(f64, Interval)>| found.map(|found| found.0);
    let class = |(class, name): (usize, &String)| {
        let (recall, precision) = (confusion.recall(class), confusion.precision(class));
        json!({
            "class": name,
            "images": confusion.images(class),
            "correct": confusion.correct(class),
            "recall": value(recall),
            "recall_interval": interval(recall),
            "predicted": confusion.predicted(class),
            "precision": value(precision),
            "precision_interval": interval(precision),
        })
    };
    classes.iter().enumerate().map(class).collect()
}

/// The matrix: a row for each class, in the order of the classes.
pub(super) fn matrix(confusion: &Confusion) -> Value {
    (0..confusion.classes()).map(|class| json!(confusion.row(class))).collect()
}

pub(super) fn most_confused(confusion: &Confusion, classes: &[String]) -> Value {
    let pairs = confusion.most_confused(PAIRS).into_iter();
    pairs
        .map(|pair| {
            json!({ "class": classes[pair.label], "predicted": classes[pair.predicted], "images": pair.images })
        })
        .collect()
}

pub(super) fn text(confusion: &Confusion, classes: &[String]) -> String {
    let mut out = String::new();
    let mut shown: Vec<usize> = (0..classes.len()).collect();
    if classes.len() > SHOWN {
        let recall = |class: usize| confusion.recall(class).map_or(f64::INFINITY, |found| found.0);
        shown.sort_by(|&a, &b| recall(a).total_cmp(&recall(b)));
        shown.truncate(LOWEST);
        let all = grouped(classes.len());
        let _ =
            writeln!(out, "the {LOWEST} of {all} classes with the lowest recall; --json and --out list all");
    }
    let width = shown.iter().map(|&class| cells(&shortened(&classes[class]))).max().unwrap_or(0).max(5);
    let _ = writeln!(
        out,
        "{:<width$}  {:>7}  {:>7}  {:>8}  {:<17}  {:>9}",
        "class", "images", "correct", "recall", "95 % interval", "precision"
    );
    for class in shown {
        let value = |found: Option<(f64, Interval)>| found.map_or("-".into(), |found| percent(found.0));
        let recall = confusion.recall(class);
        let _ = writeln!(
            out,
            "{}  {:>7}  {:>7}  {:>8}  {:<17}  {:>9}",
            padded(&shortened(&classes[class]), width),
            grouped(confusion.images(class)),
            grouped(confusion.correct(class)),
            value(recall),
            recall.map_or("-".into(), |found| range(found.1)),
            value(confusion.precision(class))
        );
    }
    let pairs = confusion.most_confused(PAIRS);
    if !pairs.is_empty() {
        let _ = writeln!(out, "\nmost confused");
    }
    for pair in pairs {
        let _ = writeln!(
            out,
            "{} of {} of {} predicted as {}",
            grouped(pair.images),
            counted(confusion.images(pair.label), "image"),
            shortened(&classes[pair.label]),
            shortened(&classes[pair.predicted])
        );
    }
    out
}

/// An interval of percentages: `60.97 to 100.00 %`.
pub(super) fn range(Interval { low, high }: Interval) -> String {
    format!("{:.2} to {:.2} %", 100.0 * low, 100.0 * high)
}

fn shortened(name: &str) -> String {
    cut(&escaped(name), LONGEST)
}
