//! The processes of a job, and how they share the work.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::collective::Collective;
use super::traffic::Payload;
use super::transport::{Lane, Solo, Transport};

/// How processes share a training run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Every process has the whole network and a part of each batch.
    #[default]
    Data,
    /// Groups of processes share the network: each has a part of the maps and units of every layer, as the two GPUs of the
    /// paper (section 3.2) do.
    Columns {
        /// The number of processes per group. Groups share batches as in [`Scheme::Data`].
        columns: usize,
    },
    /// Convolutions as in [`Scheme::Data`]; each process has a part of the units of the fully connected layers (Krizhevsky, "One
    /// weird trick for parallelizing convolutional neural networks", 2014).
    Hybrid {
        /// How the images reach the fully connected layers.
        exchange: FcExchange,
    },
}

impl Scheme {
    /// The name of the scheme, without its settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Columns { .. } => "columns",
            Self::Hybrid { .. } => "hybrid",
        }
    }
}

/// How the outputs of the convolutions reach the fully connected layers of a [`Scheme::Hybrid`]; section 4 of "One weird trick"
/// numbers the schemes in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FcExchange {
    /// All images of the batch at once.
    #[default]
    Gather,
    /// The images of one process after another.
    Turns,
    /// A part of the images of every process at a time.
    Shares,
}

/// The precision of exchanged gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExchangePrecision {
    /// Single precision.
    #[default]
    F32,
    /// Half precision: half the bytes, and other bits.
    F16,
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data => f.write_str("data"),
            Self::Columns { columns } => write!(f, "{columns} columns"),
            Self::Hybrid { exchange } => write!(f, "hybrid ({exchange})"),
        }
    }
}

impl fmt::Display for FcExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gather => "gather",
            Self::Turns => "turns",
            Self::Shares => "shares",
        })
    }
}

impl fmt::Display for ExchangePrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        })
    }
}

/// The processes that train together, and how they share the work.
#[derive(Clone, Debug)]
pub struct Job {
    /// Messages between the processes.
    pub transport: Arc<dyn Transport>,
    /// How they share the training.
    pub scheme: Scheme,
    /// Number of leaves: see [`Options::leaves`](crate::engine::Options::leaves). `None` for the number of processes that share
    /// batches.
    pub leaves: Option<usize>,
    /// The precision of exchanged gradients.
    pub precision: ExchangePrecision,
}

impl Job {
    /// A job that shares batches over a transport.
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self { transport, scheme: Scheme::Data, leaves: None, precision: ExchangePrecision::F32 }
    }

    /// All processes of the job, for results.
    pub fn world(&self) -> Collective {
        Collective::world(&self.transport, Lane::Main, Payload::Control, &Arc::default())
    }

    /// Whether this process is the one that reports, saves, and decides.
    pub fn is_root(&self) -> bool {
        self.transport.rank() == 0
    }
}

impl Default for Job {
    /// One process.
    fn default() -> Self {
        Self::new(Arc::new(Solo))
    }
}
