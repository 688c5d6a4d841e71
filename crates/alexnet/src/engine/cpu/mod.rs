//! The CPU engine: planned steps over buffers that are allocated when it is opened, and a backward pass written by hand.
//! There is no tape, and no allocation per step except for small scratch memory.
//!
//! | file | contents |
//! |---|---|
//! | `plan`, `lower` | buffers; a network's layers lowered to forward and backward steps |
//! | `open`, `state`, `engine` | allocation; the state; the [`Engine`](super::Engine) interface |
//! | `forward`, `backward`, `learn`, `update` | execution of steps |
//! | `train`, `stage`, `piece` | a training step, in one call and in two; the micro-batches of leaves it is computed in |
//! | `inspect`, `diagnostics` | activations of single layers, gradients of pixels; magnitudes, non-finite values |
//! | `tensors`, `layout` | named tensors; the kernels' layout of weights |

mod backward;
mod diagnostics;
mod engine;
mod forward;
mod inspect;
pub(super) mod layout;
mod learn;
mod lower;
mod open;
mod parameters;
mod piece;
mod plan;
mod stage;
mod state;
mod tensors;
#[cfg(test)]
mod tests;
mod train;
mod update;

pub(super) use state::CpuEngine;
