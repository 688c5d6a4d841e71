//! How a network is divided among processes, as an engine of one of them sees it.

use std::fmt;
use std::sync::Arc;

use alexnet_kernels::geometry::ChannelSlice;

use crate::Result;
use crate::net::Network;

/// The parts of a network that one process computes, and the exchanges between them.
#[derive(Clone, Debug)]
pub struct Division {
    /// For each layer, the output channels that this process computes.
    pub slices: Vec<ChannelSlice>,
    /// For each layer, whether its input is gathered from several processes; the last element is for the logits.
    pub gathered: Vec<bool>,
    /// Communication with the other processes.
    pub exchange: Arc<dyn Exchange>,
    /// The position of the first layer in the whole network.
    pub first_layer: usize,
    /// How sums over the units of a fully connected layer are taken.
    pub sums: UnitSums,
}

/// The slices of a fully connected layer's units that gradients with respect to its input are summed in. The sums are added in
/// a binary tree, over the processes too, so that results do not depend on the number of processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitSums {
    /// The first slice of this process.
    pub first: usize,
    /// The slices of this process, a power of two.
    pub count: usize,
    /// The slices of the whole layer.
    pub whole: usize,
}

impl UnitSums {
    /// One sum over all units of each process.
    pub const ONE: Self = Self { first: 0, count: 1, whole: 1 };
}

/// Exchanges activations with the processes that compute the other parts of a network. All of them make the same calls in the
/// same order.
///
/// `at` is the layer whose input is exchanged, or the number of layers for the logits. Values are
/// `[images, height, width, channels]`, with the channels of this process or of all that are gathered.
pub trait Exchange: Send + Sync + fmt::Debug {
    /// Writes the parts of all processes into `whole`.
    ///
    /// # Errors
    /// Returns an error if communication fails.
    fn gather(&self, at: usize, own: &[f32], whole: &mut [f32]) -> Result<()>;

    /// Writes the sum over the processes of their `whole` into `own`, for the channels of this process. Leaves `whole`
    /// undefined.
    ///
    /// # Errors
    /// Returns an error if communication fails.
    fn scatter_sums(&self, at: usize, whole: &mut [f32], own: &mut [f32]) -> Result<()>;
}

/// The exchange of a process that computes the whole network.
#[derive(Clone, Copy, Debug)]
struct Alone;

impl Exchange for Alone {
    fn gather(&self, _: usize, own: &[f32], whole: &mut [f32]) -> Result<()> {
        whole.copy_from_slice(own);
        Ok(())
    }

    fn scatter_sums(&self, _: usize, whole: &mut [f32], own: &mut [f32]) -> Result<()> {
        own.copy_from_slice(whole);
        Ok(())
    }
}

impl Division {
    /// A network that one process computes.
    pub fn none(network: &Network) -> Self {
        Self {
            slices: network.layers.iter().map(|layer| ChannelSlice::all(layer.output.channels)).collect(),
            gathered: vec![false; network.layers.len() + 1],
            exchange: Arc::new(Alone),
            first_layer: 0,
            sums: UnitSums::ONE,
        }
    }

    /// Whether other processes compute parts of the network.
    pub fn is_divided(&self) -> bool {
        self.slices.iter().any(|slice| !slice.is_all())
    }
}
