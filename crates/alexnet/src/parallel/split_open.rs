//! The engine of one rank of a job.

use std::sync::Arc;

use super::collective::Collective;
use super::exchange::ChannelExchange;
use super::grid::Grid;
use super::job::Scheme;
use super::split::Split;
use super::traffic::{Purpose, Traffic};
use super::transport::{Lane, Transport};
use crate::Result;
use crate::engine::{self, Device, Division, Engine, Options};
use crate::net::Network;

/// Opens the engine of this rank. It has the layers and tensors of [`Split::local`].
///
/// Calls that compute are collective: all ranks of [`Grid::column_group`] make the same calls in the same order. With
/// [`Scheme::Columns`] they pass the same images, and all return the logits and the loss of the whole network.
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
    let split = Split::new(network, grid)?;
    let world = Collective::world(transport, Lane::Main, Purpose::Activations, traffic);
    match grid.scheme() {
        Scheme::Data => engine::open(device, network.clone(), options),
        Scheme::Hybrid { .. } | Scheme::Columns { .. } => {
            let (part, division) = division(&split, &world)?;
            engine::open_part(device, part, division, options)
        }
    }
}

/// The layers of this rank, and the exchanges between them.
pub(super) fn division(split: &Split, world: &Collective) -> Result<(Network, Division)> {
    let ranks = split.grid().column_group();
    let exchange = ChannelExchange::new(split, &world.group(ranks.clone())?, &ranks)?;
    let slices = (0..split.whole().layers.len()).map(|layer| split.own(layer)).collect();
    let division = Division { slices, gathered: exchange.gathered(), exchange: Arc::new(exchange) };
    Ok((split.local().clone(), division))
}
