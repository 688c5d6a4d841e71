//! The tensors of a state dict as those of a network's layers.

use std::collections::BTreeMap;

use super::element::Element;
use super::naming::{Naming, with_weights};
use super::state_dict::StateDict;
use crate::engine::Tensor;
use crate::format::first_dozen;
use crate::net::Network;
use crate::{Error, Result};

/// The parameters of a network, and where they come from.
pub(super) struct Assigned {
    /// First layer first.
    pub(super) parameters: Vec<Tensor>,
    /// The name of each in the state dict.
    pub(super) sources: Vec<String>,
    /// What was converted and what is not used.
    pub(super) notes: Vec<String>,
}

/// A tensor that the network needs.
struct Needed {
    name: String,
    source: String,
    shape: Vec<usize>,
}

/// Assigns the tensors of `modules` to the layers with weights, one to one in their order.
///
/// # Errors
/// Returns an error that lists all tensors that are missing, have another shape, or are left over in one of the modules.
pub(super) fn assign(
    dict: &StateDict<'_>,
    network: &Network,
    naming: Naming,
    modules: &[String],
) -> Result<Assigned> {
    let needed = needed(network, modules)?;
    let mut problems = Vec::new();
    for Needed { name, source, shape } in &needed {
        match dict.tensors.get(source) {
            None => problems.push(format!("`{source}` of shape {shape:?} is missing")),
            Some(found) if found.shape != *shape => {
                problems.push(format!("`{source}` has shape {:?}, {name} needs {shape:?}", found.shape));
            }
            Some(_) => {}
        }
    }
    let is_needed = |name: &String| needed.iter().any(|tensor| tensor.source == *name);
    let (inside, outside): (Vec<&str>, Vec<&str>) = dict
        .tensors
        .keys()
        .filter(|name| !is_needed(name))
        .map(String::as_str)
        .partition(|name| naming.is_inside(modules, name));
    problems
        .extend(inside.iter().map(|name| format!("`{name}` is left over, the network has no use for it")));
    if !problems.is_empty() {
        return Err(misfit(&problems));
    }
    let mut assigned = Assigned { parameters: Vec::new(), sources: Vec::new(), notes: Vec::new() };
    let mut converted: BTreeMap<Element, usize> = BTreeMap::new();
    for Needed { name, source, shape } in needed {
        let stored = &dict.tensors[&source];
        let data = stored.floats(&source)?;
        if let Some(at) = data.iter().position(|value| !value.is_finite()) {
            return Err(Error::model(format!(
                "tensor `{source}` has the value {} at position {at}, expected finite values in float32",
                data[at]
            ))
            .help("the training diverged, or the file is damaged: use an earlier checkpoint"));
        }
        *converted.entry(stored.element).or_default() += 1;
        assigned.parameters.push(Tensor { name, shape, data });
        assigned.sources.push(source);
    }
    for (element, count) in converted.into_iter().filter(|(element, _)| *element != Element::F32) {
        assigned.notes.push(format!("tensors of type {}, converted to float32: {count}", element.name()));
    }
    if !outside.is_empty() {
        assigned.notes.push(format!(
            "not used, since no layer has tensors with these names: {}; if the network computes with them, its outputs differ",
            first_dozen(outside.iter())
        ));
    }
    Ok(assigned)
}

/// The tensors of the layers with weights, with their names in the state dict.
fn needed(network: &Network, modules: &[String]) -> Result<Vec<Needed>> {
    let layers: Vec<_> = with_weights(network).collect();
    if layers.len() != modules.len() {
        return Err(Error::model(format!(
            "{} modules of the state dict have tensors ({}), but {} layers of the network do ({})",
            modules.len(),
            first_dozen(modules.iter()),
            layers.len(),
            first_dozen(layers.iter().map(|layer| &layer.name))
        ))
        .help("add the recipe of the network with `--recipe NAME` or `--recipe FILE`; `alexnet recipe list` lists the built-in ones"));
    }
    let mut needed = Vec::new();
    for (layer, module) in layers.into_iter().zip(modules) {
        let Some((weights, biases)) = layer.parameter_shapes() else { continue };
        let tensor =
            |name: String, part: &str, shape| Needed { name, source: format!("{module}.{part}"), shape };
        needed.push(tensor(layer.weight_name(), "weight", weights));
        needed.push(tensor(layer.bias_name(), "bias", biases));
    }
    Ok(needed)
}

fn misfit(problems: &[String]) -> Error {
    Error::model(format!(
        "the tensors do not fit the network: {}",
        problems.iter().map(String::as_str).collect::<Vec<_>>().join("; ")
    ))
    .help("add the recipe of the network with `--recipe NAME` or `--recipe FILE`; `alexnet recipe show NAME` lists its layers")
}
