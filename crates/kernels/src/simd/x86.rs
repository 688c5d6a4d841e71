//! The registers of x86: eight values with AVX2, sixteen with AVX-512.

use super::Vector;
use std::arch::x86_64 as x86;

/// Implements [`Vector`] for an x86 register.
macro_rules! x86_vector {
    ($register:ident, $lanes:literal, $splat:ident, $load:ident, $load_f16:ident, $load_bf16:ident, $store:ident, $add:ident, $sub:ident, $mul:ident,
     $div:ident, $sqrt:ident, $fma:ident, $max:ident, $where_positive:ident, $mask:ty, $greater:ident, $equal:ident, $select:ident $(, $inverse_powers:ident)?) => {
        impl Vector for x86::$register {
            const LANES: usize = $lanes;
            type Mask = $mask;

            #[inline(always)]
            unsafe fn splat(value: f32) -> Self {
                // SAFETY: guaranteed by the caller, as in all functions below.
                unsafe { x86::$splat(value) }
            }

            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: see above.
                unsafe { x86::$load(from) }
            }

            #[inline(always)]
            unsafe fn load_f16(from: *const u16) -> Self {
                // SAFETY: see above.
                unsafe { $load_f16(from) }
            }

            #[inline(always)]
            unsafe fn load_bf16(from: *const u16) -> Self {
                // SAFETY: see above.
                unsafe { $load_bf16(from) }
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                // SAFETY: see above.
                unsafe { x86::$store(to, self) }
            }

            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: see above.
                unsafe { x86::$add(self, other) }
            }

            #[inline(always)]
            unsafe fn sub(self, other: Self) -> Self {
                // SAFETY: see above.
                unsafe { x86::$sub(self, other) }
            }

            #[inline(always)]
            unsafe fn mul(self, other: Self) -> Self {
                // SAFETY: see above.
                unsafe { x86::$mul(self, other) }
            }

            #[inline(always)]
            unsafe fn div(self, other: Self) -> Self {
                // SAFETY: see above.
                unsafe { x86::$div(self, other) }
            }

            #[inline(always)]
            unsafe fn sqrt(self) -> Self {
                // SAFETY: see above.
                unsafe { x86::$sqrt(self) }
            }

            $(
                #[inline(always)]
                unsafe fn inverse_powers(self) -> [Self; 2] {
                    // SAFETY: see above.
                    unsafe { $inverse_powers(self) }
                }
            )?

            #[inline(always)]
            unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
                // SAFETY: see above.
                unsafe { x86::$fma(self, factor, term) }
            }

            #[inline(always)]
            unsafe fn at_least(self, floor: Self) -> Self {
                // If an operand is NaN, x86 returns the second.
                // SAFETY: see above.
                unsafe { x86::$max(floor, self) }
            }

            #[inline(always)]
            unsafe fn where_positive(self, x: Self) -> Self {
                // SAFETY: see above.
                unsafe { $where_positive(self, x) }
            }

            #[inline(always)]
            unsafe fn greater(self, other: Self) -> Self::Mask {
                // SAFETY: see above.
                unsafe { $greater(self, other) }
            }

            #[inline(always)]
            unsafe fn equal(self, other: Self) -> Self::Mask {
                // SAFETY: see above.
                unsafe { $equal(self, other) }
            }

            #[inline(always)]
            unsafe fn select(self, mask: Self::Mask, other: Self) -> Self {
                // SAFETY: see above.
                unsafe { $select(self, mask, other) }
            }
        }
    };
}

/// # Safety
/// Eight halves can be read.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn load_f16_avx2(from: *const u16) -> x86::__m256 {
    // SAFETY: guaranteed by the caller.
    x86::_mm256_cvtph_ps(unsafe { x86::_mm_loadu_si128(from.cast()) })
}

/// # Safety
/// Sixteen halves can be read.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn load_f16_avx512(from: *const u16) -> x86::__m512 {
    // SAFETY: guaranteed by the caller.
    x86::_mm512_cvtph_ps(unsafe { x86::_mm256_loadu_si256(from.cast()) })
}

/// # Safety
/// Eight halves can be read.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn load_bf16_avx2(from: *const u16) -> x86::__m256 {
    // SAFETY: guaranteed by the caller.
    let wide = x86::_mm256_cvtepu16_epi32(unsafe { x86::_mm_loadu_si128(from.cast()) });
    x86::_mm256_castsi256_ps(x86::_mm256_slli_epi32::<16>(wide))
}

/// # Safety
/// Sixteen halves can be read.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn load_bf16_avx512(from: *const u16) -> x86::__m512 {
    // SAFETY: guaranteed by the caller.
    let wide = x86::_mm512_cvtepu16_epi32(unsafe { x86::_mm256_loadu_si256(from.cast()) });
    x86::_mm512_castsi512_ps(x86::_mm512_slli_epi32::<16>(wide))
}

/// `s^(-3/4)` and `1 / s`: with `r = s^(-1/2)`, `r^2 r^(-1/2)` and `r^2`. Faster than square roots and divisions. Both are 0 for
/// an infinite `s`, where Newton's method multiplies infinity by zero.
#[inline]
#[target_feature(enable = "avx512f")]
fn inverse_powers_avx512(s: x86::__m512) -> [x86::__m512; 2] {
    let root = inverse_root_avx512(s);
    let inverse = x86::_mm512_mul_ps(root, root);
    let finite = x86::_mm512_cmp_ps_mask::<{ x86::_CMP_NEQ_UQ }>(s, x86::_mm512_set1_ps(f32::INFINITY));
    [
        x86::_mm512_maskz_mul_ps(finite, inverse, inverse_root_avx512(root)),
        x86::_mm512_maskz_mov_ps(finite, inverse),
    ]
}

