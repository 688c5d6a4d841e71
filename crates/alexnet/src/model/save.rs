//! Writes model files.

use std::collections::BTreeMap;
use std::path::Path;

use super::check::{check_classes, check_preprocess, check_tensors};
use super::contents::{FORMAT_VERSION, Model, Summary};
use super::golden::Golden;
use crate::data::Preprocess;
use crate::error::Kind;
use crate::files::container::{self, Array, Values};
use crate::net::Recipe;
use crate::{Error, Result};

/// The parts that f32 and quantized models share.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) classes: &'a [String],
    pub(super) preprocess: &'a Preprocess,
    pub(super) summary: &'a Summary,
    pub(super) golden: &'a Golden,
}

impl Shared<'_> {
    /// Returns an error if a file with these parts would be refused.
    pub(super) fn check(self) -> Result<()> {
        check_classes(self.classes)?;
        check_preprocess(self.preprocess, self.recipe)?;
        container::check_finite("mean", &self.preprocess.mean)?;
        self.golden.check(self.preprocess.square, self.classes.len())?;
        container::check_finite("golden.logits", &self.golden.logits).map_err(diverged)
    }
}

/// Writes a model file: the shared parts, `layers` (metadata of quantized models), and the arrays of the parameters. Returns its
/// digest.
pub(super) fn write(
    path: &Path,
    version: u32,
    shared: Shared<'_>,
    layers: Option<String>,
    parameters: &[Array<'_>],
) -> Result<String> {
    let Shared { recipe, classes, preprocess, summary, golden } = shared;
    let json = |value: serde_json::Result<String>| value.expect("strings and numbers have a JSON form");
    let mut metadata = BTreeMap::from([
        ("format_version", version.to_string()),
        ("recipe", recipe.to_toml()),
        ("classes", json(serde_json::to_string(classes))),
        ("preprocess", json(serde_json::to_string(preprocess))),
        ("summary", json(serde_json::to_string(summary))),
    ]);
    metadata.extend(layers.map(|layers| ("layers", layers)));
    let (square, images) = (preprocess.square, golden.images.len());
    let mean_shape = if preprocess.mean.len() == 3 { vec![3] } else { vec![square, square, 3] };
    let pixels: Vec<u8> = golden.images.iter().flat_map(|p| p.pixels.iter().copied()).collect();
    let logits_shape = [images, classes.len()];
    let images_shape = [images, square, square, 3];
    let mut arrays = parameters.to_vec();
    arrays.push(Array { name: "mean", shape: &mean_shape, values: Values::F32(&preprocess.mean) });
    let logits = Values::F32(&golden.logits);
    arrays.push(Array { name: "golden.logits", shape: &logits_shape, values: logits });
    arrays.push(Array { name: "golden.pictures", shape: &images_shape, values: Values::U8(&pixels) });
    container::write_sealed(path, &metadata, &arrays)
}

impl Model {
    /// Writes the model to a file atomically. Returns the digest that [`Model::digest`] reads from the file.
    ///
    /// # Errors
    /// Returns an error if the parts of the model do not fit each other, if it has non-finite values ([`Kind::Diverged`]), or
    /// if the file cannot be written. An existing file is then unchanged.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<String> {
        let path = path.as_ref();
        self.check().map_err(|error| error.context(path.display()))?;
        let arrays = self.parameters.iter();
        let arrays = arrays.map(|t| Array { name: &t.name, shape: &t.shape, values: Values::F32(&t.data) });
        write(path, FORMAT_VERSION, self.shared(), None, &arrays.collect::<Vec<_>>())
    }

    /// Returns an error if [`Model::load`] would refuse the file.
    fn check(&self) -> Result<()> {
        check_classes(&self.classes)?;
        let found: Vec<(&str, &[usize])> =
            self.parameters.iter().map(|t| (t.name.as_str(), t.shape.as_slice())).collect();
        check_tensors(&self.network()?, &found)?;
        for tensor in &self.parameters {
            if tensor.data.len() != tensor.shape.iter().product::<usize>() {
                let (values, shape) = (tensor.data.len(), &tensor.shape);
                return Err(Error::model(format!(
                    "tensor `{}` has {values} values, which do not fit its shape {shape:?}",
                    tensor.name
                )));
            }
            container::check_finite(&tensor.name, &tensor.data).map_err(diverged)?;
        }
        self.shared().check()
    }

    fn shared(&self) -> Shared<'_> {
        let Self { recipe, classes, preprocess, parameters: _, summary, golden } = self;
        Shared { recipe, classes, preprocess, summary, golden }
    }
}

/// Non-finite values in a model to be saved are a failure of the training, not of a file.
fn diverged(error: Error) -> Error {
    Error { kind: Kind::Diverged, ..error }
        .help("train at a lower learning rate, such as `--set optimizer.rate=0.001`")
}
