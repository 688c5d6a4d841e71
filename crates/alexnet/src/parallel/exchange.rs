//! Exchanges of activations between the processes that compute the parts of a network.

use rayon::prelude::*;

use alexnet_kernels::geometry::ChannelSlice;

use super::collective::Collective;
use super::split::{Junction, NetworkSplit};
use crate::Result;
use crate::engine::Exchange;

/// The exchanges of a divided network.
#[derive(Debug)]
pub(super) struct ChannelExchange {
    /// One element per layer, and one for the logits.
    junctions: Vec<Option<ChannelJunction>>,
}

/// An exchange of channels before a layer.
#[derive(Debug)]
struct ChannelJunction {
    group: Collective,
    slices: Vec<ChannelSlice>,
}

impl ChannelExchange {
    /// The exchanges of the ranks in `columns`, a column group, from layer `first` on.
    pub(super) fn new(
        split: &NetworkSplit,
        columns: &Collective,
        ranks: &[usize],
        first: usize,
    ) -> Result<Self> {
        let junction = |at: usize| -> Result<Option<ChannelJunction>> {
            let Some(Junction { columns: members, slices, .. }) = split.junction(at) else { return Ok(None) };
            Ok(Some(ChannelJunction { group: columns.group(ranks[members].to_vec())?, slices }))
        };
        let junctions = (first..=split.whole().layers.len()).map(junction).collect::<Result<_>>()?;
        Ok(Self { junctions })
    }

    /// Whether there is an exchange, for each layer and the logits.
    pub(super) fn gathered(&self) -> Vec<bool> {
        self.junctions.iter().map(Option::is_some).collect()
    }

    fn junction(&self, at: usize) -> &ChannelJunction {
        self.junctions[at].as_ref().expect("the engine exchanges values where the network is divided")
    }
}

impl Exchange for ChannelExchange {
    fn gather(&self, at: usize, own: &[f32], whole: &mut [f32]) -> Result<()> {
        let ChannelJunction { group, slices } = self.junction(at);
        let parts = contiguous(slices, whole.len());
        let mut values = vec![0.0; whole.len()];
        values[parts[group.index()].clone()].copy_from_slice(own);
        group.all_gather(&mut values, &parts)?;
        whole.par_chunks_exact_mut(slices[0].whole).enumerate().for_each(|(row, whole)| {
            for (slice, part) in slices.iter().zip(&parts) {
                whole[slice.range()].copy_from_slice(&values[part.clone()][row * slice.len..][..slice.len]);
            }
        });
        Ok(())
    }

    fn scatter_sums(&self, at: usize, whole: &mut [f32], own: &mut [f32]) -> Result<()> {
        let ChannelJunction { group, slices } = self.junction(at);
        let parts = contiguous(slices, whole.len());
        let mut values = vec![0.0; whole.len()];
        for (slice, part) in slices.iter().zip(&parts) {
            let rows = whole.par_chunks_exact(slice.whole);
            values[part.clone()].par_chunks_exact_mut(slice.len).zip(rows).for_each(|(values, whole)| {
                values.copy_from_slice(&whole[slice.range()]);
            });
        }
        group.scatter_sums(&mut values, &parts)?;
        own.copy_from_slice(&values[parts[group.index()].clone()]);
        Ok(())
    }
}

/// The ranges of values if the channels of each process were contiguous, instead of those of each pixel.
fn contiguous(slices: &[ChannelSlice], values: usize) -> Vec<std::ops::Range<usize>> {
    let rows = values / slices[0].whole;
    slices.iter().map(|slice| slice.first * rows..(slice.first + slice.len) * rows).collect()
}