/// `1 / sqrt(x)`: an estimate of 14 bits and a step of Newton's method, `e + e (1/2 - x e e/2)`.
#[inline]
#[target_feature(enable = "avx512f")]
fn inverse_root_avx512(x: x86::__m512) -> x86::__m512 {
    let (estimate, half) = (x86::_mm512_rsqrt14_ps(x), x86::_mm512_set1_ps(0.5));
    let error =
        x86::_mm512_fnmadd_ps(x86::_mm512_mul_ps(x, estimate), x86::_mm512_mul_ps(estimate, half), half);
    x86::_mm512_fmadd_ps(error, estimate, estimate)
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn where_positive_avx2(values: x86::__m256, x: x86::__m256) -> x86::__m256 {
    x86::_mm256_and_ps(values, x86::_mm256_cmp_ps::<{ x86::_CMP_GT_OQ }>(x, x86::_mm256_setzero_ps()))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn where_positive_avx512(values: x86::__m512, x: x86::__m512) -> x86::__m512 {
    let positive = x86::_mm512_cmp_ps_mask::<{ x86::_CMP_GT_OQ }>(x, x86::_mm512_setzero_ps());
    x86::_mm512_maskz_mov_ps(positive, values)
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn greater_avx2(a: x86::__m256, b: x86::__m256) -> x86::__m256 {
    x86::_mm256_cmp_ps::<{ x86::_CMP_GT_OQ }>(a, b)
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn equal_avx2(a: x86::__m256, b: x86::__m256) -> x86::__m256 {
    x86::_mm256_cmp_ps::<{ x86::_CMP_EQ_OQ }>(a, b)
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn select_avx2(a: x86::__m256, mask: x86::__m256, b: x86::__m256) -> x86::__m256 {
    x86::_mm256_blendv_ps(b, a, mask)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn greater_avx512(a: x86::__m512, b: x86::__m512) -> x86::__mmask16 {
    x86::_mm512_cmp_ps_mask::<{ x86::_CMP_GT_OQ }>(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn equal_avx512(a: x86::__m512, b: x86::__m512) -> x86::__mmask16 {
    x86::_mm512_cmp_ps_mask::<{ x86::_CMP_EQ_OQ }>(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn select_avx512(a: x86::__m512, mask: x86::__mmask16, b: x86::__m512) -> x86::__m512 {
    x86::_mm512_mask_blend_ps(mask, b, a)
}

#[rustfmt::skip]
x86_vector!(
    __m256, 8, _mm256_set1_ps, _mm256_loadu_ps, load_f16_avx2, load_bf16_avx2, _mm256_storeu_ps, _mm256_add_ps, _mm256_sub_ps, _mm256_mul_ps,
    _mm256_div_ps, _mm256_sqrt_ps, _mm256_fmadd_ps, _mm256_max_ps, where_positive_avx2, Self, greater_avx2, equal_avx2,
    select_avx2
);

#[rustfmt::skip]
x86_vector!(
    __m512, 16, _mm512_set1_ps, _mm512_loadu_ps, load_f16_avx512, load_bf16_avx512, _mm512_storeu_ps, _mm512_add_ps, _mm512_sub_ps, _mm512_mul_ps,
    _mm512_div_ps, _mm512_sqrt_ps, _mm512_fmadd_ps, _mm512_max_ps, where_positive_avx512, x86::__mmask16, greater_avx512,
    equal_avx512, select_avx512, inverse_powers_avx512
);

#[cfg(test)]
mod tests {
    use crate::isa::Isa;
    use crate::simd::{One, Vector};
    use std::arch::x86_64::__m512;

    /// Every mantissa in steps, and exponents over the whole range of normal numbers.
    #[test]
    fn inverse_powers_are_accurate() {
        let mut worst = [0.0_f64; 2];
        let mut check = |s: f32, powers: [f32; 2]| {
            for ((power, exponent), worst) in powers.into_iter().zip([-0.75, -1.0]).zip(&mut worst) {
                let exact = f64::from(s).powf(exponent);
                *worst = worst.max((f64::from(power) - exact).abs() / exact);
            }
        };
        // Inverses above 2^126 would be subnormal.
        for exponent in [1 << 23, 40 << 23, 126 << 23, 127 << 23, 128 << 23, 140 << 23, 250 << 23] {
            for mantissa in (0..1 << 23).step_by(997) {
                let s = f32::from_bits(exponent + mantissa);
                // SAFETY: `One<false>` has no requirements; AVX-512 is available, and the array has room for 16 values.
                unsafe {
                    check(s, One::<false>(s).inverse_powers().map(|One(value)| value));
                    if Isa::Avx512.is_available() {
                        check(s, avx512(s));
                    }
                }
            }
        }
        assert!(worst.iter().all(|&error| error < 4.0 / f64::from(1 << 24)), "{worst:?}");
    }

    /// # Safety
    /// The machine has AVX-512.
    #[target_feature(enable = "avx512f")]
    unsafe fn avx512(s: f32) -> [f32; 2] {
        // SAFETY: guaranteed by the caller; the array has room for 16 values.
        unsafe {
            <__m512 as Vector>::splat(s).inverse_powers().map(|power| {
                let mut values = [0.0; 16];
                power.store(values.as_mut_ptr());
                values[0]
            })
        }
    }
}
