//! `metrics.jsonl`: the measurements of a training run, one JSON object per line.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::engine::Health;
use crate::files::append::{Append, complete_lines};
use crate::{Error, Result};

/// Steps between two lines, each with layer statistics.
pub const LOG_EVERY: usize = 20;

/// A line: the steps since the previous line, or a whole epoch if [`Line::validation`] is set. The names are an interface:
/// `train/loss`, `train/top1`, `val/loss`, `val/top1`, `val/top5`, `lr`, `conv1/dead`, ... All values but `step`, `epoch` and
/// `seconds` are f32, so that every place that shows them has the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Steps so far.
    pub step: usize,
    /// The epoch of these steps, counted from 1.
    pub epoch: usize,
    /// Seconds of training so far, including those before an interruption.
    pub seconds: f64,
    /// Mean cross-entropy loss of the images of these steps, with dropout and augmentation.
    #[serde(rename = "train/loss")]
    pub loss: f32,
    /// Share of these images classified correctly, with dropout and augmentation.
    #[serde(rename = "train/top1")]
    pub top1: f32,
    /// Learning rate.
    pub lr: f32,
    /// Training throughput, including loading, excluding validation.
    pub images_per_second: f32,
    /// Share of the time spent waiting for images.
    pub waiting: f32,
    /// At the end of an epoch.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Validation>,
    /// Statistics of each layer with weights at the last of the steps: see [`Line::set_health`].
    #[serde(flatten)]
    pub health: BTreeMap<String, f32>,
}

/// The result of a validation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Mean cross-entropy loss.
    #[serde(rename = "val/loss")]
    pub loss: f32,
    /// Share of images whose most probable class is correct.
    #[serde(rename = "val/top1")]
    pub top1: f32,
    /// Share of images whose class is among the five most probable.
    #[serde(rename = "val/top5")]
    pub top5: f32,
}

impl Line {
    /// Sets the layer statistics: `LAYER/activation`, `LAYER/dead`, `LAYER/gradient`, `LAYER/weight` and `LAYER/ratio`, the
    /// update relative to the weights.
    pub fn set_health(&mut self, layers: &[Health]) {
        for layer in layers {
            let values = [
                ("activation", Some(layer.activation)),
                ("dead", layer.dead_fraction),
                ("gradient", Some(layer.gradient)),
                ("ratio", Some(layer.ratio())),
                ("weight", Some(layer.weight)),
            ];
            let known = values.into_iter().filter_map(|(what, value)| Some((what, value?)));
            self.health.extend(known.map(|(what, value)| (format!("{}/{what}", layer.layer), value)));
        }
    }

    /// Returns every value but `step`, `epoch` and `seconds`, by name.
    pub fn scalars(&self) -> Vec<(&str, f32)> {
        let mut scalars = vec![
            ("train/loss", self.loss),
            ("train/top1", self.top1),
            ("lr", self.lr),
            ("images_per_second", self.images_per_second),
            ("waiting", self.waiting),
        ];
        if let Some(found) = &self.validation {
            scalars.extend([("val/loss", found.loss), ("val/top1", found.top1), ("val/top5", found.top5)]);
        }
        scalars.extend(self.health.iter().map(|(name, &value)| (name.as_str(), value)));
        scalars
    }
}

/// Writes `metrics.jsonl`. Every line is written at once, so that plots can follow. A line that does not fit on a full disk is
/// kept, and written when there is space.
#[derive(Debug)]
pub struct MetricsFile {
    path: PathBuf,
    file: Append,
    lines: usize,
    /// The lines that could not be written completely, and those after them.
    unwritten: Vec<String>,
}

