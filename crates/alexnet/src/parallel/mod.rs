//! Training on several processes.
//!
//! | file | contents |
//! |---|---|
//! | [`job`] | the processes of a job, and how they share the work |
//! | [`transport`] | messages between two ranks; a job of one process |
//! | [`threads`] | a job whose processes are threads |
//! | [`patience`] | what is said of a rank that does not answer |
//! | `half` | values in half precision for a message |
//! | [`collective`] | sums, gathers and broadcasts of a group of ranks |
//! | [`traffic`] | bytes sent |
//! | [`grid`] | which part of the work is done by which rank |
//! | [`split`], `split_layer` | a network divided among ranks |
//! | `exchange` | activations exchanged between the parts |
//! | `split_open`, `split_division` | the engine of one rank |
//! | `split_hybrid`, `split_round`, `split_rounds` | convolutions of own images, a part of the fully connected layers for all |
//! | [`cost`] | what a step costs on more machines than there are |

pub mod collective;
pub mod cost;
mod exchange;
pub mod grid;
mod half;
pub mod job;
pub mod patience;
pub mod split;
mod split_division;
mod split_hybrid;
mod split_layer;
mod split_open;
mod split_round;
mod split_rounds;
pub mod threads;
pub mod traffic;
pub mod transport;

pub use collective::Collective;
pub use grid::Grid;
pub use job::{ExchangePrecision, FcExchange, Job, Scheme};
pub use split::NetworkSplit;
pub use split_open::open;
pub use transport::{Solo, Transport};
