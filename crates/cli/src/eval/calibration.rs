//! Calibration, before and after temperature scaling.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::output::percent;
use alexnet::eval::ImageResults;
use alexnet::eval::statistics::{Calibration, HeldOutTemperature, held_out_temperature};
use alexnet::format::grouped;

/// A temperature fitted on the evaluated images.
pub(super) struct Scaling {
    found: HeldOutTemperature,
    images: usize,
}

impl Scaling {
    /// Fits a temperature; `None` if fewer than two images can be decoded.
    pub(super) fn fit(results: &ImageResults) -> Option<Self> {
        let labels: Vec<usize> = results.images.iter().map(|image| image.label).collect();
        let found = held_out_temperature(results.log_probabilities.as_ref()?, &labels)?;
        Some(Self { found, images: labels.len() })
    }

    pub(super) fn json(&self) -> Value {
        let HeldOutTemperature { all, halves, calibration, loss } = &self.found;
        json!({
            "temperature": all.temperature,
            "at_limit": all.at_limit,
            "fitted_on_images": self.images,
            "halves": halves.map(|half| half.temperature),
            "held_out": { "ece": calibration.ece, "bins": calibration.bins, "loss": loss },
        })
    }

    pub(super) fn text(&self) -> String {
        let HeldOutTemperature { all, halves: [first, second], calibration, loss } = &self.found;
        let mut out = String::new();
        let limit = if all.at_limit { ", the limit of the search" } else { "" };
        let _ = writeln!(
            out,
            "temperature  {:.3}{limit}, fitted on all {} images; model files do not contain it",
            all.temperature,
            grouped(self.images)
        );
        let _ = writeln!(
            out,
            "  each half with the temperature of the other, {:.3} and {:.3}: ECE {}, loss {loss:.4}",
            second.temperature,
            first.temperature,
            percent(calibration.ece)
        );
        out
    }
}

/// The mean confidence and what it should be.
pub(super) fn text(calibration: &Calibration, accuracy: f64) -> String {
    let images: usize = calibration.bins.iter().map(|bin| bin.images).sum();
    let total: f64 =
        calibration.bins.iter().filter_map(|bin| Some(bin.images as f64 * bin.confidence?)).sum();
    format!(
        "ECE       {}: confidence {} on average, accuracy {}\n",
        percent(calibration.ece),
        percent(total / images.max(1) as f64),
        percent(accuracy)
    )
}
