//! The engine of one rank of a job.

use std::sync::Arc;

use super::collective::Collective;
use super::grid::Grid;
use super::job::Scheme;
use super::split::NetworkSplit;
use super::split_division::division;
use super::split_hybrid::HybridEngine;
use super::traffic::{Payload, Traffic};
use super::transport::{Lane, Transport};
use crate::Result;
use crate::engine::{self, Device, Engine, Options, UnitSums};
use crate::net::Network;

/// Opens the engine of this rank. It has the layers and tensors of [`NetworkSplit::local`].
///
/// Calls that compute are collective: all ranks of [`Grid::column_group`] make the same calls in the same order. With
/// [`Scheme::Columns`] they pass the same images, and all return the logits and the loss of the whole network. With
/// [`Scheme::Hybrid`] each passes images of its own, maybe none, and has their logits and loss returned.
///
/// # Errors
/// Returns an error if the network cannot be divided, or the engine cannot be opened.
pub fn open(
    device: Device,
    network: &Network,
    grid: Grid,
    (transport, traffic): (&Arc<dyn Transport>, &Arc<Traffic>),
    options: &Options,
) -> Result<Box<dyn Engine>> {
    let split = NetworkSplit::new(network, grid)?;
    let world = |purpose| Collective::world(transport, Lane::Main, purpose, traffic);
    match grid.scheme() {
        Scheme::Data => engine::open(device, network.clone(), options),
        Scheme::Columns { .. } => {
            let division = division(&split, &world(Payload::Activations), 0, UnitSums::ONE)?;
            engine::open_part(device, split.local().clone(), division, options)
        }
        Scheme::Hybrid { .. } if grid.columns() == 1 => engine::open(device, network.clone(), options),
        Scheme::Hybrid { exchange } => {
            let groups = (world(Payload::Activations), world(Payload::Control));
            Ok(Box::new(HybridEngine::open(device, split, exchange, groups, options)?))
        }
    }
}
