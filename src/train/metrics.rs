//! `metrics.jsonl`: what a training measured, one JSON object a line, for people and plotting programs.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{Error, Result};

/// One line: the steps since the line before, or a whole epoch when [`Line::validation`] is there. The names are
/// an interface: `train/loss`, `train/top1`, `val/loss`, `val/top1`, `val/top5`, `lr`, ...
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// Updates made so far.
    pub step: usize,
    /// The epoch these steps belong to, counted from 1.
    pub epoch: usize,
    /// Seconds since the first step began.
    pub seconds: f64,
    /// Mean multinomial logistic loss over the pictures of these steps, dropout and augmentation on.
    #[serde(rename = "train/loss")]
    pub loss: f64,
    /// Share of these pictures classified right, dropout and augmentation on.
    #[serde(rename = "train/top1")]
    pub top1: f64,
    /// Learning rate.
    pub lr: f32,
    /// Training pictures per second, loading included, validation not.
    pub images_per_second: f64,
    /// Share of the time that was spent waiting for pictures.
    pub waiting: f64,
    /// At the end of an epoch.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Validation>,
}

/// What a validation found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Validation {
    /// Mean multinomial logistic loss.
    #[serde(rename = "val/loss")]
    pub loss: f64,
    /// Share of pictures whose most probable class is right.
    #[serde(rename = "val/top1")]
    pub top1: f64,
    /// Share of pictures whose class is among the five most probable.
    #[serde(rename = "val/top5")]
    pub top5: f64,
}

/// Writes `metrics.jsonl`. Every line reaches the file at once: a plot can follow, and a crash loses none.
#[derive(Debug)]
pub struct Metrics {
    path: PathBuf,
    file: File,
}

impl Metrics {
    /// Starts the file at `path` afresh.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let file = File::create(&path).map_err(|e| Error::io(&path, "create the file", &e))?;
        Ok(Self { path, file })
    }

    /// Adds one line. A value that is not finite is written as `null`, which is all that JSON has for it.
    ///
    /// # Errors
    /// When the line cannot be written: a full disk.
    pub fn write(&mut self, line: &Line) -> Result<()> {
        let mut text = serde_json::to_string(line).expect("numbers under fixed names are JSON");
        text.push('\n');
        // One write for the whole line: a reader never sees half of it.
        self.file.write_all(text.as_bytes()).map_err(|e| Error::io(&self.path, "write a line", &e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_an_object_with_the_documented_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut metrics = Metrics::create(&path).unwrap();
        let mut line = Line {
            step: 20,
            epoch: 1,
            seconds: 1.5,
            loss: 2.25,
            top1: 0.25,
            lr: 0.01,
            images_per_second: 1000.0,
            waiting: 0.01,
            validation: None,
        };
        metrics.write(&line).unwrap();
        line.validation = Some(Validation { loss: f64::NAN, top1: 0.5, top5: 0.75 });
        metrics.write(&line).unwrap();

        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["train/loss"], 2.25);
        assert_eq!(lines[0]["images_per_second"], 1000.0);
        assert!(lines[0].get("val/top1").is_none());
        assert_eq!(lines[1]["val/top5"], 0.75);
        assert!(lines[1]["val/loss"].is_null());
    }
}
