//! The micro-kernels of AMX, for words of two bfloat16 values: a tile of `C` is up to two by two tile registers.
//!
//! The depth is cut into steps. The products of a step are summed from zero, those of the high halves and of the low halves apart,
//! and the sum of both is added to `C`. So a sum has the same bits wherever it is cut between steps, but not where a step is cut.

use super::kernel::{ADD, CHAIN, Tile};
use crate::amx::{SIDE, Shapes};
use crate::micro_batch::GRANULE;
use std::arch::asm;
use std::arch::x86_64::*;
use std::mem::MaybeUninit;

/// Words of a step.
pub(super) const STEP: usize = SIDE;

/// Words of a step of a chained sum. A chain over images may be cut wherever a micro-batch ends, at a multiple of eighteen.
pub(super) const CHAINED_STEP: usize = GRANULE;

/// Defines a kernel for tiles of `$rows` x `$columns`, whose depth is cut into steps of `STEP` words. Tile registers 0 to 3 hold
/// `C`; 4 and 5 hold a tile of `A` and one of `B`, in whole steps; 6 and 7 do in the last step, which may be shorter.
macro_rules! kernel {
    ($name:ident, $rows:literal x $columns:literal, load: [$($load:literal)*], step: [$($step:literal)*], last: [$($last:literal)*],
     store: [$($store:literal)*]) => {
        /// # Safety
        /// As [`super::kernel::MicroKernel::multiply`] where rows of `a` are contiguous, on a machine with AMX.
        #[target_feature(enable = "avx512f")]
        pub(super) unsafe fn $name<const MODE: u8, const STEP: usize>(tile: &Tile) {
            const BYTES: usize = size_of::<f32>();
            let Tile { depth, a, a_row, b, b_step, c, c_row, .. } = *tile;
            let rest = depth % STEP;
            let (sums, left, right) = ([SIDE, SIDE], [SIDE, STEP], [STEP, SIDE]);
            let shapes = Shapes::new([sums, sums, sums, sums, left, right, [SIDE, rest], [rest, SIDE]]);
            let mut products = MaybeUninit::<[f32; $rows * $columns]>::uninit();
            let (to, to_row) = if MODE == ADD { (products.as_mut_ptr().cast(), $columns) } else { (c, c_row) };
            // SAFETY: `a` and `b` advance by the words of each step, and the last one reads the rest of the depth; the
            // operands and the tile of C are guaranteed by the caller.
            unsafe {
                asm!(
                    "ldtilecfg [{below}]",
                    ".if {chain}",
                    "lea {below}, [{c_row} * 8]",
                    "lea {below}, [{c} + {below} * 2]",
                    $($load,)*
                    ".endif",
                    "test {steps}, {steps}",
                    "jz 3f",
                    "2:",
                    $($step,)*
                    "add {a}, {a_step}",
                    "add {a_below}, {a_step}",
                    "add {b}, {b_step}",
                    "dec {steps}",
                    "jnz 2b",
                    "3:",
                    "test {rest}, {rest}",
                    "jz 4f",
                    $($last,)*
                    "4:",
                    "lea {below}, [{c_row} * 8]",
                    "lea {below}, [{c} + {below} * 2]",
                    $($store,)*
                    "tilerelease",
                    chain = const (MODE == CHAIN) as u8,
                    a_step = const STEP * BYTES,
                    below = inout(reg) &raw const shapes => _,
                    steps = inout(reg) depth / STEP => _,
                    rest = in(reg) rest,
                    a = inout(reg) a => _,
                    a_below = inout(reg) a.wrapping_add(SIDE * a_row) => _,
                    a_row = in(reg) a_row * BYTES,
                    b = inout(reg) b => _,
                    b_row = in(reg) b_step * BYTES,
                    b_step = in(reg) STEP * b_step * BYTES,
                    c = in(reg) to,
                    c_row = in(reg) to_row * BYTES,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
                if MODE == ADD {
                    // The instructions above have written all of it.
                    for (i, products) in products.assume_init_ref().chunks_exact($columns).enumerate() {
                        for (j, products) in products.chunks_exact(SIDE).enumerate() {
                            let c = c.add(i * c_row + j * SIDE);
                            let sum = _mm512_add_ps(_mm512_loadu_ps(c), _mm512_loadu_ps(products.as_ptr()));
                            _mm512_storeu_ps(c, sum);
                        }
                    }
                }
            }
        }
    };
}

kernel!(
    wide, 32 x 32,
    load: [
        "tileloadd tmm0, [{c} + {c_row}]"
        "tileloadd tmm1, [{c} + {c_row} + 64]"
        "tileloadd tmm2, [{below} + {c_row}]"
        "tileloadd tmm3, [{below} + {c_row} + 64]"
    ],
    step: [
        "tileloadd tmm4, [{a} + {a_row}]"
        "tileloadd tmm5, [{b} + {b_row}]"
        "tdpbf16ps tmm0, tmm4, tmm5"
        "tileloadd tmm5, [{b} + {b_row} + 64]"
        "tdpbf16ps tmm1, tmm4, tmm5"
        "tileloadd tmm4, [{a_below} + {a_row}]"
        "tdpbf16ps tmm3, tmm4, tmm5"
        "tileloadd tmm5, [{b} + {b_row}]"
        "tdpbf16ps tmm2, tmm4, tmm5"
    ],
    last: [
        "tileloadd tmm6, [{a} + {a_row}]"
        "tileloadd tmm7, [{b} + {b_row}]"
        "tdpbf16ps tmm0, tmm6, tmm7"
        "tileloadd tmm7, [{b} + {b_row} + 64]"
        "tdpbf16ps tmm1, tmm6, tmm7"
        "tileloadd tmm6, [{a_below} + {a_row}]"
        "tdpbf16ps tmm3, tmm6, tmm7"
        "tileloadd tmm7, [{b} + {b_row}]"
        "tdpbf16ps tmm2, tmm6, tmm7"
    ],
    store: [
        "tilestored [{c} + {c_row}], tmm0"
        "tilestored [{c} + {c_row} + 64], tmm1"
        "tilestored [{below} + {c_row}], tmm2"
        "tilestored [{below} + {c_row} + 64], tmm3"
    ]
);

kernel!(
    narrow, 32 x 16,
    load: [
        "tileloadd tmm0, [{c} + {c_row}]"
        "tileloadd tmm2, [{below} + {c_row}]"
    ],
    step: [
        "tileloadd tmm4, [{a} + {a_row}]"
        "tileloadd tmm5, [{b} + {b_row}]"
        "tdpbf16ps tmm0, tmm4, tmm5"
        "tileloadd tmm4, [{a_below} + {a_row}]"
        "tdpbf16ps tmm2, tmm4, tmm5"
    ],
    last: [
        "tileloadd tmm6, [{a} + {a_row}]"
        "tileloadd tmm7, [{b} + {b_row}]"
        "tdpbf16ps tmm0, tmm6, tmm7"
        "tileloadd tmm6, [{a_below} + {a_row}]"
        "tdpbf16ps tmm2, tmm6, tmm7"
    ],
    store: [
        "tilestored [{c} + {c_row}], tmm0"
        "tilestored [{below} + {c_row}], tmm2"
    ]
);
