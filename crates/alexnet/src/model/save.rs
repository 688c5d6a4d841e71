//! Writes model files.

use std::collections::BTreeMap;
use std::path::Path;

use super::check::{check_classes, check_preprocess, check_tensors};
use super::contents::{FORMAT_VERSION, Model};
use crate::error::Kind;
use crate::files::container::{self, Array, Values};
use crate::{Error, Result};

impl Model {
    /// Writes the model to a file atomically. Returns the digest that [`Model::digest`] reads from the file.
    ///
    /// # Errors
    /// Returns an error if the parts of the model do not fit each other, if it has non-finite values ([`Kind::Diverged`]), or
    /// if the file cannot be written. An existing file is then unchanged.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<String> {
        let path = path.as_ref();
        self.check().map_err(|error| error.context(path.display()))?;
        let json = |value: serde_json::Result<String>| value.expect("strings and numbers have a JSON form");
        let metadata = BTreeMap::from([
            ("format_version", FORMAT_VERSION.to_string()),
            ("recipe", self.recipe.to_toml()),
            ("classes", json(serde_json::to_string(&self.classes))),
            ("preprocess", json(serde_json::to_string(&self.preprocess))),
            ("summary", json(serde_json::to_string(&self.summary))),
        ]);
        let (square, golden) = (self.preprocess.square, self.golden.images.len());
        let mean_shape = if self.preprocess.mean.len() == 3 { vec![3] } else { vec![square, square, 3] };
        let pixels: Vec<u8> = self.golden.images.iter().flat_map(|p| p.pixels.iter().copied()).collect();
        let logits_shape = [golden, self.classes.len()];
        let images_shape = [golden, square, square, 3];
        let mut arrays: Vec<Array<'_>> = self
            .parameters
            .iter()
            .map(|t| Array { name: &t.name, shape: &t.shape, values: Values::F32(&t.data) })
            .collect();
        arrays.push(Array { name: "mean", shape: &mean_shape, values: Values::F32(&self.preprocess.mean) });
        let logits = Values::F32(&self.golden.logits);
        arrays.push(Array { name: "golden.logits", shape: &logits_shape, values: logits });
        arrays.push(Array { name: "golden.pictures", shape: &images_shape, values: Values::U8(&pixels) });
        container::write_sealed(path, &metadata, &arrays)
    }

    /// Returns an error if [`Model::load`] would refuse the file.
    fn check(&self) -> Result<()> {
        check_classes(&self.classes)?;
        check_preprocess(&self.preprocess, &self.recipe)?;
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
        container::check_finite("mean", &self.preprocess.mean)?;
        self.golden.check(self.preprocess.square, self.classes.len())?;
        container::check_finite("golden.logits", &self.golden.logits).map_err(diverged)
    }
}

/// Non-finite values in a model to be saved are a failure of the training, not of a file.
fn diverged(error: Error) -> Error {
    Error { kind: Kind::Diverged, ..error }
        .help("train at a lower learning rate, such as `--set optimizer.rate=0.001`")
}
