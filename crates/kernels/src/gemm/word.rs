//! The 32-bit words that packed operands are made of.

/// What a word holds. Words are moved as `f32`, whatever they hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// A value in single precision.
    F32,
    /// A value rounded to bfloat16, in single precision.
    RoundedToBf16,
    /// Two bfloat16 values that follow each other along the depth of a product, the first in the low half. The last word of
    /// an odd depth ends with zero.
    Bf16Pair,
}

impl Word {
    /// Values in a word.
    pub(crate) const fn values(self) -> usize {
        match self {
            Self::F32 | Self::RoundedToBf16 => 1,
            Self::Bf16Pair => 2,
        }
    }

    /// Words that hold `values` values along the depth.
    pub(crate) const fn words(self, values: usize) -> usize {
        values.div_ceil(self.values())
    }
}
