//! A network divided among processes.

use std::ops::Range;

use alexnet_kernels::geometry::ChannelSlice;

use super::grid::Grid;
use super::job::Scheme;
use super::split_layer::{LayerSplit, divide, part};
use crate::engine::Tensor;
use crate::net::{Layer, Network, Operation};
use crate::{Error, Result};

/// A network, and the parts of it that each process computes.
///
/// A layer is either whole on every process, or each process computes consecutive output channels of it.
#[derive(Clone, Debug)]
pub struct NetworkSplit {
    whole: Network,
    local: Network,
    grid: Grid,
    layers: Vec<LayerSplit>,
    /// The first layer that is divided.
    first_divided: usize,
}

/// Values that processes exchange at a point of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Junction {
    /// The processes that exchange values, as positions in the column group.
    pub(super) columns: Range<usize>,
    /// The channels of each of them, counted from the first one's.
    pub(super) slices: Vec<ChannelSlice>,
    /// Pixels per image.
    pub(super) pixels: usize,
}

impl NetworkSplit {
    /// Divides `network` among the ranks of a grid.
    ///
    /// # Errors
    /// Returns an error if a layer cannot be divided; it names the layer and a setting that can.
    pub fn new(network: &Network, grid: Grid) -> Result<Self> {
        let columns = grid.columns();
        let is_fc = |layer: &Layer| matches!(layer.operation, Operation::Fc(..));
        let first_divided = match grid.scheme() {
            _ if columns == 1 => network.layers.len(),
            Scheme::Data => network.layers.len(),
            Scheme::Columns { .. } => 0,
            Scheme::Hybrid { .. } => network.layers.iter().position(is_fc).unwrap_or(network.layers.len()),
        };
        let mut layers: Vec<LayerSplit> = Vec::with_capacity(network.layers.len());
        let mut local = Vec::with_capacity(network.layers.len());
        for (position, layer) in network.layers.iter().enumerate() {
            let whole = || vec![ChannelSlice::all(layer.input.channels); columns];
            let input = layers.last().map_or_else(whole, |before| before.outputs.clone());
            let divided = match position < first_divided {
                true => LayerSplit::undivided(layer, columns),
                false => divide(layer, &input)?,
            };
            local.push(part(layer, &divided, &input, grid.column())?);
            layers.push(divided);
        }
        let local = Network { layers: local, ..network.clone() };
        Ok(Self { whole: network.clone(), local, grid, layers, first_divided })
    }

    /// The layers as this rank computes them.
    pub const fn local(&self) -> &Network {
        &self.local
    }

    /// The network.
    pub const fn whole(&self) -> &Network {
        &self.whole
    }

    /// The place of this rank.
    pub const fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The first layer that is divided; the number of layers if none is.
    pub const fn first_divided(&self) -> usize {
        self.first_divided
    }

    /// Whether the gradient of a layer has to be summed over [`Grid::data_peers`].
    pub fn is_shared(&self, layer: usize) -> bool {
        let sees_all_images = match self.grid.scheme() {
            Scheme::Data | Scheme::Columns { .. } => false,
            Scheme::Hybrid { .. } => layer >= self.first_divided,
        };
        self.grid.shards() > 1 && !sees_all_images
    }

    /// The output channels of a layer that this rank computes.
    pub fn own(&self, layer: usize) -> ChannelSlice {
        self.layers[layer].outputs[self.grid.column()]
    }

    /// The part of a whole tensor that this rank has.
    ///
    /// # Errors
    /// Returns an error if the network has no such tensor, or it has another shape.
    pub fn slice(&self, tensor: &Tensor) -> Result<Tensor> {
        let (layer, axis) = self.locate(&tensor.name)?;
        let (shape, slice) = (shape(&self.whole.layers[layer], &tensor.name)?, self.own(layer));
        if tensor.shape != shape || tensor.data.len() != shape.iter().product::<usize>() {
            let name = &tensor.name;
            return Err(Error::model(format!(
                "tensor `{name}` has shape {:?}, expected {shape:?}",
                tensor.shape
            )));
        }
        let inner: usize = shape[axis + 1..].iter().product();
        let rows = tensor.data.chunks_exact((slice.whole * inner).max(1));
        let data = rows.flat_map(|row| &row[slice.first * inner..][..slice.len * inner]).copied().collect();
        let mut shape = shape;
        shape[axis] = slice.len;
        Ok(Tensor { name: tensor.name.clone(), shape, data })
    }

