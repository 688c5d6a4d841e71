//! The micro-kernels of AMX, for words of two bfloat16 values: a tile of `C` is two by two tile registers, or two by one.
//!
//! The depth is cut into steps. The products of a step are summed from zero, and their sum is added to `C`. So a sum has the same
//! bits wherever it is cut between steps, but not where a step is cut.

#[cfg(target_arch = "x86_64")]
use super::tile::Tile;
use crate::amx::{Loaded, SIDE, Shapes};
use crate::micro_batch::GRANULE;

/// Words of a step.
pub(super) const STEP: usize = SIDE;

/// Words of a step of a chained sum. A chain over images may be cut wherever a micro-batch ends, at a multiple of eighteen.
pub(super) const CHAINED_STEP: usize = GRANULE;

/// Loads the shapes of the tile registers for a depth in words: 0 to 3 hold `C`, 4 and 5 a tile of `A` and one of `B` in whole
/// steps, 6 and 7 in the last step, which may be shorter.
///
/// # Safety
/// As [`Shapes::load`].
pub(super) unsafe fn load_shapes(depth: usize, step: usize) -> Loaded {
    let (sums, left, right) = ([SIDE, SIDE], [SIDE, step], [step, SIDE]);
    let rest = depth % step;
    // SAFETY: guaranteed by the caller.
    unsafe { Shapes::new([sums, sums, sums, sums, left, right, [SIDE, rest], [rest, SIDE]]).load() }
}

/// Defines a kernel whose depth is cut into steps of `STEP` words. `LOAD`: sums start from `C`, otherwise from zero. `below` is the
/// address of row 16 of `C`.
macro_rules! kernel {
    ($name:ident, load: [$($load:literal)*], step: [$($step:literal)*], last: [$($last:literal)*], store: [$($store:literal)*]) => {
        /// # Safety
        /// As [`super::kernel::MicroKernel::multiply_across`], but rows of `a` are contiguous; the shapes are loaded on this thread.
        #[cfg(target_arch = "x86_64")]
        pub(super) unsafe fn $name<const LOAD: bool, const STEP: usize>(tile: &Tile) {
            const BYTES: usize = size_of::<f32>();
            let Tile { depth, a, a_row, b, b_step, c, c_row, .. } = *tile;
            // SAFETY: `a` and `b` advance by the words of each step, and the last one reads the rest of the depth; the
            // operands and the tile of C are guaranteed by the caller.
            unsafe {
                std::arch::asm!(
                    ".if {load}",
                    $($load,)*
                    ".else",
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "tilezero tmm2",
                    "tilezero tmm3",
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
                    $($store,)*
                    load = const LOAD as u8,
                    a_step = const STEP * BYTES,
                    steps = inout(reg) depth / STEP => _,
                    rest = in(reg) depth % STEP,
                    a = inout(reg) a => _,
                    a_below = inout(reg) a.wrapping_add(SIDE * a_row) => _,
                    a_row = in(reg) a_row * BYTES,
                    b = inout(reg) b => _,
                    b_row = in(reg) b_step * BYTES,
                    b_step = in(reg) STEP * b_step * BYTES,
                    c = in(reg) c,
                    below = in(reg) c.wrapping_add(SIDE * c_row),
                    c_row = in(reg) c_row * BYTES,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }
    };
}

kernel!(
    wide,
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
    narrow,
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