impl MetricsFile {
    /// Creates the file, replacing an earlier one.
    ///
    /// # Errors
    /// Returns an error if the file cannot be created.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let file = File::create(&path).map_err(|e| Error::io(&path, "create the file", &e))?;
        Ok(Self { path, file: Append::new(file), lines: 0, unwritten: Vec::new() })
    }

    /// Opens the file to append after its first `lines` lines, or after all of them if there are fewer. The others are removed:
    /// their steps will be repeated.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or written.
    pub fn resume(path: impl AsRef<Path>, lines: usize) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let open = || {
            let text = match std::fs::read(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                text => text?,
            };
            let ends = text.iter().enumerate().filter(|&(_, &byte)| byte == b'\n').map(|(i, _)| i + 1);
            let ends: Vec<usize> = ends.take(lines).collect();
            let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
            file.set_len(ends.last().map_or(0, |&end| end as u64))?;
            file.seek(SeekFrom::End(0))?;
            Ok((file, ends.len()))
        };
        let (file, lines) = open().map_err(|e| Error::io(&path, "append to the file", &e))?;
        Ok(Self { path, file: Append::new(file), lines, unwritten: Vec::new() })
    }

    /// Lines so far.
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// Appends a line. A non-finite value is written as `null`, since JSON has no other notation for it.
    ///
    /// # Errors
    /// Returns an error if the line cannot be written, for example because the disk is full. It is then kept, and written before
    /// the next.
    pub fn write(&mut self, line: &Line) -> Result<()> {
        self.write_text(&serde_json::to_string(line).expect("numbers under fixed names are JSON"))
    }

    /// Appends a line of [`MetricsFile::unwritten`].
    ///
    /// # Errors
    /// As [`MetricsFile::write`].
    pub fn write_text(&mut self, text: &str) -> Result<()> {
        self.lines += 1;
        self.unwritten.push(text.to_owned());
        let written = self.file.add(format!("{text}\n").as_bytes());
        self.finish(written)
    }

    /// The lines that could not be written yet.
    pub fn unwritten(&self) -> &[String] {
        &self.unwritten
    }

    /// Writes the lines that could not be written before.
    ///
    /// # Errors
    /// Returns an error if they still cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        let written = self.file.add(&[]);
        self.finish(written)
    }

    fn finish(&mut self, written: io::Result<()>) -> Result<()> {
        written.map_err(|e| Error::io(&self.path, "write a line", &e))?;
        self.unwritten.clear();
        Ok(())
    }
}

/// Reads the lines of a `metrics.jsonl`, without incomplete ones and those that contain a `null`.
///
/// # Errors
/// Returns an error if the file cannot be read.
pub fn read(path: &Path) -> Result<Vec<Line>> {
    let text = std::fs::read(path).and_then(complete_lines);
    let text = text.map_err(|e| Error::io(path, "read the file", &e))?;
    Ok(text.lines().filter_map(parse_line).collect())
}

/// Parses lines; as [`read`].
pub fn parse(texts: &[String]) -> Vec<Line> {
    texts.iter().filter_map(|text| parse_line(text)).collect()
}

/// Parses a line. With a `null` in its validation it would look like one without.
fn parse_line(text: &str) -> Option<Line> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    if value.as_object()?.values().any(serde_json::Value::is_null) {
        return None;
    }
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_an_object_with_the_documented_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut metrics = MetricsFile::create(&path).unwrap();
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
            health: BTreeMap::new(),
        };
        metrics.write(&line).unwrap();
        line.validation = Some(Validation { loss: f32::NAN, top1: 0.5, top5: 0.75 });
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
        let layer = Health {
            layer: "conv1".into(),
            activation: 0.5,
            dead_fraction: Some(0.25),
            gradient: 1e-3,
            weight: 0.1,
            update: 1e-4,
        };
        line.set_health(&[layer]);
        line.validation = Some(Validation { loss: 0.1, top1: 0.5, top5: 0.75 });
        metrics.write(&line).unwrap();
        let back = read(&path).unwrap();
        assert_eq!((back.len(), back.last()), (2, Some(&line)), "the line with a null is skipped");
        let scalars = line.scalars();
        let value: serde_json::Value = serde_json::to_value(&line).unwrap();
        assert_eq!(scalars.len() + 3, value.as_object().unwrap().len());
        assert!(scalars.iter().all(|(name, number)| value[name] == f64::from(*number)));
        assert!(scalars.contains(&("conv1/dead", 0.25)) && scalars.contains(&("val/top5", 0.75)));
    }

    #[test]
    fn a_resumed_run_appends_after_its_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        assert_eq!(MetricsFile::resume(&path, 3).unwrap().lines(), 0, "a missing file is created");
        for (text, lines, left) in
            [("a\nb\nc\nd", 2, "a\nb\n"), ("a\nb\ncut", 3, "a\nb\n"), ("a\n", 0, ""), ("", 1, "")]
        {
            std::fs::write(&path, text).unwrap();
            let metrics = MetricsFile::resume(&path, lines).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), left);
            assert_eq!(metrics.lines(), left.lines().count());
        }
    }
}
