//! The format that operands of products are rounded to.

use crate::isa::{Isa, has_bf16};

/// The format of the operands of matrix products and convolutions. Sums, transforms, biases and results are always in
/// single precision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Single precision: 24 significant bits.
    #[default]
    F32,
    /// bfloat16: the range of single precision with 8 significant bits (see [`crate::bf16`]). A processor with AVX512-BF16
    /// multiplies pairs of them, twice as many per instruction, one with AMX tiles of them; others multiply the rounded values in
    /// single precision.
    Bf16,
}

impl Precision {
    /// Both, the most precise first.
    pub const ALL: [Self; 2] = [Self::F32, Self::Bf16];

    /// The name in recipes and options.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }

    /// Whether this machine multiplies such operands by instructions of their own.
    pub fn is_native(self) -> bool {
        match self {
            Self::F32 => true,
            Self::Bf16 => has_bf16(Isa::current()),
        }
    }
}
