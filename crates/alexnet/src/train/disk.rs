//! Outputs that cannot be written at the moment: each cause is reported once, and so is the recovery.

use std::collections::BTreeSet;

use crate::Error;

/// An output of a training run that is retried after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Output {
    /// Checkpoints.
    Checkpoint,
    /// The file of a model.
    Model(&'static str),
    /// Metrics and TensorBoard events.
    Metrics,
    /// The curves.
    Plots,
    /// The journal.
    Journal,
}

/// Which outputs fail, and what has been reported. A full disk has many effects, and is reported once.
#[derive(Clone, Debug, Default)]
pub(super) struct DiskStatus {
    failing: BTreeSet<Output>,
    /// Causes that were reported since all outputs last worked.
    reported: BTreeSet<String>,
}

impl DiskStatus {
    /// Records a failure; returns whether it should be reported: unless its cause has been already.
    pub(super) fn failed(&mut self, output: Output, error: &Error) -> bool {
        self.failing.insert(output);
        let cause = error.cause.as_ref().map_or_else(|| error.message.clone(), |cause| format!("{cause:?}"));
        self.reported.insert(cause)
    }

    /// Records a success.
    pub(super) fn succeeded(&mut self, output: Output) {
        self.failing.remove(&output);
    }

    /// Returns whether all outputs work again after a reported failure; once.
    pub(super) fn has_recovered(&mut self) -> bool {
        let recovered = self.failing.is_empty() && !self.reported.is_empty();
        if recovered {
            self.reported.clear();
        }
        recovered
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind};

    use super::*;

    #[test]
    fn a_cause_is_reported_once_and_so_is_the_recovery() {
        let error = |name: &str| Error::io(name, "write", &io::Error::from(ErrorKind::StorageFull));
        let mut disk = DiskStatus::default();
        assert!(!disk.has_recovered());
        assert!(disk.failed(Output::Metrics, &error("metrics.jsonl")));
        assert!(!disk.failed(Output::Model("last.safetensors"), &error("last.safetensors")));
        disk.succeeded(Output::Metrics);
        assert!(!disk.has_recovered());
        disk.succeeded(Output::Model("last.safetensors"));
        assert!(disk.has_recovered() && !disk.has_recovered());
        assert!(disk.failed(Output::Metrics, &error("metrics.jsonl")), "a new failure is reported again");
    }
}
