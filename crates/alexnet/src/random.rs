//! Random numbers as a pure function of seed, epoch, image and purpose. No generator is shared or saved, so the
//! numbers do not depend on the number of threads or loader workers, or on where a run was interrupted.

use alexnet_kernels::hash::combine;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// What a random number is used for. Numbers for different purposes are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Initial weights; the key of the layer's name takes the place of the image.
    Weights,
    /// The order of the images in an epoch.
    Order,
    /// The crop and flip of an image.
    Crop,
    /// The color noise of an image.
    Color,
    /// The selection of held-out images.
    HeldOut,
    /// The dropout masks of an image.
    Dropout,
    /// The images and divisions of a figure.
    Figure,
}

/// Returns the key that determines a random number.
pub fn key(seed: u64, epoch: u64, image: u64, purpose: Purpose) -> u64 {
    combine(combine(combine(seed, purpose as u64), epoch), image)
}

/// Returns the key of a name.
pub fn name_key(name: &str) -> u64 {
    name.bytes().fold(0, |key, byte| combine(key, u64::from(byte)))
}

/// Returns a generator seeded with a key.
pub fn generator(key: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs are resumed by later versions: the keys of their layers must never change.
    #[test]
    fn the_key_of_a_name_is_fixed() {
        assert_eq!(name_key(""), 0);
        assert_eq!(name_key("a"), combine(0, 97));
        assert_ne!(name_key("conv1"), name_key("conv2"));
        assert_ne!(name_key("ab"), name_key("ba"));
    }
}
