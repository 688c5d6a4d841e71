//! The parts that f32 and quantized models share, as they are read from a file.

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

/// Tensors that are not parameters.
pub(super) const OTHER_TENSORS: [&str; 4] = ["mean", "golden.logits", "golden.pictures", container::SEAL];

/// A model file whose digest is valid.
pub(super) struct File<'a> {
    pub(super) contents: Contents,
    pub(super) metadata: Metadata,
    pub(super) tensors: SafeTensors<'a>,
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
            Contents::Quantized => true,
        };
        if must_be_sealed || is_sealed(&tensors) {
            check_seal(bytes)?;
        }
        Ok(Self { contents, metadata, tensors })
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

fn mean(file: &SafeTensors<'_>, square: usize) -> Result<Vec<f32>> {
    let (shape, mean) = container::floats(file, "mean")?;
    if shape != [3] && shape != [square, square, 3] {
        return Err(Error::model(format!(
            "tensor `mean` has shape {shape:?}, expected [3] or [{square}, {square}, 3]"
        )));
    }
    Ok(mean)
}

fn golden(file: &SafeTensors<'_>, square: usize, classes: usize) -> Result<Golden> {
    let (shape, pixels) = container::array(file, "golden.pictures", Dtype::U8)?;
    let (logits_shape, logits) = container::floats(file, "golden.logits")?;
    let n = shape.first().copied().unwrap_or(0);
    let wrong = |name: &str, found: &[usize], expected: &[usize]| {
        Err(Error::model(format!("tensor `{name}` has shape {found:?}, expected {expected:?}")))
    };
    if n == 0 || shape != [n, square, square, 3] {
        return wrong("golden.pictures", &shape, &[n.max(1), square, square, 3]);
    }
    if logits_shape != [n, classes] {
        return wrong("golden.logits", &logits_shape, &[n, classes]);
    }
    let image = |pixels: &[u8]| Image::new(square, square, pixels.to_vec());
    Ok(Golden { images: pixels.chunks_exact(3 * square * square).map(image).collect(), logits })
}
