//! What a product starts from, and the order of its sums.

use crate::micro_batch::MicroBatch;

/// What the sums of a product start from, and how blocks of depth are joined.
///
/// A long sum is cut into blocks of depth. *Blocked*: each block is summed from zero and added to `C`, which loses
/// fewer digits. *Chained*: each element is one chain of multiply-adds from the first product to the last, so a sum
/// over a batch has the same bits wherever it is cut into micro-batches.
#[derive(Clone, Copy, Debug)]
pub enum Summation<'a> {
    /// `C = A B`, blocked.
    Overwrite,
    /// `c[i, j] = bias[j] + sum_p a[i, p] b[p, j]`, blocked.
    Bias(&'a [f32]),
    /// `C = C + A B`, blocked.
    Add,
    /// `C = A B`, chained.
    StartChain,
    /// `C = C + A B`, chained: continues the sums in `C`.
    ContinueChain,
}

impl Summation<'_> {
    /// The blocked sum over a batch, for one of its micro-batches.
    pub(crate) fn blocked(micro_batch: MicroBatch) -> Self {
        if micro_batch.is_first() { Self::Overwrite } else { Self::Add }
    }

    /// The chained sum over a batch, for one of its micro-batches.
    pub(crate) fn chained(micro_batch: MicroBatch) -> Self {
        if micro_batch.is_first() { Self::StartChain } else { Self::ContinueChain }
    }

    /// The sum over the blocks of depth that follow the first.
    pub(crate) fn continued(self) -> Self {
        match self {
            Self::Overwrite | Self::Bias(_) | Self::Add => Self::Add,
            Self::StartChain | Self::ContinueChain => Self::ContinueChain,
        }
    }

    /// Whether each element is one chain.
    pub(super) fn is_chain(self) -> bool {
        match self {
            Self::StartChain | Self::ContinueChain => true,
            Self::Overwrite | Self::Bias(_) | Self::Add => false,
        }
    }

    /// Whether the sum reads what `C` holds.
    pub(crate) fn reads_c(self) -> bool {
        match self {
            Self::Overwrite | Self::StartChain => false,
            Self::Bias(_) | Self::Add | Self::ContinueChain => true,
        }
    }
}
