//! Which images ranges are measured on, and which ones accuracy.

use std::path::Path;

use alexnet::data::pack::SquaresUser;
use alexnet::data::{Dataset, Split};
use alexnet::format::counted;
use alexnet::model::Model;
use alexnet::net::Views;
use alexnet::{Error, Result};

use crate::output::Output;

/// The images that ranges are measured on.
pub(super) struct Calibration {
    pub(super) split: Split,
    pub(super) origin: String,
}

/// The images that accuracy is measured on.
pub(super) enum Validation {
    Images(Box<Split>),
    /// None, for this reason.
    None(String),
}

impl Calibration {
    /// Opens a source and chooses its images. A folder of images without classes will do; it is no data set.
    pub(super) fn open(source: &Path, model: &Model, out: &Output) -> Result<(Option<Dataset>, Self)> {
        match Dataset::open(source) {
            Ok(data) => {
                data.notes.iter().for_each(|text| out.note(text));
                let calibration = Self::choose(&data, model, out)?;
                Ok((Some(data), calibration))
            }
            Err(error) => {
                // Where there are folders, the error says what is wrong with them.
                let Ok((split, notes)) = Split::unlabeled(source) else { return Err(error) };
                if has_folders(source) {
                    return Err(error);
                }
                notes.iter().for_each(|text| out.note(text));
                let images = counted(split.len(), "image");
                out.note(&format!(
                    "{}; labels do not matter: using the {images} directly in it",
                    error.message
                ));
                Ok((None, Self { split, origin: source.display().to_string() }))
            }
        }
    }

    /// Chooses the training split, or another one of a source without it: labels are not used.
    fn choose(data: &Dataset, model: &Model, out: &Output) -> Result<Self> {
        let split = match (data.train(), data.splits.first()) {
            (Ok(train), _) => train.clone(),
            (Err(_), Some(first)) => first.clone(),
            (Err(error), None) => return Err(error),
        };
        check_packed(&split, model)?.into_iter().for_each(|text| out.note(&text));
        if let Err(error) = split.relabel(&data.classes, &model.classes) {
            out.note(&format!(
                "{}; ranges are right if the images are like those that the model will classify",
                error.message
            ));
        }
        Ok(Self { split, origin: data.origin.clone() })
    }
}

fn has_folders(source: &Path) -> bool {
    source.read_dir().is_ok_and(|entries| entries.flatten().any(|entry| entry.path().is_dir()))
}

/// The validation images of another source than that of the calibration images.
pub(super) fn of_other(
    data: &Dataset,
    split: Option<&str>,
    model: &Model,
    out: &Output,
) -> Result<Validation> {
    data.notes.iter().for_each(|text| out.note(text));
    let (split, note) = requested(data, split, model)?;
    note.into_iter().for_each(|text| out.note(&text));
    Ok(Validation::Images(Box::new(split)))
}

/// The images of a source that was requested for validation, with a note if packed squares do not say whether they suit the
/// model.
fn requested(data: &Dataset, split: Option<&str>, model: &Model) -> Result<(Split, Option<String>)> {
    let split = match split {
        Some(name) => data.split(name)?,
        None => data.val().map_or_else(|| data.train(), Ok)?,
    };
    if split.is_empty() {
        return Err(without_images(data, split));
    }
    let note = check_packed(split, model)?;
    Ok((split.relabel(&data.classes, &model.classes)?, note))
}

fn without_images(data: &Dataset, split: &Split) -> Error {
    let (origin, name) = (&data.origin, &split.name);
    let message = format!("{origin}: split `{name}` has no images, expected some to measure accuracy on");
    Error::data(message).help(match data.split("all") {
        Ok(all) if !all.is_empty() => "measure it on all images: `--split all`",
        _ => "name other labeled images: `--data SRC`",
    })
}

/// The validation images of the source of the calibration images, if it has any and they have the classes of the model.
pub(super) fn default(data: Option<&Dataset>, split: Option<&str>, model: &Model) -> Result<Validation> {
    let Some(data) = data else { return without_classes(split) };
    match (split, data.val()) {
        // What packed squares do not say has been noted of the calibration images.
        (Some(_), _) => requested(data, split, model).map(|(split, _)| Validation::Images(Box::new(split))),
        (None, Some(val)) if !val.is_empty() => Ok(match val.relabel(&data.classes, &model.classes) {
            Ok(split) => Validation::Images(Box::new(split)),
            Err(error) => Validation::None(error.message),
        }),
        (None, _) => Ok(Validation::None("the source has no validation images".to_owned())),
    }
}

/// Rejects a number of views that nothing is evaluated with.
pub(super) fn check_views(views: Option<Views>, validation: &Validation) -> Result<()> {
    match (views, validation) {
        (Some(views), Validation::None(reason)) => Err(Error::usage(format!(
            "--views {} has no effect: accuracy is not measured, because {reason}",
            views.count()
        ))
        .help("leave out --views, or name labeled images: `--data SRC`")),
        (Some(_), Validation::Images(_)) | (None, _) => Ok(()),
    }
}

/// There are no validation images among images without classes.
fn without_classes(split: Option<&str>) -> Result<Validation> {
    match split {
        None => Ok(Validation::None("the images of --calibrate have no classes".to_owned())),
        Some(name) => Err(Error::usage(format!(
            "--split {name}: the images of --calibrate have no classes, expected labeled ones to measure accuracy on"
        ))
        .help("leave out --split, or name labeled images: `--data SRC`")),
    }
}

fn check_packed(split: &Split, model: &Model) -> Result<Option<String>> {
    split.check_packed(model.preprocess.square, model.preprocess.orientation, SquaresUser::Model)
}
