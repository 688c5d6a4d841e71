//! Compares logits with the program that a network was imported from, by a script that Python runs.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::data::View;
use crate::model::Model;
use crate::{Error, Result};

/// A script that computes the logits of views with another program. It is told a folder, in which it finds `request.json` and
/// `views.f32`, `[images, 3, crop, crop]`, and writes `logits.f32`, `[images, classes]`, and `result.json`: `{"program": NAME}`, or
/// `{"missing": PACKAGE}` if it needs a package of Python that is not installed.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerScript {
    /// The names and texts of its files; the first is run.
    pub(super) files: Vec<(&'static str, &'static str)>,
    /// What it is told, an object. The numbers of `images` and `classes` and the side of a `crop` are added.
    pub(super) request: Value,
}

/// The logits of a model against those of the program that it was imported from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerOutcome {
    /// They were compared.
    Compared(PeerDifference),
    /// They were not.
    NotCompared {
        /// Why.
        reason: String,
        /// How to compare them.
        help: String,
    },
}

/// How much logits differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PeerDifference {
    /// The other program and its version.
    pub program: String,
    /// The number of images.
    pub images: usize,
    /// The root mean square of the difference, relative to that of the other program's logits.
    pub relative_rms: f64,
}

/// What the script found.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Program(String),
    Missing(String),
}

impl PeerScript {
    /// Runs the script with the interpreter `python`, and compares its logits with those of the golden samples of `model`.
    ///
    /// # Errors
    /// Returns an error if a temporary folder cannot be written. A comparison that is not possible is no error.
    pub fn compare(&self, model: &Model, python: &OsStr) -> Result<PeerOutcome> {
        let failed = |error: std::io::Error| {
            Error::new(crate::error::Kind::Runtime, format!("cannot write a temporary folder: {error}"))
        };
        let folder = tempfile::Builder::new().prefix("alexnet-").tempdir().map_err(failed)?;
        self.write(model, folder.path()).map_err(failed)?;
        let mut command = Command::new(python);
        command.arg(folder.path().join(self.files[0].0)).arg(folder.path());
        // What Python writes next to the scripts goes with the folder.
        let output = command.stdin(Stdio::null()).env("PYTHONDONTWRITEBYTECODE", "1").output();
        Ok(match output {
            Ok(output) => answer(folder.path(), &output, python, model),
            Err(error) => not_compared(
                format!("cannot run {}: {error}", python.display()),
                "install Python, or name an interpreter: `ALEXNET_PYTHON=/path/to/python3 alexnet import ...`".into(),
            ),
        })
    }

    fn write(&self, model: &Model, folder: &Path) -> std::io::Result<()> {
        for (name, text) in &self.files {
            std::fs::write(folder.join(name), text)?;
        }
        let mut request = self.request.clone();
        request["images"] = model.golden.images.len().into();
        request["crop"] = model.preprocess.crop.into();
        request["classes"] = model.classes.len().into();
        std::fs::write(folder.join("request.json"), request.to_string())?;
        std::fs::write(folder.join("views.f32"), views(model))
    }
}

/// The center crops of the golden samples, `[images, 3, crop, crop]`, as bytes.
fn views(model: &Model) -> Vec<u8> {
    let preprocess = &model.preprocess;
    let center = View::center(preprocess.square, preprocess.crop);
    let mut bytes = Vec::new();
    for image in &model.golden.images {
        let mut view = vec![0.0; preprocess.view_len()];
        preprocess.view(image, center, [0.0; 3], &mut view);
        for channel in 0..3 {
            let plane = view.iter().skip(channel).step_by(3);
            bytes.extend(plane.flat_map(|value| value.to_le_bytes()));
        }
    }
    bytes
}

/// What the script left in the folder.
fn answer(folder: &Path, output: &Output, python: &OsStr, model: &Model) -> PeerOutcome {
    let python = python.display();
    let text = std::fs::read_to_string(folder.join("result.json")).ok().filter(|_| output.status.success());
    match text.and_then(|text| serde_json::from_str(&text).ok()) {
        Some(Answer::Missing(package)) => not_compared(
            format!("{python} has no package `{package}`"),
            format!(
                "install it: `{python} -m pip install {package}`; or name another interpreter: \
                 `ALEXNET_PYTHON=/path/to/python3 alexnet import ...`"
            ),
        ),
        Some(Answer::Program(program)) => match logits(folder, model) {
            Some(logits) => PeerOutcome::Compared(PeerDifference {
                program,
                images: model.golden.images.len(),
                relative_rms: model.golden.relative_rms(&logits),
            }),
            None => not_compared(format!("{program} computed another number of logits"), CHECK.into()),
        },
        None => {
            let errors = String::from_utf8_lossy(&output.stderr);
            let last = errors.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it wrote nothing");
            not_compared(format!("{python} failed: {}", last.trim()), CHECK.into())
        }
    }
}

/// What to do if the script fails.
const CHECK: &str = "check that the program which wrote the files can load them";

fn logits(folder: &Path, model: &Model) -> Option<Vec<f32>> {
    let bytes = std::fs::read(folder.join("logits.f32")).ok()?;
    let (values, rest) = bytes.as_chunks::<4>();
    let logits: Vec<f32> = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    (rest.is_empty() && logits.len() == model.golden.logits.len()).then_some(logits)
}

fn not_compared(reason: String, help: String) -> PeerOutcome {
    PeerOutcome::NotCompared { reason, help }
}
