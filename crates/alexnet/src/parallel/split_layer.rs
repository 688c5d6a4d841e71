//! How a single layer is divided among processes.

use std::ops::Range;

use alexnet_kernels::geometry::{
    ChannelSlice, ConvGeometry, FcGeometry, GeometryError, Maps, NormGeometry, PoolGeometry,
};

use crate::net::{Layer, Operation};
use crate::{Error, Result};

/// A layer divided among processes.
#[derive(Clone, Debug)]
pub(super) struct LayerSplit {
    /// For each process, the output channels that it computes.
    pub(super) outputs: Vec<ChannelSlice>,
    /// For each process, the processes whose outputs of the layer below it gathers; `None` if it has its inputs.
    pub(super) gathered: Vec<Option<Range<usize>>>,
}

impl LayerSplit {
    /// A layer that every process computes.
    pub(super) fn undivided(layer: &Layer, columns: usize) -> Self {
        Self {
            outputs: vec![ChannelSlice::all(layer.output.channels); columns],
            gathered: vec![None; columns],
        }
    }

    fn local(outputs: Vec<ChannelSlice>) -> Self {
        Self { gathered: vec![None; outputs.len()], outputs }
    }
}

/// The output channels of the parts of a layer, given those of the layer below.
///
/// # Errors
/// Returns an error if the layer cannot be divided evenly, or not without values of other groups.
pub(super) fn divide(layer: &Layer, inputs: &[ChannelSlice]) -> Result<LayerSplit> {
    let columns = inputs.len();
    let has_whole = inputs[0].is_all();
    let shares = |channels| (0..columns).map(|c| ChannelSlice::share(channels, c, columns)).collect();
    let outputs = layer.output.channels;
    match &layer.operation {
        Operation::Conv(g, _) | Operation::Local(g, _) => {
            let refuse = |message: String, help: String| {
                Err(Error::usage(format!("layer {}: {message}", layer.name)).help(help))
            };
            if !outputs.is_multiple_of(columns) {
                let maps = outputs.next_multiple_of(columns * g.groups());
                return refuse(
                    format!("{outputs} maps in {columns} columns, expected a multiple"),
                    format!("use `--set layer.{}.maps={maps}`", layer.name),
                );
            }
            let groups = g.groups();
            match (has_whole, groups.is_multiple_of(columns), columns.is_multiple_of(groups)) {
                (true, ..) if groups == 1 => Ok(LayerSplit::local(shares(outputs))),
                (true, ..) => refuse(
                    format!("{groups} groups of the images' own channels cannot be divided"),
                    format!("use `--set layer.{}.groups=1`", layer.name),
                ),
                (false, true, _) => Ok(LayerSplit::local(shares(outputs))),
                (false, false, true) => {
                    let per_group = columns / groups;
                    let group = |column: usize| {
                        let first = column / per_group * per_group;
                        Some(first..first + per_group)
                    };
                    Ok(LayerSplit { outputs: shares(outputs), gathered: (0..columns).map(group).collect() })
                }
                (false, false, false) => refuse(
                    format!("{groups} groups in {columns} columns, expected that one divides the other"),
                    format!("use `--set layer.{}.groups=1`", layer.name),
                ),
            }
        }
        Operation::Fc(g, _) if g.outputs() < columns => Err(Error::usage(format!(
            "layer {}: {} units among {columns} processes, expected at least one each",
            layer.name,
            g.outputs()
        ))
        .help("start fewer processes")),
        Operation::Fc(g, _) => Ok(LayerSplit {
            outputs: shares(g.outputs()),
            gathered: vec![(!has_whole).then_some(0..columns); columns],
        }),
        Operation::Lrn(g) if !has_whole && !g.groups().is_multiple_of(columns) => {
            let help = match outputs.is_multiple_of(columns) {
                true => format!("use `--set layer.{}.groups={columns}`", layer.name),
                false => format!("use a number of maps that {columns} divides"),
            };
            Err(Error::usage(format!(
                "layer {}: normalization in {} groups of maps, expected a multiple of {columns} columns",
                layer.name,
                g.groups()
            ))
            .help(help))
        }
        Operation::Lrn(_)
        | Operation::Pool(..)
        | Operation::MapNorm(_)
        | Operation::Activation(_)
        | Operation::Dropout { .. } => Ok(LayerSplit::local(inputs.to_vec())),
    }
}

/// The part of a layer that one process computes. `inputs` are the outputs of the layer below, by process.
pub(super) fn part(
    layer: &Layer,
    split: &LayerSplit,
    inputs: &[ChannelSlice],
    column: usize,
) -> Result<Layer> {
    let output = split.outputs[column];
    let input = match &split.gathered[column] {
        Some(columns) => inputs[columns.clone()].iter().map(|slice| slice.len).sum(),
        None => inputs[column].len,
    };
    let input = Maps { channels: input, ..layer.input };
    let refuse = |error: GeometryError| Error::usage(format!("layer {}, divided: {error}", layer.name));
    let conv = |g: &ConvGeometry| {
        // Inputs are whole groups, or those of one group.
        let groups = (input.channels / g.group_inputs()).max(1);
        ConvGeometry::new(input, output.len, g.window(), groups).map_err(refuse)
    };
    let norm = |g: &NormGeometry| {
        let groups = (g.groups() * input.channels / g.maps().channels).max(1);
        NormGeometry::new(input, groups, g.constants()).map_err(refuse)
    };
    let operation = match &layer.operation {
        Operation::Conv(g, spec) => Operation::Conv(conv(g)?, spec.clone()),
        Operation::Local(g, spec) => Operation::Local(conv(g)?, spec.clone()),
        Operation::Fc(_, spec) => {
            Operation::Fc(FcGeometry::new(input.len(), output.len).map_err(refuse)?, spec.clone())
        }
        Operation::Pool(kind, g) => {
            Operation::Pool(*kind, PoolGeometry::new(input, g.window()).map_err(refuse)?)
        }
        Operation::Lrn(g) => Operation::Lrn(norm(g)?),
        Operation::MapNorm(g) => Operation::MapNorm(norm(g)?),
        Operation::Activation(function) => Operation::Activation(*function),
        Operation::Dropout { rate, scale } => Operation::Dropout { rate: *rate, scale: *scale },
    };
    let output = Maps { channels: output.len, ..layer.output };
    let Layer { name, precision, random_key, .. } = layer;
    Ok(Layer { name: name.clone(), input, output, operation, precision: *precision, random_key: *random_key })
}
