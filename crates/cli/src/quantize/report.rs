//! The results of a quantization as text and as JSON.

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::images::{Calibration, Validation};
use crate::output::{percent, printable};
use alexnet::error::shell;
use alexnet::format::{cells, grouped, padded, padded_left};
use alexnet::quantize::{Accuracy, Decision, QuantizeReport, Range, RangeRule};

/// Most skipped images that the text lists; the JSON lists all.
const LISTED: usize = 10;

/// What was quantized, to what, and on which images.
pub(super) struct Summary<'a> {
    pub(super) model: PathBuf,
    pub(super) out: PathBuf,
    pub(super) calibration: &'a Calibration,
    pub(super) validation: &'a Validation,
    /// Where the validation images are from.
    pub(super) origin: String,
    pub(super) report: &'a QuantizeReport,
    pub(super) seconds: f64,
}

impl Summary<'_> {
    pub(super) fn json(&self) -> Value {
        let QuantizeReport {
            images,
            rule,
            f32_bytes,
            int8_bytes,
            layers,
            errors,
            warnings,
            skipped,
            accuracy,
        } = self.report;
        let reason = match self.validation {
            Validation::Images(_) => None,
            Validation::None(reason) => Some(reason),
        };
        json!({
            "model": self.model.display().to_string(),
            "out": self.out.display().to_string(),
            "calibration": {
                "data": self.calibration.origin,
                "split": self.calibration.split.name,
                "images": images,
                "skipped": skipped,
            },
            "ranges": rule,
            "f32_bytes": f32_bytes,
            "int8_bytes": int8_bytes,
            "layers": layers,
            "errors": errors,
            "warnings": warnings,
            "accuracy": accuracy.as_ref().map(|accuracy| self.accuracy(accuracy)),
            "not_measured": reason,
            "seconds": self.seconds,
        })
    }

    fn accuracy(&self, accuracy: &Accuracy) -> Value {
        let Accuracy { split, views, f32, int8 } = accuracy;
        json!({
            "data": self.origin,
            "split": split,
            "views": views,
            "images": f32.images,
            "f32": { "top1": f32.top1_share(), "top5": f32.top5_share(), "loss": f32.loss },
            "int8": { "top1": int8.top1_share(), "top5": int8.top5_share(), "loss": int8.loss },
        })
    }

    pub(super) fn text(&self) -> String {
        let QuantizeReport { images, rule, f32_bytes, int8_bytes, layers, skipped, accuracy, .. } =
            self.report;
        let mut out = String::new();
        let path = |path: &PathBuf| printable(&path.display().to_string());
        let _ = writeln!(out, "model     {}", path(&self.model));
        let (split, origin) = (&self.calibration.split.name, printable(&self.calibration.origin));
        let _ = writeln!(out, "images    {} for calibration, split {split} of {origin}", grouped(*images));
        let rule = match rule {
            RangeRule::Max => "all values",
            RangeRule::Percentile => "99.99 % of the values",
            RangeRule::Mse => "least mean squared error",
        };
        let _ = writeln!(out, "ranges    {rule}\n");
        out += &self.table(layers);
        let megabytes = |bytes: usize| bytes as f64 / 1e6;
        let (before, after) = (megabytes(*f32_bytes), megabytes(*int8_bytes));
        let _ = writeln!(out, "\nweights   {before:.2} MB in f32, {after:.2} MB quantized");
        match (accuracy, self.validation) {
            (Some(Accuracy { split, f32, int8, .. }), _) => {
                let (images, origin) = (grouped(f32.images), printable(&self.origin));
                let _ = writeln!(out, "accuracy  {images} images, split {split} of {origin}");
                for (name, before, after) in [
                    ("top-1", f32.top1_share(), int8.top1_share()),
                    ("top-5", f32.top5_share(), int8.top5_share()),
                ] {
                    let points = 100.0 * (after - before);
                    let (before, after) = (percent(before), percent(after));
                    let _ =
                        writeln!(out, "{name:<8}  {before} in f32, {after} quantized: {points:+.2} points");
                }
            }
            (None, Validation::None(reason)) => {
                let help = "`--data SRC` measures it on other images";
                let _ = writeln!(out, "accuracy  not measured: {reason}; {help}");
            }
            (None, Validation::Images(_)) => {}
        }
        if !skipped.is_empty() {
            let _ = writeln!(out, "skipped   {}", grouped(skipped.len()));
            for skip in skipped.iter().take(LISTED) {
                let _ = writeln!(out, "  {}: {}", printable(&skip.file), printable(&skip.reason));
            }
        }
        let _ = writeln!(out, "use it    alexnet classify {} IMAGE", shell(&self.out));
        out
    }

    /// A row for each layer, and the reasons of those in f32.
    fn table(&self, layers: &[Decision]) -> String {
        let head = ["layer", "kind", "form", "range", "outliers", "weights", "output"];
        let errors = |layer: &str| self.report.errors.iter().find(|error| error.layer == layer);
        let percent =
            |error: Option<f64>| error.map_or(String::new(), |error| format!("{:.2} %", 100.0 * error));
        let mut rows = vec![head.map(str::to_owned)];
        rows.extend(layers.iter().map(|decision| {
            let Decision { layer, kind, form, range, rejected_range, weight_error, .. } = decision;
            let interval = |range: &Range| {
                let bytes = range.quantizer();
                format!("{:.3} to {:.3}", bytes.dequantize(0), bytes.dequantize(255))
            };
            [
                printable(layer),
                (*kind).to_owned(),
                form.to_string(),
                range.as_ref().map_or(String::new(), interval),
                range
                    .as_ref()
                    .or(rejected_range.as_ref())
                    .map_or(String::new(), |range| format!("{:.1}", range.outlier_ratio)),
                percent(*weight_error),
                percent(errors(layer).map(|error| error.error)),
            ]
        }));
        let mut out = aligned(&rows);
        for Decision { layer, reason, .. } in layers {
            if let Some(reason) = reason {
                let _ = writeln!(out, "{}: {reason}", printable(layer));
            }
        }
        out
    }
}

/// Rows in columns, of which the last three are numbers.
fn aligned(rows: &[[String; 7]]) -> String {
    let width = |column: usize| rows.iter().map(|row| cells(&row[column])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            line += &if column < 4 { padded(cell, width) } else { padded_left(cell, width) };
            line += "  ";
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}
