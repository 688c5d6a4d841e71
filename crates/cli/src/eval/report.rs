//! The results of an evaluation as text and as JSON.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::calibration::{self, Scaling};
use super::classes;
use super::comparison::Comparison;
use super::views::describe;
use crate::output::{percent, printable, right};
use alexnet::data::Dataset;
use alexnet::eval::export::FILES;
use alexnet::eval::{Analysis, Evaluation, LoadedModel, Predictor};
use alexnet::format::{self, grouped};
use alexnet::model::WeightPrecision;
use alexnet::net::Views;
use alexnet::train::unseen::Seen;

/// Most skipped images that the text lists; the JSON lists all.
const LISTED: usize = 20;

/// An evaluation, of what and how.
pub(super) struct Report<'a> {
    pub(super) analysis: &'a Analysis,
    pub(super) models: &'a [Predictor],
    pub(super) classes: &'a [String],
    pub(super) data: &'a Dataset,
    pub(super) split: &'a str,
    pub(super) seen: Seen,
    pub(super) views: Views,
    pub(super) half: bool,
    pub(super) scaling: Option<&'a Scaling>,
    pub(super) comparison: Option<&'a Comparison>,
    /// Where the tables and plots are.
    pub(super) folder: Option<&'a Path>,
}

impl Report<'_> {
    pub(super) fn json(&self, seconds: f64) -> Value {
        let models: Vec<String> = self.models.iter().map(|model| model.path.display().to_string()).collect();
        let Analysis { total, top1, top5, confusion, calibration } = self.analysis;
        json!({
            "models": models,
            "data": self.data.origin,
            "split": self.split,
            "trained_on_data": self.seen.was_trained_on(),
            "images": total.images,
            "views": self.views,
            "half": self.half,
            "precisions": self.members().map(|member| member.precision).collect::<Vec<_>>(),
            "weights": self.models.iter().map(weights).collect::<Vec<_>>(),
            "top1": total.top1_share(),
            "top1_interval": top1,
            "top5": total.top5_share(),
            "top5_interval": top5,
            "top1_correct": total.top1,
            "top5_correct": total.top5,
            "loss": total.loss,
            "calibration": calibration,
            "temperature": self.scaling.map(Scaling::json),
            "against": self.comparison.map(Comparison::json),
            "most_confused": classes::most_confused(confusion, self.classes),
            "classes": classes::json(confusion, self.classes),
            "confusion": classes::matrix(confusion),
            "files": self.files(),
            "skipped": total.skipped,
            "seconds": seconds,
        })
    }

    /// The single models.
    fn members(&self) -> impl Iterator<Item = &LoadedModel> {
        self.models.iter().flat_map(|model| &model.members)
    }

    /// The tables and plots that were written.
    fn files(&self) -> Vec<String> {
        let written = |folder: &Path| FILES.map(|name| folder.join(name).display().to_string()).to_vec();
        self.folder.map_or_else(Vec::new, written)
    }

    /// How the split relates to the training images of the models.
    fn which(&self) -> &'static str {
        let has_no_splits = self.data.split("all").is_ok();
        match (self.split, self.seen) {
            ("val", Seen::Train) if has_no_splits => ", held out of training",
            ("all" | "train", Seen::Train | Seen::EarlierTrain) => ", which the model was trained on",
            _ => "",
        }
    }

    pub(super) fn text(&self) -> String {
        let Analysis { total, top1: interval, top5: top5_interval, confusion, calibration } = self.analysis;
        let Evaluation { images, top1, top5, loss, skipped } = total;
        let mut out = String::new();
        for model in self.models {
            let _ = writeln!(out, "model     {}", printable(&model.path.display().to_string()));
            if model.ensemble.is_some() {
                let weights: Vec<String> =
                    weights(model).iter().map(|weight| format!("{weight:.2}")).collect();
                let _ = writeln!(
                    out,
                    "          an ensemble of {} models, weights {}",
                    weights.len(),
                    weights.join(", ")
                );
            }
        }
        let _ = writeln!(
            out,
            "images    {}, split {} of {}{}",
            grouped(*images),
            self.split,
            printable(&self.data.origin),
            self.which()
        );
        let _ = writeln!(out, "views     {}", describe(self.views));
        if self.half {
            let _ = writeln!(out, "weights   fully connected layers in half precision");
        }
        let is_quantized =
            |model: &&Predictor| model.members.iter().any(|member| member.precision == WeightPrecision::Int8);
        for model in self.models.iter().filter(is_quantized) {
            let path = printable(&model.path.display().to_string());
            let _ = writeln!(out, "weights   8-bit integers in {path}");
        }
        for (name, share, count, interval) in [
            ("top-1", total.top1_share(), top1, Some(*interval)),
            ("top-5", total.top5_share(), top5, *top5_interval),
        ] {
            let interval =
                interval.map_or(String::new(), |found| format!(", 95 % interval {}", classes::range(found)));
            let right = right(*count, *images);
            let error = percent(1.0 - share);
            let _ = writeln!(out, "{name:<8}  {} ({right}){interval}; error {error}", percent(share));
        }
        let _ = writeln!(out, "loss      {}", format::loss(*loss, 4));
        out += &calibration::text(calibration, total.top1_share());
        out += &self.scaling.map_or(String::new(), Scaling::text);
        let _ = writeln!(out, "skipped   {}", grouped(skipped.len()));
        for skip in skipped.iter().take(LISTED) {
            let _ = writeln!(out, "  {}: {}", printable(&skip.file), printable(&skip.reason));
        }
        if skipped.len() > LISTED {
            let _ = writeln!(out, "  and {} more: --json lists all", grouped(skipped.len() - LISTED));
        }
        let _ = writeln!(out);
        out += &classes::text(confusion, self.classes);
        if let Some(comparison) = self.comparison {
            let _ = writeln!(out, "\n{}", comparison.text().trim_end());
        }
        if let Some(folder) = self.folder {
            let _ = writeln!(
                out,
                "\nwritten   {}: {}",
                printable(&folder.display().to_string()),
                FILES.join(", ")
            );
        }
        out
    }
}

/// The weights of the models in a file.
fn weights(model: &Predictor) -> Vec<f64> {
    model.members.iter().map(|member| member.weight).collect()
}
