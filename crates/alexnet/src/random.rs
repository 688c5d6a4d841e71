//! Randomness as a pure function of (seed, epoch, image, purpose): no generator is shared or saved, so the
//! numbers depend neither on threads, nor on workers, nor on where a run was interrupted.

use alexnet_kernels::hash::combine;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// What a random number is for. Numbers for different purposes are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Initial weights; the image is the layer's position in the network.
    Weights,
    /// The order of the images in an epoch.
    Order,
    /// An image's crop and flip.
    Crop,
    /// An image's color noise.
    Color,
    /// Which images are held out for validation.
    HeldOut,
    /// An image's dropout masks.
    Dropout,
}

/// The key of a random number.
pub fn key(seed: u64, epoch: u64, image: u64, purpose: Purpose) -> u64 {
    combine(combine(combine(seed, purpose as u64), epoch), image)
}

/// A generator that starts at the given key.
pub fn generator(key: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(key)
}