    /// The whole tensor of the parts that the ranks of a column group have, in order.
    ///
    /// # Errors
    /// Returns an error if the network has no such tensor, or the parts do not fit it.
    pub fn join(&self, parts: &[Tensor]) -> Result<Tensor> {
        let name = parts.first().map_or("", |part| part.name.as_str());
        let (layer, axis) = self.locate(name)?;
        let shape = shape(&self.whole.layers[layer], name)?;
        let (outer, inner): (usize, usize) =
            (shape[..axis].iter().product(), shape[axis + 1..].iter().product());
        let slices = &self.layers[layer].outputs;
        let fits = |(part, slice): (&Tensor, &ChannelSlice)| {
            part.name == name && part.data.len() == outer * slice.len * inner
        };
        if parts.len() != slices.len() || !parts.iter().zip(slices).all(fits) {
            return Err(Error::model(format!("the parts of tensor `{name}` do not have the expected sizes")));
        }
        let mut data = vec![0.0; outer * shape[axis] * inner];
        for (row, whole) in data.chunks_exact_mut((shape[axis] * inner).max(1)).enumerate() {
            for (part, slice) in parts.iter().zip(slices) {
                let len = slice.len * inner;
                whole[slice.first * inner..][..len].copy_from_slice(&part.data[row * len..][..len]);
            }
        }
        Ok(Tensor { name: name.to_owned(), shape, data })
    }

    /// The exchange before a layer, or, for the number of layers, of the logits.
    pub(super) fn junction(&self, at: usize) -> Option<Junction> {
        let before = self.layers.get(at.checked_sub(1)?)?;
        let columns = match self.layers.get(at) {
            Some(layer) => layer.gathered[self.grid.column()].clone()?,
            None if before.outputs[0].is_all() => return None,
            None => 0..self.grid.columns(),
        };
        let outputs = &before.outputs[columns.clone()];
        let (first, whole) = (outputs[0].first, outputs.iter().map(|slice| slice.len).sum());
        let slices = outputs.iter().map(|slice| ChannelSlice { first: slice.first - first, whole, ..*slice });
        let pixels = self.whole.layers[at - 1].output.pixels();
        Some(Junction { columns, slices: slices.collect(), pixels })
    }

    /// Bytes of activations that this rank sends to compute logits of images: its own, and those of the whole batch.
    pub fn forward_bytes(&self, own: usize, global: usize) -> u64 {
        self.bytes(own, global, |values| values.gathered)
    }

    /// Bytes of activations, and of gradients with respect to them, that this rank sends in a training step in which all
    /// layers learn.
    pub fn step_bytes(&self, own: usize, global: usize) -> u64 {
        self.bytes(own, global, |values| values.gathered + values.scattered)
    }

    fn bytes(&self, own: usize, global: usize, values: impl Fn(Sent) -> usize) -> u64 {
        let junctions = (0..=self.layers.len()).filter_map(|at| Some(values(self.sent(at)?)));
        let sent = match self.grid.scheme() {
            Scheme::Data => 0,
            Scheme::Columns { .. } => own * junctions.sum::<usize>(),
            Scheme::Hybrid { .. } => {
                // The features of the own images go to each other rank, and the gradients of their images come from this one.
                let layers = self.whole.layers[..self.first_divided].last();
                let features = layers.map_or(0, |layer| layer.output.len());
                let others = self.grid.columns() - 1;
                let images = Sent { gathered: others * own * features, scattered: (global - own) * features };
                global * junctions.sum::<usize>() + if others > 0 { values(images) } else { 0 }
            }
        };
        (sent * size_of::<f32>()) as u64
    }

    /// The values per image that this rank sends at a junction.
    fn sent(&self, at: usize) -> Option<Sent> {
        let Junction { columns, slices, pixels } = self.junction(at)?;
        let own = slices[self.grid.column() - columns.start];
        Some(Sent {
            // Its own part to each other rank.
            gathered: (columns.len() - 1) * own.len * pixels,
            // To each other rank, its part of the gradient. All ranks compute that of the logits.
            scattered: if at == self.layers.len() { 0 } else { (own.whole - own.len) * pixels },
        })
    }

    /// The layer of a tensor, and the axis of its output channels.
    fn locate(&self, name: &str) -> Result<(usize, usize)> {
        let is_own = |layer: &Layer| {
            layer.weights().is_some() && (layer.weight_name() == name || layer.bias_name() == name)
        };
        let unknown = || Error::model(format!("tensor `{name}` does not belong to the network"));
        let layer = self.whole.layers.iter().position(is_own).ok_or_else(unknown)?;
        let axis = match self.whole.layers[layer].operation {
            // Each position has its own kernels: the first two axes are rows and columns.
            Operation::Local(..) => 2,
            _ => 0,
        };
        Ok((layer, axis))
    }
}

/// Values that a rank sends.
struct Sent {
    gathered: usize,
    scattered: usize,
}

/// The shape of a layer's tensor.
fn shape(layer: &Layer, name: &str) -> Result<Vec<usize>> {
    let unknown = || Error::model(format!("tensor `{name}` does not belong to the network"));
    let (weights, biases) = layer.parameter_shapes().ok_or_else(unknown)?;
    Ok(if layer.weight_name() == name { weights } else { biases })
}
