//! Bytes sent, by purpose.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// Bytes that this rank has sent. Shared by the collectives of a rank.
#[derive(Debug, Default)]
pub struct Traffic {
    sent: [AtomicU64; Payload::ALL.len()],
}

/// What bytes are sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Payload {
    /// Gradients of weights and biases.
    Gradients,
    /// Activations, and gradients with respect to them.
    Activations,
    /// Commands, labels, losses, parameters for a checkpoint.
    Control,
}

impl Payload {
    /// All purposes.
    pub const ALL: [Self; 3] = [Self::Gradients, Self::Activations, Self::Control];
}

impl Traffic {
    /// Adds bytes.
    pub fn add(&self, purpose: Payload, bytes: usize) {
        self.sent[purpose as usize].fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes sent so far for a purpose.
    pub fn sent(&self, purpose: Payload) -> u64 {
        self.sent[purpose as usize].load(Ordering::Relaxed)
    }

    /// Bytes sent so far.
    pub fn bytes(&self) -> SentBytes {
        SentBytes {
            gradients: self.sent(Payload::Gradients),
            activations: self.sent(Payload::Activations),
            control: self.sent(Payload::Control),
        }
    }
}

/// Bytes that a rank has sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentBytes {
    /// Gradients of weights and biases.
    pub gradients: u64,
    /// Activations, and gradients with respect to them.
    pub activations: u64,
    /// Everything else.
    pub control: u64,
}
