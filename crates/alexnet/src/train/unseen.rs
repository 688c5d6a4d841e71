//! Which images of a dataset are evaluated: by default, images that the models were not trained on.

use std::path::Path;

use super::image_source::ImageSource;
use super::origin::Origin;
use crate::Result;
use crate::data::{Dataset, Split, identity};
use crate::eval::Predictor;
use crate::format::grouped;

/// What the models have seen of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// One was trained on its training images.
    Train,
    /// One was trained on images at the same path, which have changed since.
    EarlierTrain,
    /// All were trained on other sets of images, which may have images of this one.
    Nothing,
    /// The model files do not say.
    Unknown,
}

impl Seen {
    fn of(models: &[Predictor], data: &Dataset, source: &Path) -> Self {
        let Ok(train) = data.train() else { return Self::Unknown };
        let digest = identity::digest_of(train);
        let trained_on = || models.iter().flat_map(|model| &model.members).map(|member| &member.trained_on);
        if trained_on().any(|trained_on| trained_on.as_ref() == Some(&digest)) {
            return Self::Train;
        }
        let here = source.canonicalize().ok();
        let came_from = |model: &Predictor| match Origin::read(model.path.parent()?).ok()?.source {
            ImageSource::Path(path) => path.canonicalize().ok(),
            ImageSource::BuiltIn | ImageSource::Memory => None,
        };
        if here.is_some() && models.iter().any(|model| came_from(model) == here) {
            return Self::EarlierTrain;
        }
        match trained_on().all(Option::is_some) {
            true => Self::Nothing,
            false => Self::Unknown,
        }
    }

    /// Whether a model was trained on the dataset; `None` if that is not known.
    pub fn was_trained_on(self) -> Option<bool> {
        match self {
            Self::Train | Self::EarlierTrain => Some(true),
            Self::Nothing => Some(false),
            Self::Unknown => None,
        }
    }
}

/// The images to evaluate.
#[derive(Clone, Debug)]
pub struct Choice<'a> {
    /// The split.
    pub split: &'a Split,
    /// What the models have seen of their dataset.
    pub seen: Seen,
    /// Why this split, or what is wrong with it.
    pub note: Option<String>,
}

/// Chooses the split that was `requested` of a dataset, which was opened from `source`. By default that is `val`; in a dataset
/// without splits the held-out part, or all if the models were trained on another set.
///
/// # Errors
/// Returns an error if there is no such split.
pub fn choose<'a>(
    data: &'a Dataset,
    source: &Path,
    requested: Option<&str>,
    models: &[Predictor],
) -> Result<Choice<'a>> {
    let seen = Seen::of(models, data, source);
    if let Some(name) = requested {
        let split = data.split(name)?;
        let trained_on = matches!(seen, Seen::Train | Seen::EarlierTrain) && matches!(name, "all" | "train");
        let note =
            trained_on.then(|| format!("--split {name} includes images that the model was trained on"));
        return Ok(Choice { split, seen, note });
    }
    let (Ok(all), Ok(val)) = (data.split("all"), data.split("val")) else {
        let split = data.val().map_or_else(|| data.train(), Ok)?;
        return Ok(Choice { split, seen, note: None });
    };
    let (images, held_out) = (grouped(all.len()), grouped(val.len()));
    let instead = format!("`--split all` evaluates all {images}");
    let (split, note) = match seen {
        _ if val.is_empty() => {
            (all, format!("no images are held out for validation: evaluating all {images}"))
        }
        Seen::Train => (val, format!("evaluating the {held_out} images held out of training; {instead}")),
        Seen::EarlierTrain => (
            val,
            format!(
                "the images have changed since the model was trained on them: evaluating the {held_out} that would be \
                 held out now, of which it may have been trained on some; {instead}"
            ),
        ),
        Seen::Unknown => (
            val,
            format!(
                "the model file does not record its training images: assuming these, and evaluating the {held_out} \
                 held out of training; {instead}"
            ),
        ),
        Seen::Nothing => (
            all,
            format!(
                "the model was not trained on this set of images: evaluating all {images}, of which it may have been \
                 trained on some if the sets overlap; `--split val` evaluates the {held_out} that training on this \
                 source would hold out"
            ),
        ),
    };
    Ok(Choice { split, seen, note: Some(note) })
}
