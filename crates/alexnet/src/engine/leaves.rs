//! Leaves: the parts of a batch whose gradients are summed separately and then added in a binary tree.
//!
//! With the same number of leaves, one process that computes all of them and several processes that compute some each
//! produce the same bits, because the tree does not depend on who computes a leaf.

use std::ops::Range;

use crate::engine::batch::Shard;
use crate::{Error, Result};

/// Checks a number of leaves.
///
/// # Errors
/// Returns an error unless it is a power of two: then any power-of-two number of processes computes whole subtrees.
pub(crate) fn check(leaves: usize) -> Result<()> {
    if leaves.is_power_of_two() {
        return Ok(());
    }
    let below = (leaves / 2 + 1).next_power_of_two();
    Err(Error::usage(format!("{leaves} leaves, expected a power of two")).help(format!("{below} leaves")))
}

/// Number of partial sums that adding `leaves` leaves in order keeps at a time.
pub(crate) const fn depth(leaves: usize) -> usize {
    leaves.ilog2() as usize
}

/// The leaves that a call computes, as ranges of its images, in order. With one leaf, a shard is a leaf.
///
/// In a batch of fewer images than leaves, some leaves are empty, and every call adds all leaves, with those of other shards
/// empty: adding zeros, wherever they stand in the tree, changes no value but -0.0, which becomes +0.0 in every shard.
///
/// # Errors
/// Returns an error if the shard is not a whole subtree of leaves.
pub(crate) fn of(shard: Shard, images: usize, leaves: usize) -> Result<Vec<Range<usize>>> {
    let Shard { first, global } = shard;
    let end = first + images;
    if end > global {
        return Err(Error::usage(format!("images {first} to {end} of a global batch of {global}")));
    }
    if leaves == 1 {
        return Ok(std::iter::once(0..images).collect());
    }
    let start = |leaf: usize| leaf * global / leaves;
    // In the shard's numbering; empty outside of it.
    let inside = |leaf: usize| {
        let within = |image: usize| image.clamp(first, end) - first;
        within(start(leaf))..within(start(leaf + 1))
    };
    let nonempty: Vec<usize> = (0..leaves).filter(|&leaf| !inside(leaf).is_empty()).collect();
    let subtree = match (nonempty.first(), nonempty.last()) {
        (Some(&lowest), Some(&highest)) => smallest_subtree(lowest, highest),
        _ => 0..1,
    };
    let is_whole = first <= start(subtree.start) && start(subtree.end) <= end;
    if images > 0 && !is_whole {
        let message = format!(
            "images {first} to {end} of {global} are not a power-of-two share of {leaves} leaves of equal size"
        );
        return Err(
            Error::usage(message).help("split the batch evenly among a power-of-two number of processes")
        );
    }
    let computed = if global < leaves { 0..leaves } else { subtree };
    Ok(computed.map(inside).collect())
}

/// The smallest subtree with two leaves.
fn smallest_subtree(lowest: usize, highest: usize) -> Range<usize> {
    let level = usize::BITS - (lowest ^ highest).leading_zeros();
    let start = lowest >> level << level;
    start..start + (1 << level)
}

/// The number of partial sums that the sum of a leaf is added to, those of the lowest levels: the tree's nodes that end
/// with this leaf.
pub(crate) const fn merges(leaf: usize) -> usize {
    leaf.trailing_ones() as usize
}

/// Adds the values of all leaves in the tree.
pub(crate) fn sum(values: &[f64]) -> f64 {
    match values {
        [] => 0.0,
        [value] => *value,
        _ => {
            let (left, right) = values.split_at(values.len() / 2);
            sum(left) + sum(right)
        }
    }
}

/// What leaves with these sums of losses contribute to the mean loss of a batch of `global` images. Each sum is divided before they are
/// added, so that the contributions of several processes add up to the same bits.
pub(crate) fn mean_loss(sums: &[f64], global: usize) -> f64 {
    let shares: Vec<f64> = sums.iter().map(|sum| sum / global.max(1) as f64).collect();
    sum(&shares)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_have_the_leaves_of_the_whole() {
        let whole = of(Shard::whole(23), 23, 4).unwrap();
        assert_eq!(whole, [0..5, 5..11, 11..17, 17..23]);
        let half = of(Shard { first: 11, global: 23 }, 12, 4).unwrap();
        assert_eq!(half, [0..6, 6..12]);
        assert_eq!(of(Shard { first: 3, global: 23 }, 5, 1).unwrap(), vec![0..5]);
    }

    /// The mean over a batch whose size is no power of two, by one process and by two.
    #[test]
    fn processes_add_the_same_shares_of_the_loss() {
        let sums = [0.7, 1.9, 2.3, 0.1];
        for global in [3, 96, 1_281_167 % 128] {
            let two = [mean_loss(&sums[..2], global), mean_loss(&sums[2..], global)];
            assert_eq!(sum(&two).to_bits(), mean_loss(&sums, global).to_bits());
        }
    }

    #[test]
    fn leaves_may_be_empty() {
        assert_eq!(of(Shard::whole(3), 3, 4).unwrap(), [0..0, 0..1, 1..2, 2..3]);
        assert_eq!(of(Shard { first: 1, global: 3 }, 2, 4).unwrap(), [0..0, 0..0, 0..1, 1..2]);
        assert_eq!(of(Shard { first: 0, global: 3 }, 0, 4).unwrap(), vec![0..0; 4]);
        assert_eq!(of(Shard::whole(0), 0, 2).unwrap(), vec![0..0; 2]);
        assert_eq!(of(Shard { first: 5, global: 23 }, 0, 4).unwrap(), vec![0..0]);
    }

    #[test]
    fn shards_that_split_a_subtree_are_rejected() {
        for (first, images, global) in
            [(5, 12, 23), (0, 12, 23), (0, 17, 23), (11, 13, 23), (0, 2, 3), (2, 2, 3)]
        {
            assert!(of(Shard { first, global }, images, 4).is_err(), "{first}, {images} of {global}");
        }
        for leaves in [0, 3, 6] {
            assert!(check(leaves).is_err());
        }
    }

    /// Adding in order with the partial sums of `merges` is adding in the tree.
    #[test]
    fn merging_in_order_is_the_tree() {
        for leaves in [1, 2, 4, 8, 16] {
            let values: Vec<f64> = (0..leaves).map(|i| 1.0 / (i + 3) as f64).collect();
            let mut partial = vec![0.0; depth(leaves)];
            let mut total = 0.0;
            for (leaf, &value) in values.iter().enumerate() {
                total = partial[..merges(leaf)].iter().fold(value, |sum, below| below + sum);
                if leaf + 1 < leaves {
                    partial[merges(leaf)] = total;
                }
            }
            assert_eq!(total.to_bits(), sum(&values).to_bits());
        }
    }
}
