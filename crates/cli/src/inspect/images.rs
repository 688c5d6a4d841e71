//! Which images are shown.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::args::inspect::SampleArgs;
use crate::eval::check_squares;
use crate::output::Output;
use crate::sources;
use alexnet::data::{Dataset, Skip, Split};
use alexnet::error::Kind;
use alexnet::eval::Predictor;
use alexnet::eval::classify::images;
use alexnet::format::{counted, grouped};
use alexnet::inspect::predictions::{ChosenImage, choose, open};
use alexnet::train::unseen::{Choice, choose as choose_split};
use alexnet::{Error, Result};

/// Images, and where they are from.
pub(super) struct Shown {
    pub(super) images: Vec<ChosenImage>,
    pub(super) skipped: Vec<Skip>,
    pub(super) origin: Origin,
}

/// Where the images are from.
pub(super) enum Origin {
    /// Named one by one.
    Files,
    /// Chosen from a split.
    Split {
        /// The source.
        data: String,
        /// The name of the split.
        split: String,
        /// The number of images in it.
        images: usize,
        /// The seed of the choice.
        seed: u64,
    },
}

impl Shown {
    /// Reads the named files, and the images directly in named folders.
    pub(super) fn of_files(files: &[PathBuf], model: &Predictor, out: &Output) -> Result<Self> {
        let files = images(files, &mut |text| out.note(&text));
        let (images, skipped) = open(model, files.iter().map(PathBuf::as_path));
        Self { images, skipped, origin: Origin::Files }.checked(out)
    }

    /// Chooses images of a source.
    pub(super) fn of_source(
        data: &Dataset,
        source: &Path,
        args: &SampleArgs,
        model: &Predictor,
        out: &Output,
    ) -> Result<Self> {
        let Choice { split, .. } =
            choose_split(data, source, args.split.as_deref(), std::slice::from_ref(model))?;
        let split = usable(split, data, model, out)?;
        let (images, skipped) = choose(model, &split, args.images as usize, args.seed)?;
        let origin = Origin::Split {
            data: data.origin.clone(),
            split: split.name.clone(),
            images: split.len(),
            seed: args.seed,
        };
        if images.len() < args.images as usize && !images.is_empty() {
            let (found, asked) = (counted(images.len(), "image"), args.images);
            out.note(&format!("--images {asked} shows {found}: split {} has no more", split.name));
        }
        Self { images, skipped, origin }.checked(out)
    }

    /// Reports what was skipped. Fails if nothing is left.
    fn checked(self, out: &Output) -> Result<Self> {
        for Skip { file, reason } in &self.skipped {
            match self.origin {
                Origin::Files => out.error(&Error::data(format!("{file}: {reason}"))),
                Origin::Split { .. } => out.note(&format!("{file} is skipped: {reason}")),
            }
        }
        match (&self.images[..], &self.origin) {
            ([], Origin::Files) => Err(Error::data("none of the images can be read")
                .help("images are JPEG, PNG, GIF, WebP, BMP or TIFF files")),
            ([], Origin::Split { data, split, images, .. }) => {
                Err(Error::data(format!("{data}: {}", sources::undecodable(*images, split))))
            }
            (_, Origin::Files | Origin::Split { .. }) => Ok(self),
        }
    }
}

impl Origin {
    /// The exit code if some images were skipped: of a split, others took their place.
    pub(super) fn exit_code(&self, skipped: &[Skip]) -> u8 {
        match self {
            Self::Files if !skipped.is_empty() => Kind::Data.exit_code(),
            Self::Files | Self::Split { .. } => 0,
        }
    }

    /// In words: `4 of 300 images, split val of pets, seed 0`.
    pub(super) fn text(&self, shown: usize) -> String {
        match self {
            Self::Files => counted(shown, "image"),
            Self::Split { data, split, images, seed } => {
                format!(
                    "{} of {} images, split {split} of {data}, seed {seed}",
                    grouped(shown),
                    grouped(*images)
                )
            }
        }
    }

    pub(super) fn json(&self) -> Value {
        match self {
            Self::Files => Value::Null,
            Self::Split { data, split, images, seed } => {
                json!({ "data": data, "split": split, "images": images, "seed": seed })
            }
        }
    }
}

/// A split with the labels of the model, after checking that packed squares suit it.
pub(super) fn usable(split: &Split, data: &Dataset, model: &Predictor, out: &Output) -> Result<Split> {
    check_squares(split, std::slice::from_ref(model), out)?;
    split.relabel(&data.classes, &model.classes)
}
