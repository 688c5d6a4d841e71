//! What an exported state dict says about its network, in the metadata of the safetensors file. The names of its tensors are
//! PyTorch's alone, so that `load_state_dict` takes them.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::data::Preprocess;
use crate::error::Kind;
use crate::net::Recipe;
use crate::{Error, Result};

/// The network of an exported state dict.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Declared {
    pub(super) recipe: Recipe,
    pub(super) classes: Vec<String>,
    pub(super) preprocess: Preprocess,
}

impl Declared {
    /// Reads the metadata of a safetensors file; `None` if it is not that of an export.
    ///
    /// # Errors
    /// Returns an error if the file is a model of this program, or if the metadata is damaged.
    pub(super) fn read(metadata: &HashMap<String, String>) -> Result<Option<Self>> {
        if metadata.contains_key("format_version") {
            return Err(Error::usage("the file is a model of this program already")
                .help("use it as it is: `alexnet classify INPUT IMAGE`"));
        }
        let Some(recipe) = metadata.get("recipe") else { return Ok(None) };
        let recipe = Recipe::parse(recipe, "recipe").map_err(|error| Error { kind: Kind::Model, ..error })?;
        let classes: Vec<String> = json(metadata, "classes")?;
        let mut preprocess: Preprocess = json(metadata, "preprocess")?;
        preprocess.mean = mean(metadata, preprocess.square)?;
        Ok(Some(Self { recipe, classes, preprocess }))
    }

    /// The metadata of an export.
    pub(super) fn write(
        recipe: &Recipe,
        classes: &[String],
        preprocess: &Preprocess,
    ) -> BTreeMap<&'static str, String> {
        let text = |value: serde_json::Result<String>| value.expect("strings and numbers have a JSON form");
        let mean = &preprocess.mean;
        let (key, mean) = match mean.len() {
            3 => ("mean", text(serde_json::to_string(mean))),
            _ => {
                let bytes: Vec<u8> = mean.iter().flat_map(|value| value.to_le_bytes()).collect();
                ("mean_image", BASE64_STANDARD.encode(bytes))
            }
        };
        BTreeMap::from([
            ("format", "pt".to_owned()),
            ("recipe", recipe.to_toml()),
            ("classes", text(serde_json::to_string(classes))),
            ("preprocess", text(serde_json::to_string(preprocess))),
            (key, mean),
        ])
    }
}

fn json<T: serde::de::DeserializeOwned>(metadata: &HashMap<String, String>, key: &str) -> Result<T> {
    let text =
        metadata.get(key).ok_or_else(|| Error::model(format!("`{key}` is missing from the metadata")))?;
    serde_json::from_str(text).map_err(|error| Error::model(format!("invalid metadata `{key}`: {error}")))
}

/// The mean color, or the mean image of `square` x `square` pixels.
fn mean(metadata: &HashMap<String, String>, square: usize) -> Result<Vec<f32>> {
    let Some(text) = metadata.get("mean_image") else {
        let mean: [f32; 3] = json(metadata, "mean")?;
        return Ok(mean.to_vec());
    };
    let bytes = BASE64_STANDARD.decode(text);
    let bytes = bytes.map_err(|error| Error::model(format!("invalid metadata `mean_image`: {error}")))?;
    let (values, rest) = bytes.as_chunks::<4>();
    let expected = square.checked_mul(square).and_then(|pixels| pixels.checked_mul(3));
    if Some(values.len()) != expected || !rest.is_empty() {
        return Err(Error::model(format!(
            "`mean_image` has {} bytes, expected those of {square} x {square} x 3 floats",
            bytes.len()
        )));
    }
    Ok(values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}
