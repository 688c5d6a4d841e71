//! Vector registers of `f32` values, for kernels that compilers do not vectorize.

#[cfg(target_arch = "x86_64")]
mod x86;

use crate::bf16;
use crate::f16::to_f32;

/// A vector register. Every function compiles to one or two instructions where its instruction set is enabled, and is
/// only sound to call on a machine that supports the set.
pub(crate) trait Vector: Copy {
    /// Values in the register.
    const LANES: usize;

    /// The result of a comparison, for each pair of values.
    type Mask: Copy;

    /// # Safety
    /// The machine supports the instructions.
    unsafe fn splat(value: f32) -> Self;

    /// # Safety
    /// The machine supports the instructions; `LANES` values can be read at `from`.
    unsafe fn load(from: *const f32) -> Self;

    /// Loads values that are stored in half precision.
    ///
    /// # Safety
    /// The machine supports the instructions; `LANES` halves can be read at `from`.
    unsafe fn load_f16(from: *const u16) -> Self;

    /// Loads values that are stored as bfloat16.
    ///
    /// # Safety
    /// The machine supports the instructions; `LANES` halves can be read at `from`.
    unsafe fn load_bf16(from: *const u16) -> Self;

    /// # Safety
    /// The machine supports the instructions; `LANES` values can be written at `to`.
    unsafe fn store(self, to: *mut f32);

    /// # Safety
    /// The machine supports the instructions.
    unsafe fn add(self, other: Self) -> Self;

    /// # Safety
    /// The machine supports the instructions.
    unsafe fn sub(self, other: Self) -> Self;

    /// `self * factor + term`, with a single rounding if the set has fused multiply-adds.
    ///
    /// # Safety
    /// The machine supports the instructions.
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self;

    /// # Safety
    /// The machine supports the instructions.
    unsafe fn mul(self, other: Self) -> Self;

    /// # Safety
    /// The machine supports the instructions.
    unsafe fn div(self, other: Self) -> Self;

    /// # Safety
    /// The machine supports the instructions.
    unsafe fn sqrt(self) -> Self;

    /// `self^(-3/4)` and `self^-1`, for positive normal values, within a few units in the last place.
    ///
    /// # Safety
    /// The machine supports the instructions.
    #[inline(always)]
    unsafe fn inverse_powers(self) -> [Self; 2] {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let (one, root) = (Self::splat(1.0), self.sqrt());
            [one.div(root.mul(root.sqrt())), one.div(self)]
        }
    }

    /// Whether every value is zero.
    ///
    /// # Safety
    /// The machine supports the instructions.
    #[inline(always)]
    unsafe fn is_zero(self) -> bool {
        let mut values = [f32::NAN; 16];
        assert!(Self::LANES <= values.len());
        // SAFETY: the array has room for the lanes; the instructions are guaranteed by the caller.
        unsafe { self.store(values.as_mut_ptr()) };
        values[..Self::LANES].iter().all(|&value| value == 0.0)
    }

    /// `self` where `x > 0`, zero elsewhere.
    ///
    /// # Safety
    /// The machine supports the instructions.
    unsafe fn where_positive(self, x: Self) -> Self;

    /// The larger of each pair; `self` where that is NaN.
    ///
    /// # Safety
    /// The machine supports the instructions.
    unsafe fn at_least(self, floor: Self) -> Self;

    /// `self > other`; false where a value is NaN.
    ///
    /// # Safety
    /// The machine supports the instructions.
    unsafe fn greater(self, other: Self) -> Self::Mask;

    /// `self == other`; false where a value is NaN.
    ///
    /// # Safety
    /// The machine supports the instructions.
    unsafe fn equal(self, other: Self) -> Self::Mask;

    /// `self` where the mask is true, `other` elsewhere.
    ///
    /// # Safety
    /// The machine supports the instructions.
    unsafe fn select(self, mask: Self::Mask, other: Self) -> Self;
}

