//! The order of the layers from the images to the logits.

use std::collections::HashMap;

use super::nodes::{Node, Phase};
use super::operation::Operation;
use super::origin::{Origin, short};
use crate::Result;

/// A layer of the network: one of the definition, or several that are one layer of a recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The position of a layer.
    Layer(usize),
    /// Columns of channels: `Slice`, a layer for each of them, `Concat`.
    Columns { slice: usize, parts: Vec<usize>, concat: usize },
}

/// What a layer of the definition reads and writes.
struct Value<'m> {
    blob: &'m str,
    /// The layers that use it and are not only there to measure or compare.
    consumers: Vec<usize>,
}

/// The blobs of a definition, each as often as it is written.
struct Blobs<'m> {
    values: Vec<Value<'m>>,
    /// The values that each layer reads and writes.
    inputs: Vec<Vec<usize>>,
    outputs: Vec<Vec<usize>>,
}

const A_CHAIN: &str = "a recipe is a chain of layers: each one has one input, which no other layer uses";

/// Puts the layers of a phase in order, from the images to the logits. `operations` has an operation for each layer. `sources`
/// are the names of blobs that the definition declares as inputs. Returns the name of the images' blob as well.
///
/// # Errors
/// Returns an error if a blob is unknown, or if the layers are not a chain.
pub(super) fn chain<'m>(
    nodes: &[Node<'m>],
    operations: &[Operation],
    phase: Phase,
    sources: &[&'m str],
    origin: &Origin,
) -> Result<(Vec<Stage>, &'m str)> {
    let blobs = Blobs::of(nodes, operations, phase, sources, origin)?;
    let mut value = blobs.images(nodes, operations, sources.len(), origin)?;
    let images = blobs.values[value].blob;
    let mut stages = Vec::new();
    while let Some(next) = blobs.next(value, nodes, origin)? {
        let stage = match operations[next] {
            Operation::Slice => blobs.columns(next, nodes, operations, origin)?,
            Operation::Source
            | Operation::Sink
            | Operation::Alias
            | Operation::Concat
            | Operation::Conv(_)
            | Operation::InnerProduct(_)
            | Operation::Pool(_)
            | Operation::Lrn { .. }
            | Operation::MapNorm { .. }
            | Operation::Activation(_)
            | Operation::Dropout { .. }
            | Operation::Factor { .. } => Stage::Layer(next),
        };
        let last = match &stage {
            Stage::Layer(layer) | Stage::Columns { concat: layer, .. } => *layer,
        };
        let (inputs, outputs) = (&blobs.inputs[next], &blobs.outputs[last]);
        let ([_], [output]) = (&inputs[..], &outputs[..]) else {
            let message =
                format!("{} inputs and {} outputs, expected one of each", inputs.len(), outputs.len());
            return Err(nodes[next].refuse(origin, message).help(A_CHAIN));
        };
        value = *output;
        stages.push(stage);
    }
    Ok((stages, images))
}

impl<'m> Blobs<'m> {
    /// Follows the names of blobs, which layers that work in place write again.
    fn of(
        nodes: &[Node<'m>],
        operations: &[Operation],
        phase: Phase,
        sources: &[&'m str],
        origin: &Origin,
    ) -> Result<Self> {
        let value = |blob: &&'m str| Value { blob, consumers: Vec::new() };
        let mut values: Vec<Value<'m>> = sources.iter().map(value).collect();
        let mut current: HashMap<&str, usize> = sources.iter().copied().zip(0..).collect();
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        for (i, (node, operation)) in nodes.iter().zip(operations).enumerate() {
            let (mut read, mut written) = (Vec::new(), Vec::new());
            if node.phases.has(phase) {
                for bottom in &node.bottoms {
                    let Some(&value) = current.get(bottom) else {
                        return Err(node
                            .refuse(origin, format!("the bottom `{}` is unknown", short(bottom)))
                            .help("correct `bottom`: it is the `top` of an earlier layer"));
                    };
                    read.push(value);
                    if !matches!(operation, Operation::Sink | Operation::Alias) {
                        values[value].consumers.push(i);
                    }
                }
                for top in &node.tops {
                    let value = match (operation, read.first()) {
                        (Operation::Alias, Some(&value)) => value,
                        _ => {
                            values.push(Value { blob: top, consumers: Vec::new() });
                            values.len() - 1
                        }
                    };
                    current.insert(top, value);
                    written.push(value);
                }
            }
            inputs.push(read);
            outputs.push(written);
        }
        let blobs = Self { values, inputs, outputs };
        blobs.check_ends(nodes, operations, origin)?;
        Ok(blobs)
    }

    /// Returns an error if a layer uses what a softmax, a loss or a measurement makes.
    fn check_ends(&self, nodes: &[Node<'m>], operations: &[Operation], origin: &Origin) -> Result<()> {
        let ends = (0..nodes.len()).filter(|&i| operations[i] == Operation::Sink);
        for (end, &value) in ends.flat_map(|i| self.outputs[i].iter().map(move |value| (i, value))) {
            if let Some(&user) = self.values[value].consumers.first() {
                let message =
                    format!("its input is that of layer {}, of type {}", nodes[end].shown(), nodes[end].kind);
                return Err(nodes[user]
                    .refuse(origin, message)
                    .help("a recipe ends with the layer before the softmax; remove the layers after it"));
            }
        }
        Ok(())
    }

    /// Returns the value of the images: the first that a source makes and a layer uses.
    fn images(
        &self,
        nodes: &[Node<'m>],
        operations: &[Operation],
        declared: usize,
        origin: &Origin,
    ) -> Result<usize> {
        let made = (0..nodes.len()).filter(|&i| operations[i] == Operation::Source);
        let made = (0..declared).chain(made.flat_map(|i| self.outputs[i].iter().copied()));
        let used: Vec<usize> = made.filter(|&value| !self.values[value].consumers.is_empty()).collect();
        match used[..] {
            [images] => Ok(images),
            [] => Err(origin
                .refuse(None, "no layer uses the input of the network, or it has none")
                .help("the network starts with a layer of type Input or Data, or with `input: \"data\"`")),
            [first, second, ..] => Err(origin
                .refuse(
                    None,
                    format!(
                        "two inputs, `{}` and `{}`, expected one for the images",
                        short(self.values[first].blob),
                        short(self.values[second].blob)
                    ),
                )
                .help(A_CHAIN)),
        }
    }

    /// Returns the layer that uses a value; `None` after the last one.
    fn next(&self, value: usize, nodes: &[Node<'m>], origin: &Origin) -> Result<Option<usize>> {
        let Value { blob, consumers } = &self.values[value];
        match consumers[..] {
            [] => Ok(None),
            [next] => Ok(Some(next)),
            [first, second, ..] => {
                let (first, second) = (&nodes[first], &nodes[second]);
                let message =
                    format!("the blob `{}` goes to {} and {}", short(blob), first.shown(), second.shown());
                Err(origin.refuse(second.line, message).help(A_CHAIN))
            }
        }
    }

    /// The columns that start with the `Slice` layer `slice`: each goes through one layer, and they are joined in order.
    fn columns(
        &self,
        slice: usize,
        nodes: &[Node<'m>],
        operations: &[Operation],
        origin: &Origin,
    ) -> Result<Stage> {
        let refuse = |message: &str| {
            nodes[slice].refuse(origin, message).help(
                "recipes have columns in the response normalization: Slice into equal parts, an LRN layer with the same \
                 settings for each of them, and Concat in the same order; for a convolution write `group`",
            )
        };
        let parts = self.outputs[slice].iter().map(|&part| self.next(part, nodes, origin));
        let parts: Vec<Option<usize>> = parts.collect::<Result<_>>()?;
        let parts: Vec<usize> = parts.into_iter().flatten().collect();
        let same = parts.iter().all(|&part| {
            matches!(operations[part], Operation::Lrn { .. }) && operations[part] == operations[parts[0]]
        });
        if parts.len() < 2 || parts.len() != self.outputs[slice].len() || !same {
            return Err(refuse("its parts do not go to LRN layers with the same settings"));
        }
        let joined: Vec<usize> = parts.iter().flat_map(|&part| self.outputs[part].iter().copied()).collect();
        let concat = joined.first().map_or(Ok(None), |&value| self.next(value, nodes, origin))?;
        match concat {
            Some(concat) if operations[concat] == Operation::Concat && self.inputs[concat] == joined => {
                Ok(Stage::Columns { slice, parts, concat })
            }
            Some(_) | None => Err(refuse("its parts are not joined in the same order")),
        }
    }
}
