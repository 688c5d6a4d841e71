//! The likeliest classes of images: files, standard input, folders. An image that fails does not stop the others.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Predictor;
use super::topk::top;
use crate::data::source::images_in;
use crate::data::upright;
use crate::{Error, Result};

/// Largest image file that is read, in bytes: far above any photograph.
const LARGEST_FILE: u64 = 1 << 30;

/// What classifying one image found. As JSON: `file`, and either `predictions` or `error`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Classified {
    /// The image's path, `-` for standard input.
    pub file: String,
    /// The likeliest classes, or why there are none.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// The likeliest classes of an image, or why there are none.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Best first.
    Predictions(Vec<Prediction>),
    /// Why the image could not be judged.
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

/// The images that the user means: each path itself, `-` for standard input, and for a folder the images right in it by
/// name. A folder without images stays in the list, for [`classify`] to refuse. What is skipped of folders is noted.
pub fn images(paths: &[PathBuf], note: &mut dyn FnMut(String)) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for path in paths {
        match images_in(path) {
            Ok((images, skipped)) => {
                skipped.notes().into_iter().for_each(|text| note(format!("{}: {text}", path.display())));
                if images.is_empty() {
                    all.push(path.clone());
                }
                all.extend(images);
            }
            // No folder: a file, or nothing; reading it says what is wrong.
            Err(_) => all.push(path.clone()),
        }
    }
    all
}

/// The `k` likeliest classes of the image `file`, from `views` views (1 or 10).
pub fn classify(model: &mut Predictor, file: &Path, views: usize, k: usize) -> Classified {
    let outcome = predictions(model, file, views, k).unwrap_or_else(|error| Outcome::Error(error.message));
    Classified { file: file.display().to_string(), outcome }
}

fn predictions(model: &mut Predictor, file: &Path, views: usize, k: usize) -> Result<Outcome> {
    let image = upright::decode(&read(file)?, model.preprocess.orientation)?;
    let probabilities = model.probabilities(&image, views)?;
    let predictions = top(&probabilities, k)
        .into_iter()
        .map(|(class, probability)| Prediction { label: model.classes[class].clone(), probability })
        .collect();
    Ok(Outcome::Predictions(predictions))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| Error::data(format!("cannot be read: {error}"));
    let source: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else if file.is_dir() {
        return Err(Error::data("no images right in this folder"));
    } else {
        Box::new(std::fs::File::open(file).map_err(failed)?)
    };
    let mut bytes = Vec::new();
    source.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(Error::data(format!("more than {LARGEST_FILE} bytes, expected an image")));
    }
    Ok(bytes)
}
