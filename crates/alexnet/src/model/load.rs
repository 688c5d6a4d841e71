//! Reads model files. Every part is checked, alone and against the others.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::check::{check_classes, check_preprocess, check_tensors, expected_tensors};
use super::contents::{FORMAT_VERSION, Model, Summary};
use super::golden::Golden;
use crate::data::{Image, Preprocess};
use crate::engine::Tensor;
use crate::error::Kind;
use crate::files::container;
use crate::format::hex;
use crate::net::{Network, Recipe};
use crate::{Error, Result};

/// Tensors that are not parameters.
const OTHER_TENSORS: [&str; 4] = ["mean", "golden.logits", "golden.pictures", container::SEAL];

/// The first version of model files that contain a digest.
const FIRST_SEALED: u32 = 2;

impl Model {
    /// Reads a model from a file. Memory use is bounded by the size of the file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, is not a safetensors file, is truncated or damaged, was written by a newer
    /// version, or has missing parts or parts that do not fit the recipe. The message names the file and the part.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = container::bytes(path)?;
        log::debug!("{}: loading a model of {} bytes", path.display(), bytes.len());
        model(&bytes).map_err(|error| error.context(path.display()))
    }

    /// Returns the digest in a model file, in hexadecimal, after verifying it. For a file of version 1, which contains no
    /// digest, returns the SHA-256 of the file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, is not a safetensors file, or is damaged.
    pub fn digest(path: &Path) -> Result<String> {
        let bytes = container::bytes(path)?;
        digest(&bytes).map_err(|error| error.context(path.display()))
    }
}

impl Summary {
    /// Reads the summary of a model file, and nothing else of it.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or is not a model.
    pub fn read(path: &Path) -> Result<Self> {
        let read = || {
            let file =
                File::open(path).map_err(|error| Error::model(format!("cannot read the file: {error}")))?;
            let size = file.metadata().map_or(0, |found| found.len());
            let header = container::Header::read(&file, size)?;
            serde_json::from_str(header.text("summary")?)
                .map_err(|error| Error::model(format!("invalid metadata `summary`: {error}")))
        };
        read().map_err(|error: Error| Error { kind: Kind::Model, ..error }.context(path.display()))
    }
}

/// Parses the bytes of a model file.
pub(super) fn model(bytes: &[u8]) -> Result<Model> {
    let (file, header) = container::parse(bytes)?;
    let empty = HashMap::new();
    let metadata = Metadata { strings: header.metadata().as_ref().unwrap_or(&empty) };
    let version = metadata.version()?;
    if version >= FIRST_SEALED || is_sealed(&file) {
        check_seal(bytes)?;
    }
    let recipe = metadata.recipe()?;
    let classes: Vec<String> = metadata.json("classes")?;
    check_classes(&classes)?;
    let network = Network::new(&recipe, classes.len()).map_err(into_model)?;
    let parameters = parameters(&file, &network)?;
    let mut preprocess: Preprocess = metadata.json("preprocess")?;
    preprocess.mean = mean(&file, preprocess.square)?;
    check_preprocess(&preprocess, &recipe)?;
    let golden = golden(&file, preprocess.square, classes.len())?;
    let summary: Summary = metadata.json("summary")?;
    Ok(Model { recipe, classes, preprocess, parameters, summary, golden })
}

/// Returns the digest in the bytes of a model file, or of the bytes if it contains none.
pub(super) fn digest(bytes: &[u8]) -> Result<String> {
    let (file, _) = container::parse(bytes)?;
    match is_sealed(&file) {
        true => check_seal(bytes),
        false => Ok(hex(&Sha256::digest(bytes))),
    }
}

fn is_sealed(file: &SafeTensors<'_>) -> bool {
    file.tensor(container::SEAL).is_ok()
}

fn check_seal(bytes: &[u8]) -> Result<String> {
    container::check_seal(bytes).map_err(|error| {
        error.help("copy the file again, or use another model of the run, such as RUN/last.safetensors")
    })
}

/// An error in a part of a model file is an error of the model file.
fn into_model(error: Error) -> Error {
    Error { kind: Kind::Model, ..error }
}

/// The string metadata of a file.
struct Metadata<'a> {
    strings: &'a HashMap<String, String>,
}

impl Metadata<'_> {
    fn get(&self, key: &str) -> Result<&str> {
        self.strings.get(key).map(String::as_str).ok_or_else(|| {
            Error::model(format!(
                "`{key}` is missing from the metadata, expected a model file of this program"
            ))
            .help("`alexnet train SRC --recipe small` writes a model to its run folder")
        })
    }

    fn version(&self) -> Result<u32> {
        let text = self.get("format_version")?;
        match text.parse() {
            Ok(version @ 1..=FORMAT_VERSION) => Ok(version),
            Ok(version) if version > FORMAT_VERSION => Err(Error::model(format!(
                "`format_version` is {version}, this program supports versions up to {FORMAT_VERSION}"
            ))
            .help("use the version of the program that saved the model, or a newer one")),
            _ => Err(Error::model(format!(
                "`format_version` is {text:?}, expected an integer from 1 to {FORMAT_VERSION}"
            ))),
        }
    }

    fn recipe(&self) -> Result<Recipe> {
        Recipe::parse(self.get("recipe")?, "recipe").map_err(into_model)
    }

    fn json<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        serde_json::from_str(self.get(key)?)
            .map_err(|error| Error::model(format!("invalid metadata `{key}`: {error}")))
    }
}

fn parameters(file: &SafeTensors<'_>, network: &Network) -> Result<Vec<Tensor>> {
    let views = file.tensors();
    let found: Vec<(&str, &[usize])> = views
        .iter()
        .map(|(name, view)| (name.as_str(), view.shape()))
        .filter(|(name, _)| !OTHER_TENSORS.contains(name))
        .collect();
    check_tensors(network, &found)?;
    expected_tensors(network)
        .into_iter()
        .map(|(name, _)| {
            let (shape, data) = container::floats(file, &name)?;
            Ok(Tensor { name, shape, data })
        })
        .collect()
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
