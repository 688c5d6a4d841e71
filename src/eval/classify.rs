//! The likeliest classes of pictures: files, standard input, folders. A picture that fails does not stop the others.

use std::io::Read;
use std::path::Path;

use serde::Serialize;

use super::Predictor;
use super::topk::top;
use crate::data::upright;
use crate::{Error, Result};

/// Largest picture file that is read, in bytes: far above any photograph.
const LARGEST_FILE: u64 = 1 << 30;

/// What classifying one picture found. As JSON: `file`, and either `predictions` or `error`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Classified {
    /// The picture's path, `-` for standard input.
    pub file: String,
    /// The likeliest classes, or why there are none.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// The likeliest classes of a picture, or why there are none.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Best first.
    Predictions(Vec<Prediction>),
    /// Why the picture could not be judged.
    Error(String),
}

/// A class and how probable it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// Class name.
    pub label: String,
    /// 0 to 1; all classes together 1.
    pub probability: f64,
}

/// The pictures that the user means: each name itself, `-` for standard input, and for a folder the pictures in it
/// by name. A folder without pictures stays in the list, for [`classify`] to refuse.
pub fn pictures(names: &[String]) -> Vec<String> {
    names.iter().flat_map(|name| in_folder(name).unwrap_or_else(|| vec![name.clone()])).collect()
}

/// The pictures in the folder `name`, if it is one and has any.
fn in_folder(name: &str) -> Option<Vec<String>> {
    let entries = std::fs::read_dir(name).ok()?;
    let is_picture = |path: &Path| {
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        path.is_file() && extension.is_some_and(|e| matches!(e.as_str(), "jpg" | "jpeg" | "jpe" | "png"))
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_picture(path));
    let mut found: Vec<String> = paths.map(|path| path.to_string_lossy().into_owned()).collect();
    found.sort();
    (!found.is_empty()).then_some(found)
}

/// The `k` likeliest classes of the picture `file`, from `views` views (1 or 10).
pub fn classify(model: &mut Predictor, file: &str, views: usize, k: usize) -> Classified {
    let outcome = predictions(model, file, views, k).unwrap_or_else(|error| Outcome::Error(error.message));
    Classified { file: file.to_string(), outcome }
}

fn predictions(model: &mut Predictor, file: &str, views: usize, k: usize) -> Result<Outcome> {
    let picture = upright::decode(&read(file)?, model.preprocess.orientation)?;
    let probabilities = model.probabilities(&picture, views)?;
    let predictions = top(&probabilities, k)
        .into_iter()
        .map(|(class, probability)| Prediction { label: model.classes[class].clone(), probability })
        .collect();
    Ok(Outcome::Predictions(predictions))
}

fn read(file: &str) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| Error::data(format!("cannot be read: {error}"));
    let source: Box<dyn Read> = if file == "-" {
        Box::new(std::io::stdin().lock())
    } else if Path::new(file).is_dir() {
        return Err(Error::data("a folder without pictures, expected .jpg or .png files right in it"));
    } else {
        Box::new(std::fs::File::open(file).map_err(failed)?)
    };
    let mut bytes = Vec::new();
    source.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(Error::data(format!("more than {LARGEST_FILE} bytes, expected a picture")));
    }
    Ok(bytes)
}
