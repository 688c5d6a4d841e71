//! The columns of the first convolution.

use serde::Serialize;

use crate::net::{Layer, Network, Operation};

/// How the maps of a convolution divide into columns: consecutive maps, the same number in each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Columns {
    /// The number of columns.
    pub count: usize,
    /// The layer whose groups are the columns; `None` if there is one column.
    pub layer: Option<String>,
}

impl Columns {
    /// Returns the columns of the maps of layer `first`: its own groups, or those of the next layer with weights, which reads
    /// them, or else those of a normalization between the two.
    pub(super) fn of(network: &Network, first: usize) -> Self {
        let (own, readers) = (&network.layers[first], &network.layers[first + 1..]);
        let next = readers.iter().position(|layer| layer.weights().is_some()).unwrap_or(readers.len());
        let candidates = [own].into_iter().chain(readers.get(next)).chain(&readers[..next]);
        let grouped = candidates.into_iter().find(|layer| groups(layer) > 1);
        Self { count: grouped.map_or(1, groups), layer: grouped.map(|layer| layer.name.clone()) }
    }
}

/// The groups of channels that a layer keeps apart.
fn groups(layer: &Layer) -> usize {
    match &layer.operation {
        Operation::Conv(geometry, _) | Operation::Local(geometry, _) => geometry.groups(),
        Operation::Lrn(geometry) => geometry.groups(),
        Operation::Fc(..)
        | Operation::Pool(..)
        | Operation::MapNorm(_)
        | Operation::Activation(_)
        | Operation::Dropout { .. } => 1,
    }
}
