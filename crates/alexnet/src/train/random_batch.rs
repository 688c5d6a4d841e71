//! Random images for measurements.

use alexnet_kernels::memory;

use crate::engine::{Batch, Engine, StepOutcome, Update};
use crate::error::Kind;
use crate::net::{Network, Recipe};
use crate::random::{Purpose, key};
use crate::{Error, Result};

/// Images of random pixels, with labels and keys.
pub(crate) struct RandomBatch {
    /// Centered pixels, `[n, height, width, channels]`.
    pub(crate) images: Vec<f32>,
    labels: Vec<u32>,
    keys: Vec<u64>,
}

impl RandomBatch {
    /// `n` images for a network. They are not part of the memory that an engine plans: open it first, so that a batch that is far too
    /// large is refused with the memory that it needs.
    ///
    /// # Errors
    /// Returns an error if there is not enough memory.
    pub(crate) fn new(network: &Network, n: usize) -> Result<Self> {
        let values = n.saturating_mul(network.input.len());
        let mut images = Vec::new();
        memory::reserve(&mut images, values)
            .map_err(|_| Error::out_of_memory(values.saturating_mul(size_of::<f32>()), None))?;
        images.extend((0..values as u64).map(pixel));
        let labels = (0..n).map(|i| (i % network.classes) as u32).collect();
        Ok(Self { images, labels, keys: (0..n as u64).collect() })
    }

    /// All images.
    pub(crate) fn whole(&self) -> Batch<'_> {
        Batch::whole(&self.images, &self.labels, &self.keys)
    }

    /// A training step at a learning rate of 0, which keeps values from growing.
    ///
    /// # Errors
    /// Returns an error if the loss is not finite: such a step is cut short, so it cannot be measured.
    pub(crate) fn step(&self, engine: &mut dyn Engine, recipe: &Recipe) -> Result<()> {
        let StepOutcome { loss, .. } = engine.step(&self.whole(), &Update::new(&recipe.optimizer, 0.0))?;
        if loss.is_finite() {
            return Ok(());
        }
        let message = format!(
            "recipe `{}`: the loss on random images is {loss}, so it cannot be measured",
            recipe.name
        );
        Err(Error::new(Kind::Diverged, message).help("use smaller initial weights in the recipe"))
    }

    /// The first `n` images.
    pub(crate) fn first(&self, n: usize) -> Batch<'_> {
        let image = self.images.len() / self.keys.len();
        Batch::whole(&self.images[..n * image], &self.labels[..n], &self.keys[..n])
    }
}

/// A centered pixel, -128 to 127.
fn pixel(i: u64) -> f32 {
    (key(0, 0, i, Purpose::Weights) >> 56) as f32 - 128.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_batch_is_the_start_of_a_larger_one() {
        let network = Network::new(&Recipe::load("small").unwrap(), 10).unwrap();
        let large = RandomBatch::new(&network, 12).unwrap();
        let small = RandomBatch::new(&network, 3).unwrap();
        let (first, small) = (large.first(3), small.whole());
        assert_eq!((first.images, first.labels, first.keys), (small.images, small.labels, small.keys));
        assert_eq!((small.images.len(), first.shard), (3 * network.input.len(), small.shard));
        assert!(small.images.iter().all(|pixel| (-128.0..=127.0).contains(pixel)));
    }

    #[test]
    fn images_beyond_memory_are_an_error() {
        let network = Network::new(&Recipe::load("small").unwrap(), 10).unwrap();
        let error = RandomBatch::new(&network, usize::MAX / 4).err().unwrap();
        assert!(error.message.starts_with("not enough memory"), "{error}");
    }
}
