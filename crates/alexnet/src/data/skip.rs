//! Images that were skipped.

use serde::{Deserialize, Serialize};

/// An image that was skipped, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    /// The file, as named by the user.
    pub file: String,
    /// The reason.
    pub reason: String,
}
