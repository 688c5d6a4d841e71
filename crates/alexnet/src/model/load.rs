//! Reading a model file: every part is there, is what it should be, and fits the others.

use std::collections::{HashMap, HashSet};

use safetensors::{Dtype, SafeTensors};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::file::{FORMAT_VERSION, Model};
use super::{Golden, Summary};
use crate::data::digest::hex;
use crate::data::{Image, Preprocess, square};
use crate::engine::Tensor;
use crate::error::Kind;
use crate::files::container;
use crate::net::{Network, Recipe};
use crate::{Error, Result};

/// Tensors that are no weights and biases.
const BESIDE: [&str; 4] = ["mean", "golden.logits", "golden.pictures", container::SEAL];

/// Version from which model files hold a digest.
const SEALED: u32 = 2;

/// The model in the bytes of a file.
pub(super) fn model(bytes: &[u8]) -> Result<Model> {
    let (file, header) = container::parse(bytes)?;
    let none = HashMap::new();
    let metadata = Metadata(header.metadata().as_ref().unwrap_or(&none));
    let version = metadata.version()?;
    if version >= SEALED || is_sealed(&file) {
        check(bytes)?;
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

/// The digest in a model file, or of one that has none.
pub(super) fn digest(bytes: &[u8]) -> Result<String> {
    let (file, _) = container::parse(bytes)?;
    match is_sealed(&file) {
        true => check(bytes),
        false => Ok(hex(&Sha256::digest(bytes))),
    }
}

fn is_sealed(file: &SafeTensors<'_>) -> bool {
    file.tensor(container::SEAL).is_ok()
}

fn check(bytes: &[u8]) -> Result<String> {
    container::check_seal(bytes).map_err(|error| {
        error.help("copy the file again, or use another model of the run: `alexnet classify RUN/last.safetensors IMAGE`")
    })
}

/// A failure in a part of a model file is a failure of the model file.
fn into_model(error: Error) -> Error {
    Error { kind: Kind::Model, ..error }
}

/// The strings of a file.
struct Metadata<'a>(&'a HashMap<String, String>);

impl Metadata<'_> {
    fn get(&self, key: &str) -> Result<&str> {
        self.0.get(key).map(String::as_str).ok_or_else(|| {
            Error::model(format!("the metadata has no `{key}`, expected a model file of this program"))
                .help("models are what `alexnet train SRC --recipe small` leaves in its run folder")
        })
    }

    fn version(&self) -> Result<u32> {
        let text = self.get("format_version")?;
        match text.parse() {
            Ok(version @ 1..=FORMAT_VERSION) => Ok(version),
            Ok(version) if version > FORMAT_VERSION => Err(Error::model(format!(
                "`format_version` is {version}, this program reads versions up to {FORMAT_VERSION}"
            ))
            .help("use the version of the program that saved the model, or a newer one")),
            _ => Err(Error::model(format!(
                "`format_version` is {text:?}, expected a whole number from 1 to {FORMAT_VERSION}"
            ))),
        }
    }

    fn recipe(&self) -> Result<Recipe> {
        Recipe::parse(self.get("recipe")?, "recipe").map_err(into_model)
    }

    fn json<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        serde_json::from_str(self.get(key)?)
            .map_err(|error| Error::model(format!("metadata `{key}`: {error}")))
    }
}

/// At least one class, each with a name of its own.
pub(super) fn check_classes(classes: &[String]) -> Result<()> {
    if classes.is_empty() {
        return Err(Error::model("`classes` is empty, expected at least one name"));
    }
    let mut seen = HashSet::new();
    match classes.iter().position(|name| name.is_empty() || !seen.insert(name)) {
        Some(i) if classes[i].is_empty() => {
            Err(Error::model(format!("class {i} of `classes` has an empty name")))
        }
        Some(i) => Err(Error::model(format!(
            "`classes` holds {:?} twice, the second time as class {i}: expected a name for each class",
            classes[i]
        ))),
        None => Ok(()),
    }
}

