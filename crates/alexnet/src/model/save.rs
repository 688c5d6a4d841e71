//! Writes model files.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::check::{check_classes, check_preprocess, check_tensors};
use super::contents::{FORMAT_VERSION, Model, Summary};
use super::golden::Golden;
use super::parts::GOLDEN_IMAGES;
use crate::data::{Image, Preprocess};
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

/// A named tensor to be written.
pub(super) struct Part<'a> {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) values: PartValues<'a>,
}

/// The values of a tensor to be written.
pub(super) enum PartValues<'a> {
    Borrowed(Values<'a>),
    Bytes(Vec<u8>),
}

/// The metadata and tensors of a model file.
pub(super) struct FileContent<'a> {
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) parts: Vec<Part<'a>>,
}

impl<'a> Part<'a> {
    pub(super) fn new(name: impl Into<String>, shape: Vec<usize>, values: Values<'a>) -> Self {
        Self { name: name.into(), shape, values: PartValues::Borrowed(values) }
    }

    /// The images of golden samples.
    pub(super) fn golden_images(images: &[Image]) -> Self {
        let (height, width) = images.first().map_or((0, 0), |image| (image.height, image.width));
        let pixels = images.iter().flat_map(|image| image.pixels.iter().copied()).collect();
        let shape = vec![images.len(), height, width, 3];
        Self { name: GOLDEN_IMAGES.into(), shape, values: PartValues::Bytes(pixels) }
    }

    /// Returns an error if the tensor has non-finite values.
    pub(super) fn check_finite(&self) -> Result<()> {
        match self.array().values {
            Values::F32(values) => container::check_finite(&self.name, values),
            Values::I8(_) | Values::U8(_) | Values::I64(_) | Values::U64(_) | Values::Chunks(_) => Ok(()),
        }
    }

    fn array(&self) -> Array<'_> {
        let values = match &self.values {
            PartValues::Borrowed(values) => *values,
            PartValues::Bytes(bytes) => Values::U8(bytes),
        };
        Array { name: &self.name, shape: &self.shape, values }
    }
}

impl<'a> FileContent<'a> {
    /// A model: the shared parts, `layers` (metadata of quantized models), and the parameters.
    pub(super) fn model(
        version: u32,
        shared: Shared<'a>,
        layers: Option<String>,
        mut parts: Vec<Part<'a>>,
    ) -> Self {
        let Shared { recipe, classes, preprocess, summary, golden } = shared;
        let mut metadata = BTreeMap::from([
            ("format_version".to_owned(), version.to_string()),
            ("recipe".to_owned(), recipe.to_toml()),
            ("classes".to_owned(), json(classes)),
            ("preprocess".to_owned(), json(preprocess)),
            ("summary".to_owned(), json(summary)),
        ]);
        metadata.extend(layers.map(|layers| ("layers".to_owned(), layers)));
        let square = preprocess.square;
        let mean_shape = if preprocess.mean.len() == 3 { vec![3] } else { vec![square, square, 3] };
        parts.push(Part::new("mean", mean_shape, Values::F32(&preprocess.mean)));
        let logits_shape = vec![golden.images.len(), classes.len()];
        parts.push(Part::new("golden.logits", logits_shape, Values::F32(&golden.logits)));
        parts.push(Part::golden_images(&golden.images));
        Self { metadata, parts }
    }

    /// Adds the content of another file, with `prefix` before all names.
    pub(super) fn add(&mut self, prefix: &str, other: Self) {
        let metadata = other.metadata.into_iter().map(|(key, value)| (format!("{prefix}{key}"), value));
        self.metadata.extend(metadata);
        let parts = other.parts.into_iter();
        self.parts.extend(parts.map(|part| Part { name: format!("{prefix}{}", part.name), ..part }));
    }

    /// Writes the file atomically. Returns its digest.
    pub(super) fn write(&self, path: &Path) -> Result<String> {
        let metadata = self.metadata.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        let arrays: Vec<Array<'_>> = self.parts.iter().map(Part::array).collect();
        container::write_sealed(path, &metadata, &arrays)
    }
}

/// A value as JSON.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("strings and numbers have a JSON form")
}

impl Model {
    /// Writes the model to a file atomically. Returns the digest that [`Model::digest`] reads from the file.
    ///
    /// # Errors
    /// Returns an error if the parts of the model do not fit each other, if it has non-finite values ([`Kind::Diverged`]), or
    /// if the file cannot be written. An existing file is then unchanged.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<String> {
        let path = path.as_ref();
        self.content().map_err(|error| error.context(path.display()))?.write(path)
    }

    /// The content of the file.
    ///
    /// # Errors
    /// Returns an error if [`Model::load`] would refuse the file.
    pub(super) fn content(&self) -> Result<FileContent<'_>> {
        self.check()?;
        let parts = self.parameters.iter();
        let parts = parts.map(|t| Part::new(t.name.as_str(), t.shape.clone(), Values::F32(&t.data)));
        Ok(FileContent::model(FORMAT_VERSION, self.shared(), None, parts.collect()))
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
