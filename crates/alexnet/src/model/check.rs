//! Checks that the parts of a model fit each other.

use std::collections::{HashMap, HashSet};

use crate::data::{Preprocess, square};
use crate::net::{Network, Recipe};
use crate::{Error, Result};

/// Checks that there is at least one class, and that class names are unique and not empty.
pub(super) fn check_classes(classes: &[String]) -> Result<()> {
    if classes.is_empty() {
        return Err(Error::model("`classes` is empty, expected at least one name"));
    }
    let mut seen = HashSet::new();
    match classes.iter().position(|name| name.is_empty() || !seen.insert(name)) {
        Some(i) if classes[i].is_empty() => {
            Err(Error::model(format!("the name of class {i} in `classes` is empty")))
        }
        Some(i) => Err(Error::model(format!(
            "`classes` contains {:?} twice, again as class {i}; expected unique names",
            classes[i]
        ))),
        None => Ok(()),
    }
}

/// Checks that this program supports the preprocessing, and that it is that of the recipe, except for the mean: a training run that
/// starts from another model may keep that model's mean.
pub(crate) fn check_preprocess(preprocess: &Preprocess, recipe: &Recipe) -> Result<()> {
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
        let expected = format!("{:?}, as in the recipe", recipe.input.orientation.name());
        return refuse("orientation", format!("{:?}", orientation.name()), expected);
    }
    for (key, found, expected) in [("resize", resize, square::RESIZE), ("channels", channels, "RGB")] {
        if found != expected {
            return refuse(
                key,
                format!("{found:?}"),
                format!("{expected:?}, the only value that this program supports"),
            );
        }
    }
    if *divisor != recipe.input.divisor {
        let expected = format!("{}, as in the recipe", recipe.input.divisor);
        return refuse("divisor", divisor.to_string(), expected);
    }
    let expected = recipe.input.std.unwrap_or([1.0; 3]);
    if *deviations != expected {
        return refuse("deviations", format!("{deviations:?}"), format!("{expected:?}, as in the recipe"));
    }
    if mean.len() != 3 && mean.len() != 3 * side * side {
        return refuse("mean", format!("{} values", mean.len()), format!("3 or 3 x {side} x {side}"));
    }
    Ok(())
}

/// Checks that tensors with these names and shapes are the parameters of the network.
pub(super) fn check_tensors(network: &Network, found: &[(&str, &[usize])]) -> Result<()> {
    let expected = expected_tensors(network);
    let shapes: HashMap<&str, &[usize]> = found.iter().copied().collect();
    let mismatch = |message: String| {
        Err(Error::model(format!("the tensors do not fit the recipe: {message}"))
            .help("copy the file again, or train a model: `alexnet train SRC --recipe small`"))
    };
    let head = expected.len().saturating_sub(2);
    for (i, (name, shape)) in expected.iter().enumerate() {
        let Some(other) = shapes.get(name.as_str()) else {
            return mismatch(format!("tensor `{name}` of shape {shape:?} is missing"));
        };
        if other == shape {
            continue;
        }
        if i >= head && other.len() == shape.len() && other[1..] == shape[1..] {
            return mismatch(format!(
                "`classes` has {} names, but tensor `{name}` of the last layer has shape {other:?}, for {} classes",
                network.classes, other[0]
            ));
        }
        return mismatch(format!("tensor `{name}` has shape {other:?}, expected {shape:?}"));
    }
    let known: HashSet<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
    match found.iter().map(|(name, _)| *name).filter(|name| !known.contains(name)).min() {
        Some(extra) => mismatch(format!("tensor `{extra}` does not belong to any layer")),
        None => Ok(()),
    }
}

/// Returns the names and shapes of the parameters of the network, first layer first.
pub(super) fn expected_tensors(network: &Network) -> Vec<(String, Vec<usize>)> {
    let with_weights = network.layers.iter().filter_map(|layer| Some((layer, layer.parameter_shapes()?)));
    with_weights
        .flat_map(|(layer, (weights, biases))| [(layer.weight_name(), weights), (layer.bias_name(), biases)])
        .collect()
}
