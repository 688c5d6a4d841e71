//! Which part of the work is done by which rank.

use super::job::Scheme;
use crate::{Error, Result};

/// The place of a rank in a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    scheme: Scheme,
    rank: usize,
    size: usize,
    columns: usize,
}

impl Grid {
    /// The place of `rank` among `size` ranks.
    ///
    /// # Errors
    /// Returns an error if the number of ranks does not suit the scheme.
    pub fn new(scheme: Scheme, rank: usize, size: usize) -> Result<Self> {
        let columns = match scheme {
            Scheme::Data => 1,
            Scheme::Columns { columns } => columns,
            Scheme::Hybrid { .. } => size,
        };
        if columns == 0 || size == 0 || !size.is_multiple_of(columns) {
            let columns = columns.max(1);
            let message = format!("{size} processes in groups of {columns} columns, expected a multiple");
            let valid = size.next_multiple_of(columns).max(columns);
            return Err(Error::usage(message).help(format!("start {valid} processes")));
        }
        let grid = Self { scheme, rank, size, columns };
        let peers = grid.data_peers().len();
        if !peers.is_power_of_two() {
            let what = match scheme {
                Scheme::Data | Scheme::Hybrid { .. } => "processes",
                Scheme::Columns { .. } => "groups of columns",
            };
            let message = format!("{peers} {what} share batches, expected a power of two");
            let valid = (peers.next_power_of_two() / 2) * size / peers;
            return Err(Error::usage(message).help(format!("start {valid} processes")));
        }
        Ok(grid)
    }

    /// How the processes share the work.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The rank.
    pub const fn rank(&self) -> usize {
        self.rank
    }

    /// The number of ranks that a divided layer is divided among.
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// The part of divided layers that this rank computes, from 0.
    pub const fn column(&self) -> usize {
        self.rank % self.columns
    }

    /// The ranks that compute the parts of the same layers, in order.
    pub fn column_group(&self) -> Vec<usize> {
        let first = self.rank - self.column();
        (first..first + self.columns).collect()
    }

    /// The number of shards that a global batch is divided into.
    pub const fn shards(&self) -> usize {
        match self.scheme {
            Scheme::Data | Scheme::Hybrid { .. } => self.size,
            Scheme::Columns { columns } => self.size / columns,
        }
    }

    /// The shard whose images this rank reads.
    pub const fn shard(&self) -> usize {
        match self.scheme {
            Scheme::Data | Scheme::Hybrid { .. } => self.rank,
            Scheme::Columns { columns } => self.rank / columns,
        }
    }

    /// The ranks that compute gradients of the same weights on other shards, in order; see
    /// [`NetworkSplit::is_shared`](super::NetworkSplit::is_shared).
    pub fn data_peers(&self) -> Vec<usize> {
        match self.scheme {
            Scheme::Data | Scheme::Hybrid { .. } => (0..self.size).collect(),
            Scheme::Columns { columns } => (self.column()..self.size).step_by(columns).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::job::FcExchange;

    #[test]
    fn ranks_are_columns_of_groups() {
        let grid = Grid::new(Scheme::Columns { columns: 2 }, 5, 8).unwrap();
        assert_eq!((grid.column(), grid.shard(), grid.shards()), (1, 2, 4));
        assert_eq!((grid.column_group(), grid.data_peers()), (vec![4, 5], vec![1, 3, 5, 7]));
        let grid = Grid::new(Scheme::Data, 1, 4).unwrap();
        assert_eq!((grid.columns(), grid.shard(), grid.column_group()), (1, 1, vec![1]));
        let grid = Grid::new(Scheme::Hybrid { exchange: FcExchange::Gather }, 1, 4).unwrap();
        assert_eq!((grid.column(), grid.shard(), grid.shards()), (1, 1, 4));
        assert_eq!((grid.column_group(), grid.data_peers()), (vec![0, 1, 2, 3], vec![0, 1, 2, 3]));
    }

    #[test]
    fn odd_numbers_of_processes_are_refused() {
        let columns = |columns, size| Grid::new(Scheme::Columns { columns }, 0, size);
        assert!(columns(2, 2).is_ok() && columns(3, 3).is_ok() && columns(3, 6).is_ok());
        for (refused, help) in [(columns(2, 3), "4"), (columns(2, 6), "4"), (columns(4, 2), "4")] {
            let error = refused.unwrap_err();
            assert_eq!(error.help.unwrap(), format!("start {help} processes"), "{}", error.message);
        }
        assert!(columns(0, 2).is_err() && Grid::new(Scheme::Data, 0, 3).is_err());
    }
}
