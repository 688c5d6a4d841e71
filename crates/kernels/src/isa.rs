//! The vector instructions in use, chosen once per process.

#[cfg(target_arch = "x86_64")]
use crate::amx;
use std::fmt;
use std::sync::OnceLock;

/// Whether an instruction set comes with products of bfloat16 pairs on this machine (AVX512-BF16).
pub(crate) fn has_bf16(isa: Isa) -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        isa >= Isa::Avx512
            && Isa::Avx512.is_available()
            && is_x86_feature_detected!("avx512bf16")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = isa;
        false
    }
}

/// The environment variable that overrides the choice of instruction set.
pub const ENVIRONMENT_VARIABLE: &str = "ALEXNET_KERNELS";

/// An instruction set that kernels are compiled for, in increasing order of vector width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// The baseline of the compilation target.
    Portable,
    /// x86-64 with AVX2, FMA and F16C: eight `f32` per vector.
    Avx2,
    /// The same with AVX-512F: sixteen `f32` per vector.
    Avx512,
    /// The same with AMX: products of tiles of bfloat16 values and of bytes. The rest is computed as with AVX-512.
    Amx,
}

impl Isa {
    /// Every instruction set, narrowest first.
    pub const ALL: [Self; 4] = [Self::Portable, Self::Avx2, Self::Avx512, Self::Amx];

    /// The name that [`ENVIRONMENT_VARIABLE`] accepts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Amx => "amx",
        }
    }

    /// Whether this machine supports it.
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
            #[cfg(target_arch = "x86_64")]
            Self::Amx => {
                has_bf16(Self::Avx512) && is_x86_feature_detected!("avx512vnni") && amx::is_available()
            }
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 | Self::Amx => false,
        }
    }

    /// The instruction sets that this machine supports, narrowest first.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|isa| isa.is_available())
    }

    /// The widest instruction set that this machine supports.
    pub fn widest() -> Self {
        Self::available().last().unwrap_or(Self::Portable)
    }

    /// The instruction set in use: the one that [`ENVIRONMENT_VARIABLE`] names, or the widest available.
    ///
    /// A name that is unknown or not available on this machine is ignored here, because a kernel cannot report an
    /// error; a program should call [`from_env`] when it starts.
    #[inline]
    pub fn current() -> Self {
        static CURRENT: OnceLock<Isa> = OnceLock::new();
        *CURRENT.get_or_init(|| from_env().ok().flatten().unwrap_or_else(Self::widest))
    }
}

/// The instruction set that [`ENVIRONMENT_VARIABLE`] names; `None` if the variable is unset or empty.
///
/// # Errors
/// Returns an error if the name is unknown, or the machine does not support the set.
pub fn from_env() -> Result<Option<Isa>, UnknownIsa> {
    match std::env::var_os(ENVIRONMENT_VARIABLE) {
        Some(name) if !name.is_empty() => parse(&name.to_string_lossy()).map(Some),
        _ => Ok(None),
    }
}

fn parse(name: &str) -> Result<Isa, UnknownIsa> {
    Isa::available().find(|isa| isa.name() == name).ok_or_else(|| UnknownIsa { name: name.to_owned() })
}

/// A name that is not one of the instruction sets that this machine supports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownIsa {
    /// The name.
    pub name: String,
}

impl fmt::Display for UnknownIsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match Isa::ALL.iter().any(|isa| isa.name() == self.name) {
            true => "an instruction set that this machine does not support",
            false => "not a known instruction set",
        };
        let names: Vec<&str> = Isa::available().map(Isa::name).collect();
        write!(f, "`{}` is {problem}, expected one of: {}", self.name, names.join(", "))
    }
}

impl std::error::Error for UnknownIsa {}

/// Compiles each function for the target's baseline and for AVX2, and calls the version that suits [`Isa::current`].
/// Both give the same bits: Rust never contracts a product and a sum into a fused multiply-add.
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
                // SAFETY: `current` only returns sets that the machine supports; this one includes AVX2 and FMA.
                return unsafe { avx2($($arg),*) };
            }
            portable($($arg),*)
        }
    )*};
}
pub(crate) use multiversioned;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_available_sets_parse() {
        for isa in Isa::available() {
            assert_eq!(parse(isa.name()), Ok(isa));
        }
    }

    #[test]
    fn unknown_names_list_the_known_ones() {
        let message = parse("sse9").unwrap_err().to_string();
        assert!(
            message.starts_with("`sse9` is not a known instruction set, expected one of: portable"),
            "{message}"
        );
        for isa in Isa::ALL.into_iter().filter(|isa| !isa.is_available()) {
            let message = parse(isa.name()).unwrap_err().to_string();
            assert!(message.contains("does not support"), "{message}");
        }
    }
}
