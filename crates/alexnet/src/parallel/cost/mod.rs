//! What a step costs in a job of many processes: a model that predicts throughput without having the machines.
//!
//! | file | contents |
//! |---|---|
//! | [`transfer`] | the messages and bytes of a collective operation |
//! | [`step`] | what one rank computes and exchanges in a step of each scheme |
//! | [`link`] | latency and bandwidth of a network, given or measured |
//! | [`layer_times`] | how long one process takes for each layer |
//! | [`simulate`] | the duration of a step, with communication behind the backward pass |
//! | [`plan`] | steps on 1 to 1,000 nodes, and the best scheme for each |
//! | [`published`] | the two graphics cards of the paper |

pub mod layer_times;
pub mod link;
pub mod plan;
pub mod published;
pub mod simulate;
pub mod step;
pub mod transfer;
