//! Which vector instructions to use, chosen once per process.

use std::sync::OnceLock;

/// A set of vector instructions that kernels are written or compiled for, from the plainest to the widest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// What every machine of the compiled target has.
    Portable,
    /// x86-64 with AVX2, FMA and F16C: eight `f32` a vector.
    Avx2,
    /// The same with AVX-512F: sixteen `f32` a vector.
    Avx512,
}

impl Isa {
    /// Every set, plainest first.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// The name that the environment variable takes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// Whether this machine has it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Self::Avx2.is_available() && is_x86_feature_detected!("avx512f"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }

    /// The sets that this machine has, plainest first.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|isa| isa.is_available())
    }

    /// The set in use: the widest available, or the one that the environment variable `ALEXNET_KERNELS`
    /// names. A name that is unknown, or not available here, is ignored.
    #[inline]
    pub fn current() -> Self {
        static CURRENT: OnceLock<Isa> = OnceLock::new();
        *CURRENT.get_or_init(|| {
            let name = std::env::var("ALEXNET_KERNELS").unwrap_or_default();
            let named = Self::available().find(|isa| isa.name() == name);
            named.or_else(|| Self::available().last()).unwrap_or(Self::Portable)
        })
    }
}

/// Compiles the functions once for the target's baseline and once for AVX2, and calls the one that
/// [`Isa::current`] chooses. The two give the same bits: Rust never fuses a product and a sum by itself.
macro_rules! multiversioned {
    ($($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block)*) => {$(
        $(#[$doc])*
        $vis fn $name($($arg: $type),*) $(-> $result)? {
            #[inline(always)]
            fn portable($($arg: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($arg: $type),*) $(-> $result)? {
                portable($($arg),*)
            }

            #[cfg(target_arch = "x86_64")]
            if $crate::isa::Isa::current() >= $crate::isa::Isa::Avx2 {
                // SAFETY: this set is only ever current on a machine that has AVX2 and FMA.
                return unsafe { avx2($($arg),*) };
            }
            portable($($arg),*)
        }
    )*};
}
pub(crate) use multiversioned;
