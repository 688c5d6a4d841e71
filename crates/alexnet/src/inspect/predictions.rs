//! Images with their most probable classes.

use std::path::Path;

use crate::Result;
use crate::data::{Image, Preprocess, Skip, Split, Stored, upright};
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
    /// The pixels, as the model sees them; of an ensemble, its first model.
    pub image: Image,
    /// The image file, if models of an ensemble differ in whether they rotate it by its EXIF orientation.
    pub bytes: Option<Vec<u8>>,
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
    let keeps_file = split.follows_exif() && is_mixed(model);
    let split = split.oriented(preprocess(model).orientation);
    let mut order: Vec<usize> = (0..split.len()).collect();
    order.sort_by_cached_key(|&index| (key(seed, 0, index as u64, Purpose::Figure), index));
    let (mut chosen, mut skipped) = (Vec::new(), Vec::new());
    for index in order {
        if chosen.len() == count {
            break;
        }
        let (file, label) = (split.file(index).to_owned(), Some(split.label(index) as usize));
        let stored = split.stored(index)?;
        let bytes = match &stored {
            Stored::File(bytes) if keeps_file => Some(bytes.clone()),
            Stored::File(_) | Stored::Pixels(_) | Stored::TooLarge(_) => None,
        };
        match split.decode(stored) {
            Ok(image) => chosen.push(ChosenImage { file, label, image, bytes }),
            Err(error) => skipped.push(Skip { file, reason: error.message }),
        }
    }
    Ok((chosen, skipped))
}

/// Reads image files, whose classes are not known, and returns those that decode and those that do not.
pub fn open<'a>(
    model: &Predictor,
    files: impl IntoIterator<Item = &'a Path>,
) -> (Vec<ChosenImage>, Vec<Skip>) {
    let (orientation, keeps_file) = (preprocess(model).orientation, is_mixed(model));
    let (mut chosen, mut skipped) = (Vec::new(), Vec::new());
    for path in files {
        let file = path.display().to_string();
        let decoded =
            upright::read(path).and_then(|bytes| Ok((upright::decode(&bytes, orientation)?, bytes)));
        match decoded {
            Ok((image, bytes)) => {
                let bytes = keeps_file.then_some(bytes);
                chosen.push(ChosenImage { file, label: None, image, bytes });
            }
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
    let ChosenImage { file, label, image, bytes } = chosen;
    let probabilities = match &bytes {
        Some(bytes) => model.probabilities_of_file(bytes, views)?,
        None => model.probabilities(&image, views)?,
    };
    Ok(PredictedImage {
        file,
        label,
        square: preprocess(model).square(&image),
        top: top(&probabilities, TOP),
    })
}

/// Whether models of an ensemble differ in whether they rotate images by their EXIF orientation.
fn is_mixed(model: &Predictor) -> bool {
    let first = preprocess(model).orientation;
    model.members.iter().any(|member| member.preprocess.orientation != first)
}

/// How the images are shown: as the model sees them; of an ensemble, its first model.
fn preprocess(model: &Predictor) -> &Preprocess {
    &model.members[0].preprocess
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dataset;
    use crate::eval::PredictorOptions;
    use crate::model::tests::model;
    use crate::net::Orientation;

    fn predictor(folder: &Path, orientation: Orientation) -> Predictor {
        let mut model = model();
        model.recipe.input.orientation = orientation;
        model.preprocess.orientation = orientation;
        let path = folder.join(format!("{orientation:?}.safetensors"));
        model.save(&path).unwrap();
        let options = PredictorOptions { batch: 1, threads: 1, ..PredictorOptions::default() };
        Predictor::load(&path, &options).unwrap()
    }

    /// A PNG that is to be turned by a quarter: its EXIF orientation is 6.
    fn write_turned(path: &Path, salt: usize) {
        let pixels: Vec<u8> = (0..7 * 9 * 3).map(|i| ((i * 37 + i * i * salt) % 251) as u8).collect();
        image::save_buffer(path, &pixels, 7, 9, image::ColorType::Rgb8).unwrap();
        let bytes = std::fs::read(path).unwrap();
        let tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let mut crc = flate2::Crc::new();
        crc.update(b"eXIf");
        crc.update(tiff);
        let chunk =
            [&(tiff.len() as u32).to_be_bytes()[..], b"eXIf", tiff, &crc.sum().to_be_bytes()].concat();
        std::fs::write(path, [&bytes[..33], &chunk, &bytes[33..]].concat()).unwrap();
    }

    /// Each model of an ensemble sees an image as it needs it, as in `alexnet classify`.
    #[test]
    fn an_ensemble_of_models_with_both_orientations_predicts_as_it_classifies() {
        let (data, models) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut paths = Vec::new();
        for (salt, class) in model().classes.iter().enumerate() {
            std::fs::create_dir(data.path().join(class)).unwrap();
            paths.push(data.path().join(class).join("0.png"));
            write_turned(&paths[salt], salt + 1);
        }
        let mut both = predictor(models.path(), Orientation::Stored);
        both.members.append(&mut predictor(models.path(), Orientation::Exif).members);
        let (named, _) = open(&both, paths.iter().map(std::path::PathBuf::as_path));
        let dataset = Dataset::open(data.path()).unwrap();
        let (of_split, _) = choose(&both, dataset.split("all").unwrap(), paths.len(), 0).unwrap();
        assert_eq!((named.len(), of_split.len()), (paths.len(), paths.len()));
        for chosen in named.into_iter().chain(of_split) {
            // A path that is absolute stays as it is.
            let bytes = std::fs::read(data.path().join(&chosen.file)).unwrap();
            let expected = both.probabilities_of_file(&bytes, Views::Center).unwrap();
            assert_ne!(both.probabilities(&chosen.image, Views::Center).unwrap(), expected);
            let found = predict(&mut both, chosen, Views::Center).unwrap();
            assert_eq!(found.top, top(&expected, TOP));
        }
    }
}
