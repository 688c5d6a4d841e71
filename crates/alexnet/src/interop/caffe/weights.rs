//! The weights of a `.caffemodel` file as those of a network.

use std::collections::BTreeMap;

use super::blob::Blob;
use super::body::Source;
use super::message::{Entry, Message, Value};
use super::origin::{Origin, short};
use crate::engine::Tensor;
use crate::format::first_dozen;
use crate::net::{Layer, Network, Operation};
use crate::{Error, Result};

/// The arrays of a file, by the names of their layers.
pub(super) struct Blobs {
    by_layer: BTreeMap<String, Vec<Blob>>,
}

impl Blobs {
    /// Takes the arrays out of a network. Layers without any are left out.
    pub(super) fn take(net: Message) -> Self {
        let layers = net.entries.into_iter().filter(|entry| matches!(entry.name, "layer" | "layers"));
        let mut by_layer: BTreeMap<String, Vec<Blob>> = BTreeMap::new();
        for Entry { value, .. } in layers {
            let Value::Message(layer) = value else { continue };
            let name = layer.text("name").unwrap_or_default().to_owned();
            let blobs: Vec<Blob> = layer
                .entries
                .into_iter()
                .filter(|entry| entry.name == "blobs")
                .filter_map(|entry| match entry.value {
                    Value::Message(blob) => Some(Blob::take(blob)),
                    _ => None,
                })
                .collect();
            if !blobs.is_empty() {
                by_layer.insert(name, blobs);
            }
        }
        Self { by_layer }
    }

    fn names(&self) -> String {
        first_dozen(self.by_layer.keys().map(|name| short(name)))
    }

    /// Returns the names of the layers that no layer of the network has taken.
    pub(super) fn rest(&self) -> Option<String> {
        (!self.by_layer.is_empty()).then(|| self.names())
    }
}

/// Takes the weights of a network's layers, in this program's layout: of the first layer, the channels of BGR images become
/// those of RGB images.
///
/// # Errors
/// Returns an error that lists all layers whose arrays are missing, have another shape, or are not finite.
pub(super) fn tensors(
    blobs: &mut Blobs,
    sources: &[Source],
    network: &Network,
    origin: &Origin,
) -> Result<Vec<Tensor>> {
    if blobs.by_layer.is_empty() {
        return Err(origin
            .refuse(None, "no layer has weights")
            .help("specify a .caffemodel file that Caffe wrote after training"));
    }
    if sources.iter().all(|source| !blobs.by_layer.contains_key(&source.caffe)) {
        let expected = first_dozen(sources.iter().map(|source| short(&source.caffe)));
        return Err(origin
            .refuse(
                None,
                format!(
                    "the weights are those of another network: layers {}, expected {expected}",
                    blobs.names()
                ),
            )
            .help("specify the definition of this network, or the weights of that one"));
    }
    let mut problems = Vec::new();
    let mut tensors = Vec::new();
    let layers = network.layers.iter().filter(|layer| layer.weights().is_some());
    for (i, (source, layer)) in sources.iter().zip(layers).enumerate() {
        match layer_tensors(blobs.by_layer.remove(&source.caffe), source, layer) {
            Ok(mut pair) => {
                if i == 0 {
                    flip_channels(&mut pair[0], layer, network)
                        .map_err(|error| error.context(&origin.name))?;
                }
                tensors.extend(pair);
            }
            Err(mut found) => problems.append(&mut found),
        }
    }
    match problems.is_empty() {
        true => Ok(tensors),
        false => Err(refuse(origin, &problems)),
    }
}

fn refuse(origin: &Origin, problems: &[String]) -> Error {
    let what = format!("{} of the weights do not fit the definition of the network", problems.len());
    let listed = problems.iter().take(50);
    let error = listed.fold(origin.refuse(None, what), |error, problem| error.detail(format!("  {problem}")));
    error.help("specify the definition that the weights were trained with, or omit it: a .caffemodel file contains its own")
}

/// Returns the weights and biases of a layer, or what is wrong with them.
fn layer_tensors(
    blobs: Option<Vec<Blob>>,
    source: &Source,
    layer: &Layer,
) -> std::result::Result<[Tensor; 2], Vec<String>> {
    let name = short(&source.caffe);
    let Some((shape, bias_shape)) = layer.parameter_shapes() else {
        return Err(vec![format!("layer {name} has no weights")]);
    };
    let line = source.line.map_or(String::new(), |line| format!(" of line {line}"));
    let Some(blobs) = blobs else { return Err(vec![format!("layer {name}{line}: no weights in the file")]) };
    let expected = 1 + usize::from(source.has_biases);
    if blobs.len() != expected {
        return Err(vec![format!("layer {name}{line}: {} arrays, expected {expected}", blobs.len())]);
    }
    let stored: Vec<usize> = match source.is_transposed {
        true => shape.iter().rev().copied().collect(),
        false => shape.clone(),
    };
    let mut problems = Vec::new();
    for (what, blob, expected) in [("weights", blobs.first(), &stored), ("biases", blobs.get(1), &bias_shape)]
    {
        if let Some(problem) = blob.and_then(|blob| blob.problem(expected)) {
            problems.push(format!("layer {name}{line}: {what}: {problem}"));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut values = blobs.into_iter().map(|blob| blob.values);
    let weights = values.next().unwrap_or_default();
    let weights = if source.is_transposed { transposed(&weights, &shape) } else { weights };
    let biases = values.next().unwrap_or_else(|| vec![0.0; bias_shape.iter().product()]);
    Ok([
        Tensor { name: layer.weight_name(), shape, data: weights },
        Tensor { name: layer.bias_name(), shape: bias_shape, data: biases },
    ])
}

/// Turns `[inputs, outputs]` into `[outputs, inputs]`, which has the shape `shape`.
fn transposed(values: &[f32], shape: &[usize]) -> Vec<f32> {
    let (outputs, inputs) = (shape[0], shape[1]);
    (0..outputs).flat_map(|o| (0..inputs).map(move |i| values[i * outputs + o])).collect()
}

/// Reverses the order of the image's channels in the weights of the first layer with weights: from BGR to RGB or back. The
/// layers before it treat all channels alike.
///
/// # Errors
/// Returns an error if the channels are in groups.
pub(super) fn flip_channels(weights: &mut Tensor, layer: &Layer, network: &Network) -> Result<()> {
    let channels = network.input.channels;
    let (outputs, area) = match &layer.operation {
        Operation::Conv(g, _) if g.groups() == 1 => {
            (g.output().channels, g.window().kernel * g.window().kernel)
        }
        Operation::Fc(g, _) => (g.outputs(), g.inputs() / channels),
        Operation::Conv(..)
        | Operation::Local(..)
        | Operation::Pool(..)
        | Operation::Lrn(_)
        | Operation::MapNorm(_)
        | Operation::Activation(_)
        | Operation::Dropout { .. } => {
            return Err(Error::model(format!(
                "layer {}: groups of the image's channels, whose order differs between the programs",
                layer.name
            ))
            .help("the first layer with weights must be fully connected, or a convolution without groups"));
        }
    };
    let row = channels * area;
    debug_assert_eq!(weights.data.len(), outputs * row);
    for row in weights.data.chunks_exact_mut(row) {
        for i in 0..channels / 2 {
            let (first, rest) = row.split_at_mut((channels - 1 - i) * area);
            first[i * area..(i + 1) * area].swap_with_slice(&mut rest[..area]);
        }
    }
    Ok(())
}
