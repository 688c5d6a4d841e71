//! `metrics.jsonl`: what a training measured, one JSON object a line, for people and plotting programs.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::engine::Health;
use crate::files::append::Append;
use crate::{Error, Result};

/// One line: the steps since the line before, or a whole epoch when [`Line::validation`] is there. The names are
/// an interface: `train/loss`, `train/top1`, `val/loss`, `val/top1`, `val/top5`, `lr`, `conv1/dead`, ... All but
/// `step`, `epoch` and `seconds` are in single precision, so that every place where they are shown has the same numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Updates made so far.
    pub step: usize,
    /// The epoch these steps belong to, counted from 1.
    pub epoch: usize,
    /// Seconds of training so far, those before an interruption included.
    pub seconds: f64,
    /// Mean multinomial logistic loss over the images of these steps, dropout and augmentation on.
    #[serde(rename = "train/loss")]
    pub loss: f32,
    /// Share of these images classified right, dropout and augmentation on.
    #[serde(rename = "train/top1")]
    pub top1: f32,
    /// Learning rate.
    pub lr: f32,
    /// Training images per second, loading included, validation not.
    pub images_per_second: f32,
    /// Share of the time that was spent waiting for images.
    pub waiting: f32,
    /// At the end of an epoch.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Validation>,
    /// Of each layer with weights, at the last of the steps: see [`Line::set_health`].
    #[serde(flatten)]
    pub health: BTreeMap<String, f32>,
}

/// What a validation found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Mean multinomial logistic loss.
    #[serde(rename = "val/loss")]
    pub loss: f32,
    /// Share of images whose most probable class is right.
    #[serde(rename = "val/top1")]
    pub top1: f32,
    /// Share of images whose class is among the five most probable.
    #[serde(rename = "val/top5")]
    pub top5: f32,
}

impl Line {
    /// Takes what an engine tells of its layers: `LAYER/activation`, `LAYER/dead`, `LAYER/gradient`, `LAYER/weight` and
    /// `LAYER/ratio`, the update beside the weights.
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

    /// Every number by its name, but for `step`, `epoch` and `seconds`.
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

/// Writes `metrics.jsonl`. Every line goes to the file at once: a plot can follow. A line that does not fit on a full disk
/// is kept, and written when there is space again.
#[derive(Debug)]
pub struct Metrics {
    path: PathBuf,
    file: Append,
    lines: usize,
    /// The lines that could not be written whole, and those behind them.
    unwritten: Vec<String>,
}

impl Metrics {
    /// Starts the file at `path` afresh.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let file = File::create(&path).map_err(|e| Error::io(&path, "create the file", &e))?;
        Ok(Self { path, file: Append::new(file), lines: 0, unwritten: Vec::new() })
    }

    /// Goes on behind the first `lines` lines of the file at `path`, or behind as many as there are; those that follow
    /// are cut off: their steps are made again.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn go_on(path: impl AsRef<Path>, lines: usize) -> Result<Self> {
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
        let (file, lines) = open().map_err(|e| Error::io(&path, "go on with the file", &e))?;
        Ok(Self { path, file: Append::new(file), lines, unwritten: Vec::new() })
    }

    /// Lines so far.
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// Adds one line. A value that is not finite is written as `null`, which is all that JSON has for it.
    ///
    /// # Errors
    /// When the line cannot be written: a full disk. It is then kept, and written before the next.
    pub fn write(&mut self, line: &Line) -> Result<()> {
        self.write_text(&serde_json::to_string(line).expect("numbers under fixed names are JSON"))
    }

    /// Adds one line as [`Metrics::unwritten`] gave it.
    ///
    /// # Errors
    /// As [`Metrics::write`].
    pub fn write_text(&mut self, text: &str) -> Result<()> {
        self.lines += 1;
        self.unwritten.push(text.to_owned());
        let added = self.file.add(format!("{text}\n").as_bytes());
        self.after(added)
    }

    /// The lines that are kept because they could not be written.
    pub fn unwritten(&self) -> &[String] {
        &self.unwritten
    }

    /// Writes what was kept.
    ///
    /// # Errors
    /// When it still cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        let added = self.file.add(&[]);
        self.after(added)
    }

    fn after(&mut self, added: io::Result<()>) -> Result<()> {
        added.map_err(|e| Error::io(&self.path, "write a line", &e))?;
        self.unwritten.clear();
        Ok(())
    }
}

/// The lines of a run's `metrics.jsonl`; one that is cut short, or holds a `null`, is left out.
///
/// # Errors
/// When the file cannot be read.
pub fn read(path: &Path) -> Result<Vec<Line>> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, "read the file", &e))?;
    Ok(text.lines().filter_map(line).collect())
}

/// The lines among these texts; as [`read`].
pub fn parse(texts: &[String]) -> Vec<Line> {
    texts.iter().filter_map(|text| line(text)).collect()
}

/// A line's text as numbers. A `null` in a validation would make it pass for a line without one.
fn line(text: &str) -> Option<Line> {
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
        assert_eq!((back.len(), back.last()), (2, Some(&line)), "the line with a null is left out");
        let scalars = line.scalars();
        let value: serde_json::Value = serde_json::to_value(&line).unwrap();
        assert_eq!(scalars.len() + 3, value.as_object().unwrap().len());
        assert!(scalars.iter().all(|(name, number)| value[name] == f64::from(*number)));
        assert!(scalars.contains(&("conv1/dead", 0.25)) && scalars.contains(&("val/top5", 0.75)));
    }

    #[test]
    fn a_resumed_run_goes_on_behind_the_lines_it_had() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        assert_eq!(Metrics::go_on(&path, 3).unwrap().lines(), 0, "a file that is gone is begun again");
        for (text, lines, left) in
            [("a\nb\nc\nd", 2, "a\nb\n"), ("a\nb\ncut", 3, "a\nb\n"), ("a\n", 0, ""), ("", 1, "")]
        {
            std::fs::write(&path, text).unwrap();
            let metrics = Metrics::go_on(&path, lines).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), left);
            assert_eq!(metrics.lines(), left.lines().count());
        }
    }
}
