//! How an engine is opened: on which device, for what, and with which limits.

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
    /// Maximum number of images in memory at a time; a larger call is computed in micro-batches, with the same bits. A
    /// multiple of 9. Default: `None`, the whole batch.
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
