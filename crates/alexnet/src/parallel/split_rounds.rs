//! The rounds in which the images of a batch pass through the divided layers.

use std::ops::Range;

use super::job::FcExchange;

/// The images of a round: for each rank, the range of its own that take part.
pub(super) type Round = Vec<Range<usize>>;

/// The rounds of a batch of which rank `r` has `images[r]` images.
pub(super) fn rounds(exchange: FcExchange, images: &[usize]) -> Vec<Round> {
    let ranks = images.len();
    let turn = |turn: usize| {
        let images = images.iter().enumerate();
        images.map(|(rank, &n)| if rank == turn { 0..n } else { 0..0 }).collect()
    };
    let share = |share: usize| images.iter().map(|n| share * n / ranks..(share + 1) * n / ranks).collect();
    match exchange {
        FcExchange::Gather => vec![images.iter().map(|&n| 0..n).collect()],
        FcExchange::Turns => (0..ranks).map(turn).collect(),
        FcExchange::Shares => (0..ranks).map(share).collect(),
    }
}

/// Number of rounds on `ranks` ranks.
pub(super) const fn count(exchange: FcExchange, ranks: usize) -> usize {
    match exchange {
        FcExchange::Gather => 1,
        FcExchange::Turns | FcExchange::Shares => ranks,
    }
}

/// The largest number of images of a round if no rank has more than `images`.
pub(super) const fn largest(exchange: FcExchange, ranks: usize, images: usize) -> usize {
    match exchange {
        FcExchange::Gather => ranks * images,
        FcExchange::Turns => images,
        FcExchange::Shares => ranks * images.div_ceil(ranks),
    }
}

/// The positions in a round of the images of each rank, `values` per image.
pub(super) fn parts(round: &Round, values: usize) -> Vec<Range<usize>> {
    let mut start = 0;
    let next = |range: &Range<usize>| {
        let part = start * values..(start + range.len()) * values;
        start += range.len();
        part
    };
    round.iter().map(next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_is_in_one_round() {
        for exchange in [FcExchange::Gather, FcExchange::Turns, FcExchange::Shares] {
            for images in [vec![5, 6], vec![0, 1, 1, 1], vec![32; 4], vec![7]] {
                let rounds = rounds(exchange, &images);
                assert_eq!(rounds.len(), count(exchange, images.len()));
                for (rank, &n) in images.iter().enumerate() {
                    let taken: Vec<usize> = rounds.iter().flat_map(|round| round[rank].clone()).collect();
                    assert_eq!(taken, (0..n).collect::<Vec<_>>());
                }
                let most = images.iter().copied().max().unwrap();
                let sizes = rounds.iter().map(|round| round.iter().map(Range::len).sum::<usize>());
                assert!(sizes.max().unwrap() <= largest(exchange, images.len(), most));
            }
        }
    }

    #[test]
    fn parts_are_consecutive() {
        assert_eq!(parts(&vec![0..2, 3..3, 1..2], 10), [0..20, 20..20, 20..30]);
    }
}
