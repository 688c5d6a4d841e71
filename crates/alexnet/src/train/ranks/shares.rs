//! How the ranks of a job share batches.

use alexnet_kernels::micro_batch::granule;

use crate::data::Share;
use crate::engine::Options;
use crate::parallel::{Grid, Job};
use crate::train::config::Config;
use crate::{Error, Result};

/// How the ranks of a job share batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::train) struct Shares {
    pub(in crate::train) grid: Grid,
    /// This rank's share of every batch.
    pub(in crate::train) share: Share,
    /// The number of leaves that gradients are summed in.
    pub(in crate::train) leaves: usize,
}

impl Shares {
    /// The shares of a job.
    ///
    /// # Errors
    /// Returns an error if the batch or the leaves cannot be shared evenly.
    pub(in crate::train) fn new(config: &Config) -> Result<Self> {
        let Job { transport, scheme, leaves, .. } = config.job();
        let grid = Grid::new(scheme, transport.rank(), transport.size())?;
        let (index, of) = (grid.shard(), grid.shards());
        let leaves = leaves.unwrap_or(of);
        let batch = config.recipe.optimizer.batch;
        if batch < of {
            return Err(Error::usage(format!(
                "{of} processes share a batch of {batch} images, expected at least one each"
            ))
            .help(format!(
                "start at most {batch} processes, or use a larger batch: `--set optimizer.batch={of}`"
            )));
        }
        if !leaves.is_power_of_two() || !leaves.is_multiple_of(of) {
            return Err(Error::usage(format!(
                "{leaves} leaves for {of} processes, expected a power of two that is a multiple of {of}"
            ))
            .help(format!("--leaves {}", leaves.next_power_of_two().max(of))));
        }
        if !batch.is_multiple_of(of) {
            let (below, above) = (batch / of * of, batch.next_multiple_of(of));
            return Err(Error::usage(format!(
                "{of} processes cannot share a batch of {batch} images evenly"
            ))
            .help(format!("use a batch of {below} or {above}: `--set optimizer.batch={above}`")));
        }
        Ok(Self { grid, share: Share { index, of }, leaves })
    }

    /// The options of this rank's engine. Its batch is the whole one, on which the algorithms of a validation depend; memory is
    /// for this rank's share.
    pub(in crate::train) fn options(&self, config: &Config) -> Options {
        let batch = config.recipe.optimizer.batch;
        let share = self.share.range(batch).len().next_multiple_of(granule(config.recipe.precision));
        let micro_batch = match self.share {
            Share::WHOLE => config.requests.micro_batch,
            _ => Some(config.requests.micro_batch.map_or(share, |own| own.min(share))),
        };
        Options { micro_batch, leaves: self.leaves, ..Options::training(batch, config.threads()) }
    }
}