/// Where the vectors begin that cover `len` values, which fill one at least. Unless they fill the last one too, which `WHOLE` says, it
/// begins earlier, and shares values with the one before it.
#[inline(always)]
pub(crate) fn starts<V: Vector, const WHOLE: bool>(len: usize) -> impl Iterator<Item = usize> {
    assert!(WHOLE || len >= V::LANES, "{len} values do not fill a vector of {}", V::LANES);
    (0..len).step_by(V::LANES).map(move |start| if WHOLE { start } else { start.min(len - V::LANES) })
}

/// `f32` values per cache line.
pub(crate) const LINE: usize = 16;

/// Prefetches the cache line at an address, which may be invalid.
#[inline(always)]
pub(crate) fn prefetch(at: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the instruction is part of x86-64, and never faults.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Four values, in code that compilers turn into baseline vector instructions.
#[derive(Clone, Copy)]
pub(crate) struct Four([f32; 4]);

impl Four {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

impl Vector for Four {
    const LANES: usize = 4;
    type Mask = [bool; 4];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 4])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: guaranteed by the caller.
        Self(unsafe { from.cast::<[f32; 4]>().read() })
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Self {
        // SAFETY: guaranteed by the caller.
        Self(unsafe { from.cast::<[u16; 4]>().read_unaligned() }.map(to_f32))
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self {
        // SAFETY: guaranteed by the caller.
        Self(unsafe { from.cast::<[u16; 4]>().read_unaligned() }.map(bf16::to_f32))
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: guaranteed by the caller.
        unsafe { to.cast::<[f32; 4]>().write(self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
        self.zip(factor, |a, b| a * b).zip(term, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }

    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        Self(self.0.map(f32::sqrt))
    }

    #[inline(always)]
    unsafe fn where_positive(self, x: Self) -> Self {
        self.zip(x, |a, x| if x > 0.0 { a } else { 0.0 })
    }

    #[inline(always)]
    unsafe fn at_least(self, floor: Self) -> Self {
        self.zip(floor, |a, floor| if a < floor { floor } else { a })
    }

    #[inline(always)]
    unsafe fn greater(self, other: Self) -> Self::Mask {
        std::array::from_fn(|i| self.0[i] > other.0[i])
    }

    #[inline(always)]
    unsafe fn equal(self, other: Self) -> Self::Mask {
        std::array::from_fn(|i| self.0[i] == other.0[i])
    }

    #[inline(always)]
    unsafe fn select(self, mask: Self::Mask, other: Self) -> Self {
        Self(std::array::from_fn(|i| if mask[i] { self.0[i] } else { other.0[i] }))
    }
}

/// A single value, for what is left of a row after whole vectors; `FUSED` if those have fused multiply-adds.
#[derive(Clone, Copy)]
pub(crate) struct One<const FUSED: bool>(pub(crate) f32);

impl<const FUSED: bool> Vector for One<FUSED> {
    const LANES: usize = 1;
    type Mask = bool;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self(value)
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: guaranteed by the caller.
        Self(unsafe { from.read() })
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Self {
        // SAFETY: guaranteed by the caller.
        Self(to_f32(unsafe { from.read() }))
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self {
        // SAFETY: guaranteed by the caller.
        Self(bf16::to_f32(unsafe { from.read() }))
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: guaranteed by the caller.
        unsafe { to.write(self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
        Self(if FUSED { self.0.mul_add(factor.0, term.0) } else { self.0 * factor.0 + term.0 })
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self(self.0 * other.0)
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        Self(self.0 / other.0)
    }

    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        Self(self.0.sqrt())
    }

    #[inline(always)]
    unsafe fn where_positive(self, x: Self) -> Self {
        Self(if x.0 > 0.0 { self.0 } else { 0.0 })
    }

    #[inline(always)]
    unsafe fn at_least(self, floor: Self) -> Self {
        Self(if self.0 < floor.0 { floor.0 } else { self.0 })
    }

    #[inline(always)]
    unsafe fn greater(self, other: Self) -> bool {
        self.0 > other.0
    }

    #[inline(always)]
    unsafe fn equal(self, other: Self) -> bool {
        self.0 == other.0
    }

    #[inline(always)]
    unsafe fn select(self, mask: bool, other: Self) -> Self {
        if mask { self } else { other }
    }
}
