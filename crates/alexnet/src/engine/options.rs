//! How an engine is opened: on which device, for what, and with which limits.

use super::cpu::CpuEngine;
use super::interface::Engine;
use crate::Result;
use crate::net::Network;

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
}

/// Options of [`open`].
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
}

impl Default for Options {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { mode: Mode::default(), batch: 1, micro_batch: None, threads }
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

/// Opens an engine for `network`, with all parameters zero.
///
/// # Errors
/// Returns an error if an option is invalid, memory is insufficient (the message includes the memory table), or the
/// threads cannot be started.
pub fn open(device: Device, network: Network, options: &Options) -> Result<Box<dyn Engine>> {
    match device {
        Device::Cpu => Ok(Box::new(CpuEngine::open(network, options)?)),
    }
}
