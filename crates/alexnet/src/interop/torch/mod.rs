//! PyTorch's state dicts: `.pth` files of `torch.save`, and safetensors files with the same names.
//!
//! | file | contents |
//! |---|---|
//! | `zip`, `legacy` | the two forms of `.pth` files |
//! | `pickle` | the pickles in them, which execute nothing here |
//! | `storages`, `element` | tensors as views of arrays, their types |
//! | `state_dict`, `refusals` | the state dict in a pickle, and what else is there |
//! | `naming`, `assign` | names of tensors, tensors to layers |
//! | `metadata` | what exported files say about their network |
//! | `read`, `write` | state dicts to networks, models to state dicts |
//! | `peer` | the same network in PyTorch, to compare with |

mod assign;
mod element;
mod legacy;
mod metadata;
mod naming;
mod peer;
mod pickle;
mod read;
mod refusals;
mod state_dict;
mod storages;
mod write;
mod zip;

pub(super) use peer::script;
pub use read::read;
pub(super) use read::read_with_places;
pub use write::write;

#[cfg(test)]
mod tests;
