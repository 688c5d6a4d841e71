//! The most probable classes of images from files, folders or standard input. An unreadable image does not stop the
//! others.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Predictor;
use super::jobs::for_each;
use super::topk::top;
use crate::Result;
use crate::data::source::images_by_name;
use crate::data::{Image, upright};
use crate::net::{Orientation, Views};

/// The result for one image. As JSON: `file`, and either `predictions` or `error`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Classified {
    /// The path of the image; `-` for standard input. Bytes that are not UTF-8 are written as `\xNN`.
    pub file: String,
    /// The most probable classes, or an error.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// The most probable classes of an image, or an error.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The most probable classes, best first.
    Predictions(Vec<Prediction>),
    /// Why the image could not be classified.
    Error(String),
}

/// A class and its probability.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// The class name.
    pub label: String,
    /// The probability, from 0 to 1.
    pub probability: f64,
}

/// Expands folders to the images directly in them, sorted by name. Other paths are kept, including `-` for standard input,
/// and so are folders without images, for which [`classify`] returns an error. `note` receives a description of skipped
/// files, which include those whose names are not UTF-8.
pub fn images(paths: &[PathBuf], note: &mut dyn FnMut(String)) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for path in paths {
        match images_by_name(path) {
            Ok((images, notes)) => {
                notes.into_iter().for_each(|text| note(format!("{}: {text}", path.display())));
                if images.is_empty() {
                    all.push(path.clone());
                }
                all.extend(images);
            }
            // Not a folder; reading it reports what is wrong.
            Err(_) => all.push(path.clone()),
        }
    }
    all
}

/// Classifies an image: returns its `k` most probable classes, from the mean over `views`.
pub fn classify(model: &mut Predictor, file: &Path, views: Views, k: usize) -> Classified {
    let outcome = predictions(model, file, views, k).unwrap_or_else(|error| Outcome::Error(error.message));
    Classified { file: text_of(file), outcome }
}

/// A path as text: bytes that are not UTF-8 as `\xNN`.
fn text_of(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        text += chunk.valid();
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

fn predictions(model: &mut Predictor, file: &Path, views: Views, k: usize) -> Result<Outcome> {
    let probabilities = model.probabilities_of_file(&upright::read(file)?, views)?;
    let predictions = top(&probabilities, k)
        .into_iter()
        .map(|(class, probability)| Prediction { label: model.classes[class].clone(), probability })
        .collect();
    Ok(Outcome::Predictions(predictions))
}

/// Reads and decodes image files with up to `threads` threads. The results are in the order of the files.
pub fn decode(files: &[PathBuf], orientation: Orientation, threads: usize) -> Vec<Result<Image>> {
    let mut decoded: Vec<Option<Result<Image>>> = vec![None; files.len()];
    for_each(files.iter().zip(&mut decoded), threads.min(files.len()), |(file, out)| {
        let image = upright::read(file).and_then(|bytes| upright::decode(&bytes, orientation));
        *out = Some(image.map_err(|error| error.context(file.display())));
    });
    decoded.into_iter().map(|image| image.expect("each file is a job")).collect()
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    #[test]
    fn paths_that_are_not_text_stay_different() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        use std::path::Path;

        let text = |bytes: &[u8]| super::text_of(Path::new(OsStr::from_bytes(bytes)));
        assert_eq!(text("a/größe.jpg".as_bytes()), "a/größe.jpg");
        assert_eq!(text(b"a/gr\xf6\xdfe.jpg"), "a/gr\\xf6\\xdfe.jpg");
        assert_ne!(text(b"\xf6"), text(b"\xe4"));
        assert_eq!(text(b"-"), "-");
    }
}
