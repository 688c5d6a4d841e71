//! The comparison of two models on the same images.

use std::collections::HashMap;
use std::fmt::Write;

use serde_json::{Value, json};

use super::classes::range;
use super::models::Models;
use super::views::describe;
use crate::output::{percent, printable, right};
use alexnet::data::Split;
use alexnet::eval::statistics::{Interval, McNemar, Paired, mcnemar, paired_difference, wilson};
use alexnet::eval::{Evaluation, ImageResult, ImageResults};
use alexnet::format::{grouped, probability};
use alexnet::net::Views;
use alexnet::{Error, Result};

/// Another model's results for the same images.
pub(super) struct Comparison {
    /// The paths of the models.
    paths: Vec<String>,
    views: Views,
    total: Evaluation,
    /// The results in the order of the first model's, with its classes.
    pub(super) images: Vec<ImageResult>,
    paired: Paired,
    test: McNemar,
    /// The accuracy of the first model minus that of this one.
    difference: f64,
    interval: Interval,
    /// Whether both make the same predictions with the same confidence.
    is_same: bool,
}

impl Comparison {
    /// Compares the results of the second model with those of the first.
    ///
    /// # Errors
    /// Returns an error if an image could be decoded for one model only.
    pub(super) fn of(
        first: &ImageResults,
        second: &ImageResults,
        models: &Models,
        split: &Split,
        views: Views,
    ) -> Result<Self> {
        let class = |class| models.class_of_second(class);
        let mut of_second: HashMap<usize, ImageResult> = second
            .images
            .iter()
            .map(|image| {
                let renamed =
                    ImageResult { label: class(image.label), predicted: class(image.predicted), ..*image };
                (image.index, renamed)
            })
            .collect();
        let mut images = Vec::with_capacity(first.images.len());
        let mut paired = Paired::default();
        for image in &first.images {
            let other = of_second.remove(&image.index).ok_or_else(|| changed(split, image.index))?;
            paired.add(image.is_correct(), other.is_correct());
            images.push(other);
        }
        if let Some(&index) = of_second.keys().min() {
            return Err(changed(split, index));
        }
        let is_same = |(a, b): (&ImageResult, &ImageResult)| {
            a.predicted == b.predicted && a.confidence.to_bits() == b.confidence.to_bits()
        };
        Ok(Self {
            paths: models.second().iter().map(|model| model.path.display().to_string()).collect(),
            views,
            total: second.total(),
            is_same: first.images.iter().zip(&images).all(is_same),
            images,
            paired,
            test: mcnemar(paired.only_first, paired.only_second),
            difference: (paired.only_first as f64 - paired.only_second as f64) / paired.images() as f64,
            interval: paired_difference(paired),
        })
    }

    /// What makes the comparison pointless.
    pub(super) fn note(&self) -> Option<String> {
        self.is_same.then(|| {
            "both models predict the same classes with the same confidence: they are probably the same model".into()
        })
    }

    pub(super) fn json(&self) -> Value {
        let Self { paired, test, total, .. } = self;
        json!({
            "models": self.paths,
            "views": self.views,
            "top1": total.top1_share(),
            "top1_interval": wilson(total.top1, total.images),
            "top5": total.top5_share(),
            "top1_correct": total.top1,
            "top5_correct": total.top5,
            "loss": total.loss,
            "both_correct": paired.both,
            "only_model_correct": paired.only_first,
            "only_against_correct": paired.only_second,
            "neither_correct": paired.neither,
            "difference": self.difference,
            "difference_interval": self.interval,
            "mcnemar": {
                "exact_p": test.exact_p,
                "corrected_statistic": test.corrected_statistic,
                "corrected_p": test.corrected_p,
            },
        })
    }

    pub(super) fn text(&self) -> String {
        let Self { paired, test, total, .. } = self;
        let mut out = String::new();
        for path in &self.paths {
            let _ = writeln!(out, "against   {}", printable(path));
        }
        let _ = writeln!(out, "views     {}", describe(self.views));
        let _ = writeln!(
            out,
            "top-1     {} ({}), 95 % interval {}",
            percent(total.top1_share()),
            right(total.top1, total.images),
            range(wilson(total.top1, total.images))
        );
        let _ = writeln!(
            out,
            "top-1 of the model minus that: {:+.2} points, 95 % interval {:+.2} to {:+.2}",
            100.0 * self.difference,
            100.0 * self.interval.low,
            100.0 * self.interval.high
        );
        let _ = writeln!(
            out,
            "correct   {} images by both, {} by the model only, {} by the other only, {} by neither",
            grouped(paired.both),
            grouped(paired.only_first),
            grouped(paired.only_second),
            grouped(paired.neither)
        );
        let _ = writeln!(
            out,
            "McNemar   p = {} (exact), {} (chi-squared, corrected)",
            probability(test.exact_p),
            probability(test.corrected_p)
        );
        let _ = writeln!(
            out,
            "This compares two models, not two recipes: other seeds make other models. A recipe needs several seeds."
        );
        out
    }
}

fn changed(split: &Split, index: usize) -> Error {
    Error::data(format!(
        "{}: could be decoded for one of the models only; it changed during the evaluation",
        split.file(index)
    ))
    .help("evaluate again")
}
