//! An evaluation as tables.

use std::path::Path;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::json;

use alexnet::Error;
use alexnet::data::pack::SquaresUser;
use alexnet::eval::statistics::Interval;
use alexnet::eval::{Analysis, ImageResults, Keep, Predictor, notes, results};
use alexnet::net::Views;
use alexnet::train::unseen::{Choice, choose};

use crate::dataset::Dataset;
use crate::detached::Signals;
use crate::failure::Outcome;
use crate::pixels::array;
use crate::values::to_python;

/// The most pairs of confused classes.
const PAIRS: usize = 10;

/// What an evaluation has found.
pub(crate) struct Found {
    analysis: Analysis,
    results: ImageResults,
    classes: Vec<String>,
    /// The name of each image that was evaluated.
    files: Vec<String>,
    split: String,
    views: Views,
    trained_on_data: Option<bool>,
    notes: Vec<String>,
}

/// Evaluates a model on a split of a dataset, by default one that it was not trained on.
///
/// # Errors
/// Returns an error if there is no such split, if its classes are not those of the model, or if no image can be decoded.
pub(crate) fn evaluate(
    predictor: &mut Predictor,
    dataset: &Dataset,
    split: Option<&str>,
    views: Views,
    workers: usize,
) -> Outcome<Found> {
    let data = &dataset.dataset;
    let source = dataset.source.path().unwrap_or(Path::new(""));
    let models = std::slice::from_ref(predictor);
    let Choice { split, seen, note } = choose(data, source, split, models)?;
    let mut said: Vec<String> = data.notes.iter().cloned().chain(note).collect();
    said.extend(notes::of_weights(split, models));
    let classes = predictor.classes.clone();
    let relabeled = split.relabel(&data.classes, &classes)?;
    for member in &predictor.members {
        let preprocess = &member.preprocess;
        said.extend(relabeled.check_packed(preprocess.square, preprocess.orientation, SquaresUser::Model)?);
    }
    said.extend(notes::of_classes(&relabeled, &data.classes, &classes));
    let mut signals = Signals::new();
    let mut models: Vec<_> = predictor.classifiers().collect();
    let found = results(&mut models, &relabeled, views, workers, Keep::Predictions, &mut |_| signals.check());
    let results = signals.finish(found)?;
    results.check_finite()?;
    if results.images.is_empty() {
        let first = results.skipped.first().map_or(String::new(), |s| format!(": {}: {}", s.file, s.reason));
        return Err(Error::data(format!(
            "{}: none of the {} images of split `{}` can be decoded{first}",
            data.origin,
            relabeled.len(),
            relabeled.name
        ))
        .into());
    }
    Ok(Found {
        analysis: Analysis::of(&results, classes.len()),
        files: results.images.iter().map(|image| relabeled.file(image.index).to_owned()).collect(),
        results,
        classes,
        split: relabeled.name.clone(),
        views,
        trained_on_data: seen.was_trained_on(),
        notes: said,
    })
}

impl Found {
    /// The tables, each a dictionary of columns, and the totals.
    pub(crate) fn into_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        let total = &self.analysis.total;
        let confusion = &self.analysis.confusion;
        let named = |class: usize| self.classes[class].as_str();
        let pairs = confusion.most_confused(PAIRS).into_iter().map(|pair| {
            json!({ "class": named(pair.label), "predicted": named(pair.predicted), "images": pair.images })
        });
        let totals = json!({
            "split": self.split,
            "views": self.views,
            "trained_on_data": self.trained_on_data,
            "images": total.images,
            "top1": total.top1_share(),
            "top1_interval": pair(self.analysis.top1),
            "top5": total.top5_share(),
            "top5_interval": self.analysis.top5.map(pair),
            "loss": total.loss,
            "calibration_error": self.analysis.calibration.ece,
            "calibration": self.analysis.calibration.bins,
            "most_confused": pairs.collect::<Vec<_>>(),
            "skipped": total.skipped,
            "notes": self.notes,
        });
        let dict = to_python(py, &totals)?.cast_into::<PyDict>()?;
        dict.set_item("per_class", self.per_class(py)?)?;
        dict.set_item("per_image", self.per_image(py)?)?;
        let counts = |label| confusion.row(label).iter().map(|&count| count as i64);
        let classes = confusion.classes();
        dict.set_item("confusion", array(py, &[classes, classes], (0..classes).flat_map(counts).collect())?)?;
        Ok(dict.into_any())
    }

    /// One row for each class. Recall and precision are NaN where there are no images.
    fn per_class<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let confusion = &self.analysis.confusion;
        let classes = 0..self.classes.len();
        let counts = |count: &dyn Fn(usize) -> usize| {
            array(py, &[classes.len()], classes.clone().map(|class| count(class) as i64).collect())
        };
        let shares = |share: &dyn Fn(usize) -> Option<f64>| {
            let values = classes.clone().map(|class| share(class).unwrap_or(f64::NAN)).collect();
            array::<f64>(py, &[classes.len()], values)
        };
        let recall = |class| confusion.recall(class);
        let precision = |class| confusion.precision(class);
        let table = PyDict::new(py);
        table.set_item("class", &self.classes)?;
        table.set_item("images", counts(&|class| confusion.images(class))?)?;
        table.set_item("correct", counts(&|class| confusion.correct(class))?)?;
        table.set_item("recall", shares(&|class| Some(recall(class)?.0))?)?;
        table.set_item("recall_low", shares(&|class| Some(recall(class)?.1.low))?)?;
        table.set_item("recall_high", shares(&|class| Some(recall(class)?.1.high))?)?;
        table.set_item("predicted", counts(&|class| confusion.predicted(class))?)?;
        table.set_item("precision", shares(&|class| Some(precision(class)?.0))?)?;
        table.set_item("precision_low", shares(&|class| Some(precision(class)?.1.low))?)?;
        table.set_item("precision_high", shares(&|class| Some(precision(class)?.1.high))?)?;
        Ok(table)
    }

    /// One row for each image that was evaluated.
    fn per_image<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let images = &self.results.images;
        let named = |class: usize| self.classes[class].as_str();
        let len = [images.len()];
        let table = PyDict::new(py);
        table.set_item("file", &self.files)?;
        table.set_item("class", images.iter().map(|image| named(image.label)).collect::<Vec<_>>())?;
        table.set_item("predicted", images.iter().map(|image| named(image.predicted)).collect::<Vec<_>>())?;
        let correct = images.iter().map(|image| image.rank == 0).collect();
        table.set_item("correct", array::<bool>(py, &len, correct)?)?;
        let confidence = images.iter().map(|image| image.confidence).collect();
        table.set_item("confidence", array::<f64>(py, &len, confidence)?)?;
        let rank = images.iter().map(|image| image.rank as i64).collect();
        table.set_item("rank", array::<i64>(py, &len, rank)?)?;
        let loss = images.iter().map(|image| image.loss).collect();
        table.set_item("loss", array::<f64>(py, &len, loss)?)?;
        Ok(table)
    }
}

fn pair(Interval { low, high }: Interval) -> [f64; 2] {
    [low, high]
}
