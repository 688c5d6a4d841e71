//! What this program writes into the metadata of ONNX files: the recipe, the class names and the preprocessing.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::proto::StringStringEntryProto;
use crate::data::Preprocess;
use crate::error::Kind;
use crate::model::check_preprocess;
use crate::net::Recipe;
use crate::{Error, Result};

const VERSION: &str = "alexnet.format_version";
const RECIPE: &str = "alexnet.recipe";
const CLASSES: &str = "alexnet.classes";
const PREPROCESS: &str = "alexnet.preprocess";
/// The mean of red, green and blue, a JSON array.
const MEAN: &str = "alexnet.mean";
/// The mean of every pixel of the square, `[square, square, 3]` little-endian floats of 32 bits, in base64.
const MEAN_IMAGE: &str = "alexnet.mean_image";

/// The version that is written, and the only one that is read.
const FORMAT_VERSION: &str = "1";

/// What a file says about the network besides its graph.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Declaration {
    pub(super) recipe: Recipe,
    pub(super) classes: Vec<String>,
    pub(super) preprocess: Preprocess,
}

impl Declaration {
    /// The metadata of a file.
    pub(super) fn write(
        recipe: &Recipe,
        classes: &[String],
        preprocess: &Preprocess,
    ) -> Vec<StringStringEntryProto> {
        let mean = match preprocess.mean.len() {
            3 => (MEAN, text(&preprocess.mean)),
            _ => {
                let bytes: Vec<u8> = preprocess.mean.iter().flat_map(|value| value.to_le_bytes()).collect();
                (MEAN_IMAGE, BASE64_STANDARD.encode(bytes))
            }
        };
        let entries = [
            (VERSION, FORMAT_VERSION.to_owned()),
            (RECIPE, recipe.to_toml()),
            (CLASSES, text(classes)),
            (PREPROCESS, text(preprocess)),
            mean,
        ];
        entries.map(|(key, value)| StringStringEntryProto { key: key.to_owned(), value }).into()
    }

    /// Reads the metadata of a file; `None` if this program has not written it.
    ///
    /// # Errors
    /// Returns an error if the metadata is damaged, or that of a newer version.
    pub(super) fn read(entries: &[StringStringEntryProto]) -> Result<Option<Self>> {
        match find(entries, VERSION) {
            None => return Ok(None),
            Some(FORMAT_VERSION) => {}
            Some(other) => {
                return Err(Error::model(format!(
                    "metadata `{VERSION}` is {other:?}, expected {FORMAT_VERSION}"
                ))
                .help("use the version of the program that wrote the file, or a newer one"));
            }
        }
        let recipe = Recipe::parse(needed(entries, RECIPE)?, RECIPE);
        let recipe = recipe.map_err(|error| Error { kind: Kind::Model, ..error })?;
        let classes = json(entries, CLASSES)?;
        let mut preprocess: Preprocess = json(entries, PREPROCESS)?;
        preprocess.mean = mean(entries, preprocess.square)?;
        // Before crops are cut out of the mean image.
        check_preprocess(&preprocess, &recipe)?;
        Ok(Some(Self { recipe, classes, preprocess }))
    }
}

fn text(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).expect("strings and numbers have a JSON form")
}

fn find<'a>(entries: &'a [StringStringEntryProto], key: &str) -> Option<&'a str> {
    entries.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
}

fn needed<'a>(entries: &'a [StringStringEntryProto], key: &str) -> Result<&'a str> {
    find(entries, key).ok_or_else(|| {
        Error::model(format!("metadata `{key}` is missing, although `{VERSION}` is there"))
            .help("export the model again, or remove all metadata that starts with `alexnet.`")
    })
}

fn json<T: DeserializeOwned>(entries: &[StringStringEntryProto], key: &str) -> Result<T> {
    serde_json::from_str(needed(entries, key)?).map_err(|error| {
        Error::model(format!("invalid metadata `{key}`: {error}"))
            .help("export the model again, or remove all metadata that starts with `alexnet.`")
    })
}

/// The mean color, or the mean image of `square` x `square` pixels.
fn mean(entries: &[StringStringEntryProto], square: usize) -> Result<Vec<f32>> {
    let Some(encoded) = find(entries, MEAN_IMAGE) else {
        let mean: [f32; 3] = json(entries, MEAN)?;
        return Ok(mean.to_vec());
    };
    let bytes = BASE64_STANDARD.decode(encoded);
    let bytes = bytes.map_err(|error| Error::model(format!("invalid metadata `{MEAN_IMAGE}`: {error}")))?;
    let (values, rest) = bytes.as_chunks::<4>();
    let expected = square.checked_mul(square).and_then(|pixels| pixels.checked_mul(3));
    if Some(values.len()) != expected || !rest.is_empty() {
        return Err(Error::model(format!(
            "metadata `{MEAN_IMAGE}` has {} bytes, expected those of {square} x {square} x 3 floats",
            bytes.len()
        )));
    }
    Ok(values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::model;

    #[test]
    fn a_crop_that_does_not_fit_the_square_is_refused() {
        let model = model();
        let read = |preprocess: &Preprocess| {
            Declaration::read(&Declaration::write(&model.recipe, &model.classes, preprocess))
        };
        let declared = read(&model.preprocess).unwrap().unwrap();
        assert_eq!((&declared.recipe, &declared.preprocess), (&model.recipe, &model.preprocess));
        for crop in [0, model.preprocess.square + 1, usize::MAX] {
            let error = read(&Preprocess { crop, ..model.preprocess.clone() }).unwrap_err();
            assert!(error.kind == Kind::Model && error.message.contains("`preprocess`: crop is"), "{error}");
        }
    }
}
