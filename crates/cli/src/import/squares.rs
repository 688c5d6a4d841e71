//! The images that an imported model is verified with.

use std::path::{Path, PathBuf};

use alexnet::Result;
use alexnet::data::{Image, Preprocess, upright};
use alexnet::eval::classify::images;
use alexnet::format::counted;
use alexnet::interop::made_squares;

/// The most images: each is verified whenever the model is loaded.
const MOST: usize = 16;

/// Squares for golden samples.
pub(super) struct Squares {
    pub(super) images: Vec<Image>,
    pub(super) origin: Origin,
}

/// Where the images are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Made by this program.
    Made,
    /// Named on the command line.
    Files,
}

impl Squares {
    /// Reads the named images, and those directly in named folders; without any, makes some.
    pub(super) fn choose(
        paths: &[PathBuf],
        preprocess: &Preprocess,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        if paths.is_empty() {
            return Ok(Self { images: made_squares(preprocess.square), origin: Origin::Made });
        }
        let files = images(paths, &mut |text| notes.push(text));
        if files.len() > MOST {
            notes.push(format!("--verify: the first {MOST} of {} are stored", counted(files.len(), "image")));
        }
        let read = files.iter().take(MOST).map(|file| square(file, preprocess));
        Ok(Self { images: read.collect::<Result<_>>()?, origin: Origin::Files })
    }
}

fn square(file: &Path, preprocess: &Preprocess) -> Result<Image> {
    let bytes = upright::read(file).map_err(|error| {
        error.context(file.display()).help("name images, or a folder of images, after --verify")
    })?;
    let image = upright::decode(&bytes, preprocess.orientation);
    image.map(|image| preprocess.square(&image)).map_err(|error| error.context(file.display()))
}
