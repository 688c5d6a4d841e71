//! The parts that f32 and quantized models share, as they are read from a file.

use std::rc::Rc;

use safetensors::{Dtype, SafeTensors};

use super::check::{check_classes, check_preprocess};
use super::contents::Summary;
use super::golden::Golden;
use super::metadata::{Contents, Metadata};
use crate::data::{Image, Preprocess};
use crate::error::Kind;
use crate::files::container;
use crate::net::{Network, Recipe};
use crate::{Error, Result};

/// The tensor with the images of golden samples.
pub(super) const GOLDEN_IMAGES: &str = "golden.pictures";

/// Tensors that are not parameters.
pub(super) const OTHER_TENSORS: [&str; 4] = ["mean", "golden.logits", GOLDEN_IMAGES, container::SEAL];

/// A model file whose digest is valid, or one of the models in the file of an ensemble.
pub(super) struct File<'a> {
    pub(super) contents: Contents,
    pub(super) metadata: Metadata,
    pub(super) tensors: Tensors<'a>,
}

/// The tensors of a file whose names start with a prefix. Names are without it, except in error messages.
pub(super) struct Tensors<'a> {
    file: Rc<SafeTensors<'a>>,
    prefix: String,
}

/// What the layers of a model follow from.
pub(super) struct Layers {
    pub(super) recipe: Recipe,
    pub(super) classes: Vec<String>,
    pub(super) network: Network,
}

/// The other parts.
pub(super) struct Rest {
    pub(super) preprocess: Preprocess,
    pub(super) golden: Golden,
    pub(super) summary: Summary,
}

impl<'a> File<'a> {
    /// Parses the bytes of a file.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self> {
        let (tensors, header) = container::parse(bytes)?;
        let metadata = Metadata::new(header.metadata().clone());
        let contents = metadata.contents()?;
        let must_be_sealed = match contents {
            Contents::F32 { is_sealed } => is_sealed,
            Contents::Quantized | Contents::Ensemble => true,
        };
        if must_be_sealed || is_sealed(&tensors) {
            check_seal(bytes)?;
        }
        let tensors = Tensors { file: Rc::new(tensors), prefix: String::new() };
        Ok(Self { contents, metadata, tensors })
    }

    /// The model whose tensors and metadata have this prefix.
    pub(super) fn under(&self, prefix: &str) -> Result<Self> {
        let metadata = self.metadata.under(prefix);
        let contents = metadata.contents()?;
        Ok(Self { contents, metadata, tensors: self.tensors.under(prefix) })
    }

    pub(super) fn layers(&self) -> Result<Layers> {
        let recipe = self.metadata.recipe()?;
        let classes: Vec<String> = self.metadata.json("classes")?;
        check_classes(&classes)?;
        let network =
            Network::new(&recipe, classes.len()).map_err(|error| Error { kind: Kind::Model, ..error })?;
        Ok(Layers { recipe, classes, network })
    }

    pub(super) fn rest(&self, layers: &Layers) -> Result<Rest> {
        let mut preprocess: Preprocess = self.metadata.json("preprocess")?;
        preprocess.mean = mean(&self.tensors, preprocess.square)?;
        check_preprocess(&preprocess, &layers.recipe)?;
        let golden = golden(&self.tensors, preprocess.square, layers.classes.len())?;
        let summary: Summary = self.metadata.json("summary")?;
        Ok(Rest { preprocess, golden, summary })
    }
}

pub(super) fn is_sealed(file: &SafeTensors<'_>) -> bool {
    file.tensor(container::SEAL).is_ok()
}

pub(super) fn check_seal(bytes: &[u8]) -> Result<String> {
    container::check_seal(bytes).map_err(|error| {
        error.help("copy the file again, or use another model of the run, such as RUN/last.safetensors")
    })
}

impl<'a> Tensors<'a> {
    fn under(&self, prefix: &str) -> Self {
        Self { file: Rc::clone(&self.file), prefix: format!("{}{prefix}", self.prefix) }
    }

    fn full_name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The names and shapes.
    pub(super) fn shapes(&self) -> Vec<(&str, Vec<usize>)> {
        let own = self.file.iter().filter_map(|(name, view)| Some((name.strip_prefix(&self.prefix)?, view)));
        own.map(|(name, view)| (name, view.shape().to_vec())).collect()
    }

    /// The shape and values of a tensor of 32-bit floats.
    pub(super) fn floats(&self, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
        container::floats(&self.file, &self.full_name(name))
    }

    /// The shape and bytes of a tensor of this type.
    pub(super) fn array(&self, name: &str, dtype: Dtype) -> Result<(Vec<usize>, &'a [u8])> {
        container::array(&self.file, &self.full_name(name), dtype)
    }
}

fn mean(file: &Tensors<'_>, square: usize) -> Result<Vec<f32>> {
    let (shape, mean) = file.floats("mean")?;
    if shape != [3] && shape != [square, square, 3] {
        return Err(Error::model(format!(
            "tensor `mean` has shape {shape:?}, expected [3] or [{square}, {square}, 3]"
        )));
    }
    Ok(mean)
}

fn golden(file: &Tensors<'_>, square: usize, classes: usize) -> Result<Golden> {
    let images = golden_images(file, square)?;
    let logits = per_golden_image(file, "golden.logits", images.len(), classes)?;
    Ok(Golden { images, logits })
}

/// The images of golden samples, of `square` x `square` pixels.
pub(super) fn golden_images(file: &Tensors<'_>, square: usize) -> Result<Vec<Image>> {
    let (shape, pixels) = file.array(GOLDEN_IMAGES, Dtype::U8)?;
    let n = shape.first().copied().unwrap_or(0);
    let (least, side) = (n.max(1), square.max(1));
    if shape != [least, side, side, 3] {
        return Err(wrong_shape(GOLDEN_IMAGES, &shape, &[least, side, side, 3]));
    }
    let image = |pixels: &[u8]| Image::new(square, square, pixels.to_vec());
    Ok(pixels.chunks_exact(3 * square * square).map(image).collect())
}

/// A number for each golden image and class, `[images, classes]`.
pub(super) fn per_golden_image(
    file: &Tensors<'_>,
    name: &str,
    images: usize,
    classes: usize,
) -> Result<Vec<f32>> {
    let (shape, values) = file.floats(name)?;
    match shape == [images, classes] {
        true => Ok(values),
        false => Err(wrong_shape(name, &shape, &[images, classes])),
    }
}

fn wrong_shape(name: &str, found: &[usize], expected: &[usize]) -> Error {
    Error::model(format!("tensor `{name}` has shape {found:?}, expected {expected:?}"))
}
