//! Exported graphs.
