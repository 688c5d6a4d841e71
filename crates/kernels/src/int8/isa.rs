//! The instructions that multiply bytes.

use crate::isa::Isa;

/// A set of instructions that the integer kernels are compiled for. All of them return the same integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Int8Isa {
    /// The baseline of the compilation target.
    Portable,
    /// AVX2: bytes are widened to 16 bits for `vpmaddwd`, because `vpmaddubsw` saturates.
    Avx2,
    /// The same with the 512-bit registers of AVX-512F and AVX-512BW.
    Avx512,
    /// AVX-512 with VNNI: `vpdpbusd` multiplies and adds four bytes per lane.
    Avx512Vnni,
    /// The same with AMX: `tdpbusd` multiplies tiles of bytes.
    Amx,
}

impl Int8Isa {
    /// Every set, slowest first.
    pub const ALL: [Self; 5] = [Self::Portable, Self::Avx2, Self::Avx512, Self::Avx512Vnni, Self::Amx];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512bw",
            Self::Avx512Vnni => "avx512vnni",
            Self::Amx => "amx",
        }
    }

    /// Whether this machine supports it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            Self::Avx2 => Isa::Avx2.is_available(),
            Self::Amx => Isa::Amx.is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Isa::Avx512.is_available() && is_x86_feature_detected!("avx512bw"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => Self::Avx512.is_available() && is_x86_feature_detected!("avx512vnni"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::Avx512Vnni => false,
        }
    }

    /// The sets that this machine supports, slowest first.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|isa| isa.is_available())
    }

    /// The fastest set that this machine supports within [`Isa::current`].
    pub fn current() -> Self {
        Self::within(Isa::current())
    }

    fn within(isa: Isa) -> Self {
        Self::available().filter(|set| set.needs() <= isa).last().unwrap_or(Self::Portable)
    }

    /// The instruction set that this one extends.
    const fn needs(self) -> Isa {
        match self {
            Self::Portable => Isa::Portable,
            Self::Avx2 => Isa::Avx2,
            Self::Avx512 | Self::Avx512Vnni => Isa::Avx512,
            Self::Amx => Isa::Amx,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_general_instruction_set_limits_the_choice() {
        assert_eq!(Int8Isa::within(Isa::Portable), Int8Isa::Portable);
        for isa in Isa::available() {
            let chosen = Int8Isa::within(isa);
            assert!(chosen.is_available() && chosen.needs() <= isa);
        }
    }
}
