//! Opening of engines.

use super::cpu::CpuEngine;
use super::division::Division;
use super::interface::Engine;
use super::options::{Device, Options};
use super::quantized::{QuantizedEngine, QuantizedNetwork};
use super::stage::Stage;
use crate::net::Network;
use crate::{Error, Result};
use alexnet_kernels::isa;

/// Checks the environment variable that chooses the instruction set of the kernels. Programs should do so when they start: engines
/// ignore a value that they cannot use.
///
/// # Errors
/// Returns an error if the value is unknown, or if this machine does not support the instruction set.
pub fn check_environment() -> Result<()> {
    isa::from_env().map(drop).map_err(|error| {
        let variable = isa::ENVIRONMENT_VARIABLE;
        Error::usage(format!("{variable}: {error}"))
            .help(format!("`unset {variable}` selects the fastest set"))
    })
}

/// Opens an engine for `network`, with all parameters zero.
///
/// # Errors
/// Returns an error if an option is invalid, memory is insufficient (the message includes the memory table), or the
/// threads cannot be started.
pub fn open(device: Device, network: Network, options: &Options) -> Result<Box<dyn Engine>> {
    let division = Division::none(&network);
    open_part(device, network, division, options)
}

/// Opens an engine for the part of a network that this process computes: the layers of `network` have the output channels of
/// `division`, and the inputs that they need for them. [`Network::classes`] is that of the whole. Calls that compute are
/// collective: all processes of the division make them, with the same images.
///
/// # Errors
/// As [`open`].
pub fn open_part(
    device: Device,
    network: Network,
    division: Division,
    options: &Options,
) -> Result<Box<dyn Engine>> {
    log::debug!("opening an engine for {} parameters on {device:?}: {options:?}", network.parameters());
    match device {
        Device::Cpu => Ok(Box::new(CpuEngine::open(network, division, options)?)),
    }
}

/// [`open_part`] for consecutive layers of a network, which are trained in stages.
///
/// # Errors
/// As [`open`]. Calls return an error for more images than a micro-batch has.
pub fn open_stage(
    device: Device,
    network: Network,
    division: Division,
    options: &Options,
) -> Result<Box<dyn Stage>> {
    match device {
        Device::Cpu => Ok(Box::new(CpuEngine::open(network, division, options)?)),
    }
}

/// Opens an engine for a quantized network, for inference.
///
/// # Errors
/// As [`open`], or if a layer cannot be computed as the network says ([`QuantizedNetwork::outputs`]).
pub fn open_quantized(
    device: Device,
    network: &QuantizedNetwork,
    options: &Options,
) -> Result<Box<dyn Engine>> {
    match device {
        Device::Cpu => Ok(Box::new(QuantizedEngine::open(network, options)?)),
    }
}
