//! The micro-kernel of AMX.

use super::tile::{COLUMNS, STEP, Tile, Value, WORD};
use super::x86::finish;
use crate::amx::{SIDE, Shapes};
use std::arch::asm;
use std::arch::x86_64::__m512i;
use std::mem::MaybeUninit;

/// Two tile registers of sums, which `tdpbusd` adds the products of 16 words to; a shorter step ends the depth.
///
/// # Safety
/// As [`Tile::compute`] for a whole tile of `ROWS` rows, on a machine with AMX.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn amx<const ROWS: usize, T: Value>(tile: &Tile<T>) {
    let Tile { words, a, a_row, b, first, .. } = *tile;
    let rest = words % SIDE;
    let (sums, right) = ([ROWS, SIDE], [SIDE, SIDE]);
    let shapes =
        Shapes::new([sums, sums, [ROWS, SIDE], right, right, [ROWS, rest], [rest, SIDE], [rest, SIDE]]);
    let mut sums = MaybeUninit::<[[__m512i; 2]; ROWS]>::uninit();
    // SAFETY: `a` and `b` advance by the words of each step, and the last one reads the rest of the depth; the operands are
    // guaranteed by the caller. The instructions write all of `sums`.
    unsafe {
        asm!(
            "ldtilecfg [{shapes}]",
            "tileloadd tmm0, [{first} + {zero}]",
            "tileloadd tmm1, [{first} + {zero} + 64]",
            "test {steps}, {steps}",
            "jz 3f",
            "2:",
            "tileloadd tmm2, [{a} + {a_row}]",
            "tileloadd tmm3, [{b} + {b_row}]",
            "tdpbusd tmm0, tmm2, tmm3",
            "tileloadd tmm4, [{b} + {b_row} + 64]",
            "tdpbusd tmm1, tmm2, tmm4",
            "add {a}, {a_step}",
            "add {b}, {b_step}",
            "dec {steps}",
            "jnz 2b",
            "3:",
            "test {rest}, {rest}",
            "jz 4f",
            "tileloadd tmm5, [{a} + {a_row}]",
            "tileloadd tmm6, [{b} + {b_row}]",
            "tdpbusd tmm0, tmm5, tmm6",
            "tileloadd tmm7, [{b} + {b_row} + 64]",
            "tdpbusd tmm1, tmm5, tmm7",
            "4:",
            "tilestored [{sums} + {b_row}], tmm0",
            "tilestored [{sums} + {b_row} + 64], tmm1",
            "tilerelease",
            shapes = in(reg) &raw const shapes,
            first = in(reg) first,
            // All rows start from the same values.
            zero = in(reg) 0_usize,
            steps = inout(reg) words / SIDE => _,
            rest = in(reg) rest,
            a = inout(reg) a => _,
            a_row = in(reg) a_row,
            a_step = const SIDE * WORD,
            b = inout(reg) b => _,
            // Rows of weights and of sums have the same length.
            b_row = in(reg) STEP,
            b_step = const SIDE * STEP,
            sums = in(reg) sums.as_mut_ptr(),
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
        finish(tile, sums.assume_init_ref());
    }
}

const _: () = assert!(STEP == COLUMNS * size_of::<i32>());
