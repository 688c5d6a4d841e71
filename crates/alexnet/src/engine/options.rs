//! How an engine is opened: on which device, for what, and with which limits.

use alexnet_kernels::micro_batch::granule;

use crate::net::Recipe;
use crate::{Error, Result};

/// Hardware that an engine can run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The processor, with the kernels of this project.
    #[default]
    Cpu,
}

/// The calls an engine is planned for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Forward, backward and updates: every activation is kept until its layer's backward pass.
    Training,
    /// Forward only: two activation buffers alternate.
    #[default]
    Inference,
    /// Forward, and gradients with respect to the pixels: every activation is kept, but no gradients of weights.
    Inspection,
}

/// Options of [`open`](super::open()).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The calls to plan for. Default: [`Mode::Inference`].
    pub mode: Mode,
    /// Maximum number of images per call. Default: 1.
    pub batch: usize,
    /// Maximum number of images in memory at a time; a larger call is computed in micro-batches, with the same bits. See
    /// [`check_micro_batch`]. Default: `None`, the whole batch.
    pub micro_batch: Option<usize>,
    /// Number of threads. Default: all cores.
    pub threads: usize,
    /// Number of leaves: equal parts of the global batch whose gradients are summed separately and then added in a binary
    /// tree. A power of two, and at least the number of processes: then results have the same bits for any number of
    /// processes, but other bits than with another number of leaves. Default: 1, which costs nothing.
    pub leaves: usize,
    /// Whether inference computes each image as if it were alone: then its logits have the same bits in any batch, at any
    /// position, and in every engine with this option. Costs throughput in batches of more than one image (see
    /// `docs/decisions/0012-batch-invariance.md`). Default: `false`, where they may differ in the last bits.
    pub batch_invariant: bool,
}

impl Default for Options {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            mode: Mode::default(),
            batch: 1,
            micro_batch: None,
            threads,
            leaves: 1,
            batch_invariant: false,
        }
    }
}

impl Options {
    /// Options for training on batches of up to `batch` images; other options have their defaults.
    pub fn training(batch: usize, threads: usize) -> Self {
        Self { mode: Mode::Training, batch, threads, ..Self::default() }
    }

    /// Options for inference on up to `batch` images per call; other options have their defaults.
    pub fn inference(batch: usize, threads: usize) -> Self {
        Self { mode: Mode::Inference, batch, threads, ..Self::default() }
    }
}

/// Checks the number of images of a micro-batch in the training of a recipe.
///
/// # Errors
/// Returns an error unless it is a multiple of [`granule`] for the recipe's precision, 9 for single precision and 18 for
/// bfloat16, or at least the whole batch.
pub fn check_micro_batch(micro_batch: usize, recipe: &Recipe) -> Result<()> {
    images_at_once(micro_batch, recipe.optimizer.batch, granule(recipe.precision)).map(drop)
}

/// Returns `micro_batch`, at most `batch`.
///
/// # Errors
/// Returns an error unless it is a multiple of the granule or the whole batch.
pub(super) fn images_at_once(micro_batch: usize, batch: usize, granule: usize) -> Result<usize> {
    if micro_batch >= batch {
        return Ok(batch);
    }
    if micro_batch > 0 && micro_batch.is_multiple_of(granule) {
        return Ok(micro_batch);
    }
    let (below, above) = (micro_batch / granule * granule, micro_batch.next_multiple_of(granule));
    let valid = [below, above.max(granule).min(batch)];
    let valid: Vec<String> = valid.iter().filter(|&&n| n > 0).map(usize::to_string).collect();
    let message = format!(
        "a micro-batch of {micro_batch} images, expected a multiple of {granule} or the whole batch, {batch}"
    );
    Err(Error::usage(message).help(format!("a micro-batch of {}", valid.join(" or "))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Precision;

    #[test]
    fn the_multiple_depends_on_the_precision() {
        let mut recipe = Recipe::load("paper").unwrap();
        let check = |recipe: &Recipe, sizes: [usize; 4]| sizes.map(|n| check_micro_batch(n, recipe).is_ok());
        assert_eq!(check(&recipe, [27, 36, 4, 128]), [true, true, false, true]);
        recipe.precision = Precision::Bf16;
        assert_eq!(check(&recipe, [27, 36, 4, 128]), [false, true, false, true]);
        let error = check_micro_batch(27, &recipe).unwrap_err();
        assert!(error.message.contains("expected a multiple of 18"), "{error}");
        assert_eq!(error.help.unwrap(), "a micro-batch of 18 or 36");
    }
}
