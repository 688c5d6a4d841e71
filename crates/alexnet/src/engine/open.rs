//! Opening of engines.

use super::cpu::CpuEngine;
use super::interface::Engine;
use super::options::{Device, Options};
use crate::Result;
use crate::net::Network;

/// Opens an engine for `network`, with all parameters zero.
///
/// # Errors
/// Returns an error if an option is invalid, memory is insufficient (the message includes the memory table), or the
/// threads cannot be started.
pub fn open(device: Device, network: Network, options: &Options) -> Result<Box<dyn Engine>> {
    log::debug!("opening an engine for {} parameters on {device:?}: {options:?}", network.parameters());
    match device {
        Device::Cpu => Ok(Box::new(CpuEngine::open(network, options)?)),
    }
}