/// The contract is one that this program can keep, and the recipe's.
pub(super) fn check_preprocess(preprocess: &Preprocess, recipe: &Recipe) -> Result<()> {
    let Preprocess { square: side, crop, orientation, divisor, deviations, mean, resize, channels } =
        preprocess;
    let refuse = |key: &str, found: String, expected: String| {
        Err(Error::model(format!("`preprocess`: {key} is {found}, expected {expected}")))
    };
    for (key, found, expected) in [("square", *side, recipe.input.square), ("crop", *crop, recipe.input.crop)]
    {
        if found != expected {
            return refuse(key, found.to_string(), format!("{expected}, as in the recipe"));
        }
    }
    if *orientation != recipe.input.orientation {
        let expected = format!("{:?}, as in the recipe", recipe.input.orientation.word());
        return refuse("orientation", format!("{:?}", orientation.word()), expected);
    }
    for (key, found, expected) in [("resize", resize, square::RESIZE), ("channels", channels, "RGB")] {
        if found != expected {
            return refuse(key, format!("{found:?}"), format!("{expected:?}, all that this program can do"));
        }
    }
    for (key, value) in [("divisor", divisor)].into_iter().chain(deviations.iter().map(|d| ("deviations", d)))
    {
        if !(value.is_finite() && *value > 0.0) {
            return refuse(key, value.to_string(), "a number above 0".into());
        }
    }
    if mean.len() != 3 && mean.len() != 3 * side * side {
        return refuse("mean", format!("{} values", mean.len()), format!("3 or 3 x {side} x {side}"));
    }
    Ok(())
}

/// The named tensors are the network's weights and biases, no more and no less, in its shapes.
pub(super) fn check_fit(network: &Network, found: &[(&str, &[usize])]) -> Result<()> {
    let expected = expected(network);
    let shapes: HashMap<&str, &[usize]> = found.iter().copied().collect();
    let unfit = |message: String| {
        Err(Error::model(format!("a model whose tensors do not fit its recipe: {message}"))
            .help("copy the file again, or train a model: `alexnet train SRC --recipe small`"))
    };
    let head = expected.len().saturating_sub(2);
    for (i, (name, shape)) in expected.iter().enumerate() {
        let Some(other) = shapes.get(name.as_str()) else {
            return unfit(format!("tensor `{name}` of shape {shape:?} is missing"));
        };
        if other == shape {
            continue;
        }
        if i >= head && other.len() == shape.len() && other[1..] == shape[1..] {
            return unfit(format!(
                "`classes` has {} names, the head's `{name}` has shape {other:?}, one row for each of {} classes",
                network.classes, other[0]
            ));
        }
        return unfit(format!("tensor `{name}` has shape {other:?}, the recipe's network needs {shape:?}"));
    }
    let known: HashSet<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
    match found.iter().map(|(name, _)| *name).filter(|name| !known.contains(name)).min() {
        Some(extra) => unfit(format!("tensor `{extra}` belongs to no layer of it")),
        None => Ok(()),
    }
}

/// Names and shapes of the network's weights and biases, first layer first.
fn expected(network: &Network) -> Vec<(String, Vec<usize>)> {
    let with_weights = network.layers.iter().filter_map(|layer| Some((layer, layer.parameter_shapes()?)));
    with_weights
        .flat_map(|(layer, (weights, biases))| {
            [(format!("{}.weight", layer.name), weights), (format!("{}.bias", layer.name), biases)]
        })
        .collect()
}

fn parameters(file: &SafeTensors<'_>, network: &Network) -> Result<Vec<Tensor>> {
    let views = file.tensors();
    let found: Vec<(&str, &[usize])> = views
        .iter()
        .map(|(name, view)| (name.as_str(), view.shape()))
        .filter(|(name, _)| !BESIDE.contains(name))
        .collect();
    check_fit(network, &found)?;
    expected(network)
        .into_iter()
        .map(|(name, _)| {
            let (shape, data) = container::numbers(file, &name)?;
            Ok(Tensor { name, shape, data })
        })
        .collect()
}

fn mean(file: &SafeTensors<'_>, square: usize) -> Result<Vec<f32>> {
    let (shape, mean) = container::numbers(file, "mean")?;
    if shape != [3] && shape != [square, square, 3] {
        return Err(Error::model(format!(
            "tensor `mean` has shape {shape:?}, expected [3] or [{square}, {square}, 3]"
        )));
    }
    Ok(mean)
}

fn golden(file: &SafeTensors<'_>, square: usize, classes: usize) -> Result<Golden> {
    let (shape, pixels) = container::array(file, "golden.pictures", Dtype::U8)?;
    let (logits_shape, logits) = container::numbers(file, "golden.logits")?;
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
