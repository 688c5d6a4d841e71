//! Images with their most probable classes.

use std::path::Path;

use crate::Result;
use crate::data::{Image, Preprocess, Skip, Split, upright};
use crate::eval::Predictor;
use crate::eval::topk::top;
use crate::net::Views;
use crate::random::{Purpose, key};

/// The number of classes shown, as in the paper.
pub const TOP: usize = 5;

/// An image with its most probable classes.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictedImage {
    /// The file.
    pub file: String,
    /// The correct class, if it is known.
    pub label: Option<usize>,
    /// The square that the crops are cut from.
    pub square: Image,
    /// Up to five classes with their probabilities, most probable first.
    pub top: Vec<(usize, f64)>,
}

impl PredictedImage {
    /// The position of the correct class among the most probable ones, from 0; `None` if it is not known or not among them.
    pub fn rank(&self) -> Option<usize> {
        self.top.iter().position(|&(class, _)| Some(class) == self.label)
    }
}

/// An image before it is classified.
#[derive(Clone, Debug, PartialEq)]
pub struct ChosenImage {
    /// The file.
    pub file: String,
    /// The correct class, if it is known.
    pub label: Option<usize>,
    /// The pixels.
    pub image: Image,
}

/// Chooses `count` images of a split at random, the same ones for the same seed and split, and returns those that decode; the
/// next ones take the place of those that do not, which are returned too.
///
/// # Errors
/// Returns an error if a file cannot be read.
pub fn choose(
    model: &Predictor,
    split: &Split,
    count: usize,
    seed: u64,
) -> Result<(Vec<ChosenImage>, Vec<Skip>)> {
    let split = split.oriented(preprocess(model).orientation);
    let mut order: Vec<usize> = (0..split.len()).collect();
    order.sort_by_cached_key(|&index| (key(seed, 0, index as u64, Purpose::Figure), index));
    let (mut chosen, mut skipped) = (Vec::new(), Vec::new());
    for index in order {
        if chosen.len() == count {
            break;
        }
        match split.image(index)? {
            Ok(image) => {
                let (file, label) = (split.file(index).to_owned(), Some(split.label(index) as usize));
                chosen.push(ChosenImage { file, label, image });
            }
            Err(skip) => skipped.push(skip),
        }
    }
    Ok((chosen, skipped))
}

/// Reads image files, whose classes are not known, and returns those that decode and those that do not.
pub fn open<'a>(
    model: &Predictor,
    files: impl IntoIterator<Item = &'a Path>,
) -> (Vec<ChosenImage>, Vec<Skip>) {
    let orientation = preprocess(model).orientation;
    let (mut chosen, mut skipped) = (Vec::new(), Vec::new());
    for path in files {
        let file = path.display().to_string();
        match upright::read(path).and_then(|bytes| upright::decode(&bytes, orientation)) {
            Ok(image) => chosen.push(ChosenImage { file, label: None, image }),
            Err(error) => skipped.push(Skip { file, reason: error.message }),
        }
    }
    (chosen, skipped)
}

/// Classifies an image, with the softmax averaged over `views`.
///
/// # Errors
/// Returns an error if the engine fails.
pub fn predict(model: &mut Predictor, chosen: ChosenImage, views: Views) -> Result<PredictedImage> {
    let ChosenImage { file, label, image } = chosen;
    let probabilities = model.probabilities(&image, views)?;
    Ok(PredictedImage {
        file,
        label,
        square: preprocess(model).square(&image),
        top: top(&probabilities, TOP),
    })
}

/// How the images are shown: as the model sees them; of an ensemble, its first model.
fn preprocess(model: &Predictor) -> &Preprocess {
    &model.members[0].preprocess
}
