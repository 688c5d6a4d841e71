//! The results of an evaluation as text and as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use super::choice::Seen;
use crate::output::{percent, printable};
use alexnet::data::Dataset;
use alexnet::eval::{Evaluation, LoadedModel, Predictor};
use alexnet::format::grouped;
use alexnet::model::WeightPrecision;

/// Most skipped images that the text lists; the JSON lists all.
const LISTED: usize = 20;

/// An evaluation, of what and how.
pub(super) struct Report<'a> {
    pub(super) evaluation: &'a Evaluation,
    pub(super) models: &'a [Predictor],
    pub(super) data: &'a Dataset,
    pub(super) split: &'a str,
    pub(super) seen: Seen,
    pub(super) views: usize,
    pub(super) half: bool,
}

impl Report<'_> {
    pub(super) fn json(&self, seconds: f64) -> Value {
        let models: Vec<String> = self.models.iter().map(|model| model.path.display().to_string()).collect();
        json!({
            "models": models,
            "data": self.data.origin,
            "split": self.split,
            "trained_on_data": self.seen.json(),
            "images": self.evaluation.images,
            "views": self.views,
            "half": self.half,
            "precisions": self.members().map(|member| member.precision).collect::<Vec<_>>(),
            "weights": self.models.iter().map(|model| weights(model)).collect::<Vec<_>>(),
            "top1": self.evaluation.top1_share(),
            "top5": self.evaluation.top5_share(),
            "top1_correct": self.evaluation.top1,
            "top5_correct": self.evaluation.top5,
            "loss": self.evaluation.loss,
            "skipped": self.evaluation.skipped,
            "seconds": seconds,
        })
    }

    /// The single models.
    fn members(&self) -> impl Iterator<Item = &LoadedModel> {
        self.models.iter().flat_map(|model| &model.members)
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
        let Evaluation { images, top1, top5, loss, skipped, .. } = self.evaluation;
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
        let views = if self.views == 1 { "1 (center)" } else { "10 (corners and center, mirrored)" };
        let _ = writeln!(out, "views     {views}");
        if self.half {
            let _ = writeln!(out, "weights   fully connected layers in half precision");
        }
        let is_quantized =
            |model: &&Predictor| model.members.iter().any(|member| member.precision == WeightPrecision::Int8);
        for model in self.models.iter().filter(is_quantized) {
            let path = printable(&model.path.display().to_string());
            let _ = writeln!(out, "weights   8-bit integers in {path}");
        }
        for (name, share, count) in
            [("top-1", self.evaluation.top1_share(), top1), ("top-5", self.evaluation.top5_share(), top5)]
        {
            let error = percent(1.0 - share);
            let _ =
                writeln!(out, "{name:<8}  {} ({} images); error {error}", percent(share), grouped(*count));
        }
        let _ = writeln!(out, "loss      {loss:.4}");
        let _ = writeln!(out, "skipped   {}", grouped(skipped.len()));
        for skip in skipped.iter().take(LISTED) {
            let _ = writeln!(out, "  {}: {}", printable(&skip.file), printable(&skip.reason));
        }
        if skipped.len() > LISTED {
            let _ = writeln!(out, "  and {} more: --json lists all", grouped(skipped.len() - LISTED));
        }
        out
    }
}

/// The weights of the models in a file.
fn weights(model: &Predictor) -> Vec<f64> {
    model.members.iter().map(|member| member.weight).collect()
}
