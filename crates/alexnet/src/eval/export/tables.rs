//! Tables as CSV. Fractions are from 0 to 1; cells without a value are empty.

use csv::Writer;

use super::contents::Export;
use crate::eval::statistics::Interval;

/// One row for each class.
pub(super) fn per_class(export: &Export<'_>) -> csv::Result<Vec<u8>> {
    let mut out = Writer::from_writer(Vec::new());
    out.write_record([
        "class",
        "images",
        "correct",
        "recall",
        "recall_low",
        "recall_high",
        "predicted",
        "precision",
        "precision_low",
        "precision_high",
    ])?;
    let confusion = &export.analysis.confusion;
    for (class, name) in export.classes.iter().enumerate() {
        let [recall, recall_low, recall_high] = cells(confusion.recall(class));
        let [precision, precision_low, precision_high] = cells(confusion.precision(class));
        out.write_record([
            name.clone(),
            confusion.images(class).to_string(),
            confusion.correct(class).to_string(),
            recall,
            recall_low,
            recall_high,
            confusion.predicted(class).to_string(),
            precision,
            precision_low,
            precision_high,
        ])?;
    }
    finish(out)
}

/// One row for each class, one column for each predicted class.
pub(super) fn confusion(export: &Export<'_>) -> csv::Result<Vec<u8>> {
    let mut out = Writer::from_writer(Vec::new());
    out.write_record(std::iter::once("class").chain(export.classes.iter().map(String::as_str)))?;
    for (class, name) in export.classes.iter().enumerate() {
        let counts = export.analysis.confusion.row(class).iter().map(ToString::to_string);
        out.write_record(std::iter::once(name.clone()).chain(counts))?;
    }
    finish(out)
}

/// One row for each image.
pub(super) fn predictions(export: &Export<'_>) -> csv::Result<Vec<u8>> {
    let mut out = Writer::from_writer(Vec::new());
    let own = ["file", "class", "predicted", "correct", "confidence", "rank", "loss"];
    let others: &[&str] = match export.against {
        Some(_) => &["against_predicted", "against_correct", "against_confidence"],
        None => &[],
    };
    out.write_record(own.iter().chain(others))?;
    for (i, image) in export.results.images.iter().enumerate() {
        let mut row = vec![
            export.split.file(image.index).to_owned(),
            export.classes[image.label].clone(),
            export.classes[image.predicted].clone(),
            image.is_correct().to_string(),
            image.confidence.to_string(),
            image.rank.to_string(),
            image.loss.to_string(),
        ];
        if let Some(other) = export.against.map(|others| &others[i]) {
            row.extend([
                export.classes[other.predicted].clone(),
                other.is_correct().to_string(),
                other.confidence.to_string(),
            ]);
        }
        out.write_record(row)?;
    }
    finish(out)
}

fn cells(fraction: Option<(f64, Interval)>) -> [String; 3] {
    fraction.map_or_else(Default::default, |(value, Interval { low, high })| {
        [value, low, high].map(|value| value.to_string())
    })
}

fn finish(out: Writer<Vec<u8>>) -> csv::Result<Vec<u8>> {
    out.into_inner().map_err(|error| error.into_error().into())
}
