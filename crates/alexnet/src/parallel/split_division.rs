//! A divided network as an engine sees it.

use std::sync::Arc;

use super::collective::Collective;
use super::exchange::ChannelExchange;
use super::split::NetworkSplit;
use crate::Result;
use crate::engine::{Division, UnitSums};

/// The exchanges between the layers from `first` on.
pub(super) fn division(
    split: &NetworkSplit,
    world: &Collective,
    first: usize,
    sums: UnitSums,
) -> Result<Division> {
    let ranks = split.grid().column_group();
    let exchange = ChannelExchange::new(split, &world.group(ranks.clone())?, &ranks, first)?;
    let slices = (first..split.whole().layers.len()).map(|layer| split.own(layer)).collect();
    let gathered = exchange.gathered();
    Ok(Division { slices, gathered, exchange: Arc::new(exchange), first_layer: first, sums })
}
