//! A part of the channels of some maps.

use std::ops::Range;

/// Consecutive channels of maps that have more: the part of a layer that one of several processes computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChannelSlice {
    /// The first channel.
    pub first: usize,
    /// Number of channels in the slice.
    pub len: usize,
    /// Number of channels of the whole maps.
    pub whole: usize,
}

impl ChannelSlice {
    /// All channels.
    pub const fn all(channels: usize) -> Self {
        Self { first: 0, len: channels, whole: channels }
    }

    /// The slice of process `index` of `count`: sizes differ by 1 at most.
    pub const fn share(channels: usize, index: usize, count: usize) -> Self {
        let first = index * channels / count;
        Self { first, len: (index + 1) * channels / count - first, whole: channels }
    }

    /// Whether the slice has all channels.
    pub const fn is_all(&self) -> bool {
        self.len == self.whole
    }

    /// The positions of the channels.
    pub const fn range(&self) -> Range<usize> {
        self.first..self.first + self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_all_channels_in_order() {
        for (channels, count) in [(6, 2), (10, 4), (3, 3), (1000, 8)] {
            let shares = (0..count).map(|index| ChannelSlice::share(channels, index, count));
            let covered: Vec<usize> = shares.clone().flat_map(|share| share.range()).collect();
            assert_eq!(covered, (0..channels).collect::<Vec<_>>());
            assert!(
                shares
                    .clone()
                    .all(|share| (channels / count..=channels.div_ceil(count)).contains(&share.len))
            );
        }
        assert!(ChannelSlice::share(7, 0, 1).is_all() && !ChannelSlice::share(7, 0, 2).is_all());
    }
}
