//! The micro-kernels: `c[i, j] = c0[i, j] + sum_{r, d} a[r, i, d] b[r, d, j]` for runs `r` of words `d`, which hold two bfloat16
//! values: both products are summed.
//!
//! A run is cut into steps of equal length. The products of a step are summed from zero, and their sum is added to `C`.

use crate::amx::{Loaded, SIDE, Shapes};
use std::mem::offset_of;

/// Rows of a tall tile, and columns of any: two tile registers.
pub(super) const WIDE: usize = 2 * SIDE;

/// What the tiles of a product have in common. Strides and offsets are in bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// Where the runs of row 0 of `A` start, relative to the tile's address, from here on.
    runs: *const usize,
    /// The end of that list.
    runs_end: *const usize,
    steps: usize,
    a_row: usize,
    a_step: usize,
    /// From row 0 to row 16.
    a_below: usize,
    b_row: usize,
    b_step: usize,
    c_row: usize,
}

/// Strides in elements: halves of `A`, words of `B`, values of `C`.
#[derive(Clone, Copy)]
pub(super) struct Strides {
    pub(super) a_row: usize,
    pub(super) b_row: usize,
    pub(super) c_row: usize,
}

/// The length of a run: `steps` steps of `words` words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) steps: usize,
    /// Up to [`SIDE`].
    pub(super) words: usize,
}

impl Layout {
    /// The layout for runs of the same length at byte offsets `runs`, which must outlive it.
    pub(super) fn new(runs: &[usize], run: Run, strides: Strides) -> Self {
        assert!(!runs.is_empty() && run.steps > 0 && (1..=SIDE).contains(&run.words));
        let word = size_of::<u32>();
        let (a_row, b_row) = (strides.a_row * size_of::<u16>(), strides.b_row * word);
        let ends = runs.as_ptr_range();
        Self {
            runs: ends.start,
            runs_end: ends.end,
            steps: run.steps,
            a_row,
            a_step: run.words * word,
            a_below: SIDE * a_row,
            b_row,
            b_step: run.words * b_row,
            c_row: strides.c_row * word,
        }
    }
}

impl Run {
    /// Loads the shapes of the tile registers: 0 to 3 hold `C`, 4 and 7 `A`, 5 and 6 `B`.
    ///
    /// # Safety
    /// As [`Shapes::load`].
    pub(super) unsafe fn load_shapes(&self) -> Loaded {
        let (sums, left, right) = ([SIDE, SIDE], [SIDE, self.words], [self.words, SIDE]);
        let shapes = Shapes::new([sums, sums, sums, sums, left, right, right, left]);
        // SAFETY: guaranteed by the caller.
        unsafe { shapes.load() }
    }
}

/// Defines a kernel of `$rows` rows. `p` and `q` are the addresses of rows 0 and 16.
macro_rules! kernel {
    ($(#[$doc:meta])* $name:ident, load: [$($load:literal)*], step: [$($step:literal)*], store: [$($store:literal)*]) => {
        $(#[$doc])*
        ///
        /// `ADD`: the sums start from `C`, otherwise from zero.
        ///
        /// # Safety
        /// The shapes of the layout's runs are loaded on this thread. Every run of each row can be read from `a`, the words of
        /// all runs from `b`, for [`WIDE`] columns; the tile at `c` can be written and, for `ADD`, read.
        pub(super) unsafe fn $name<const ADD: bool>(layout: &Layout, a: *const u16, b: *const f32, c: *mut f32) {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: guaranteed by the caller.
            unsafe {
                std::arch::asm!(
                    ".if {add}",
                    "mov {p}, {c}",
                    "mov {k}, [{layout} + {c_row}]",
                    "lea {q}, [{k} * 8]",
                    "lea {q}, [{p} + {q} * 2]",
                    $($load,)*
                    ".else",
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "tilezero tmm2",
                    "tilezero tmm3",
                    ".endif",
                    "2:",
                    "mov {p}, [{runs}]",
                    "add {p}, {a}",
                    "mov {q}, [{layout} + {a_below}]",
                    "add {q}, {p}",
                    "mov {k}, [{layout} + {steps}]",
                    "3:",
                    $($step,)*
                    "add {p}, [{layout} + {a_step}]",
                    "add {q}, [{layout} + {a_step}]",
                    "add {b}, [{layout} + {b_step}]",
                    "dec {k}",
                    "jnz 3b",
                    "add {runs}, 8",
                    "cmp {runs}, [{layout} + {runs_end}]",
                    "jne 2b",
                    "mov {p}, {c}",
                    "mov {k}, [{layout} + {c_row}]",
                    "lea {q}, [{k} * 8]",
                    "lea {q}, [{p} + {q} * 2]",
                    $($store,)*
                    add = const ADD as u8,
                    c_row = const offset_of!(Layout, c_row),
                    a_below = const offset_of!(Layout, a_below),
                    steps = const offset_of!(Layout, steps),
                    a_step = const offset_of!(Layout, a_step),
                    b_step = const offset_of!(Layout, b_step),
                    runs_end = const offset_of!(Layout, runs_end),
                    layout = in(reg) layout,
                    runs = inout(reg) layout.runs => _,
                    a = in(reg) a,
                    a_row = in(reg) layout.a_row,
                    b = inout(reg) b => _,
                    b_row = in(reg) layout.b_row,
                    c = in(reg) c,
                    p = out(reg) _,
                    q = out(reg) _,
                    k = out(reg) _,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
            #[cfg(not(target_arch = "x86_64"))]
            unreachable!("only x86-64 has tiles, not for {layout:p}, {a:p}, {b:p}, {c:p}");
        }
    };
}

kernel!(
    /// Computes a tile of 32 rows and 32 columns.
    tall,
    load: [
        "tileloadd tmm0, [{p} + {k}]"
        "tileloadd tmm1, [{p} + {k} + 64]"
        "tileloadd tmm2, [{q} + {k}]"
        "tileloadd tmm3, [{q} + {k} + 64]"
    ],
    step: [
        "tileloadd tmm4, [{p} + {a_row}]"
        "tileloadd tmm5, [{b} + {b_row}]"
        "tdpbf16ps tmm0, tmm4, tmm5"
        "tileloadd tmm6, [{b} + {b_row} + 64]"
        "tdpbf16ps tmm1, tmm4, tmm6"
        "tileloadd tmm7, [{q} + {a_row}]"
        "tdpbf16ps tmm2, tmm7, tmm5"
        "tdpbf16ps tmm3, tmm7, tmm6"
    ],
    store: [
        "tilestored [{p} + {k}], tmm0"
        "tilestored [{p} + {k} + 64], tmm1"
        "tilestored [{q} + {k}], tmm2"
        "tilestored [{q} + {k} + 64], tmm3"
    ]
);

kernel!(
    /// Computes a tile of 16 rows and 32 columns.
    low,
    load: [
        "tileloadd tmm0, [{p} + {k}]"
        "tileloadd tmm1, [{p} + {k} + 64]"
    ],
    step: [
        "tileloadd tmm4, [{p} + {a_row}]"
        "tileloadd tmm5, [{b} + {b_row}]"
        "tdpbf16ps tmm0, tmm4, tmm5"
        "tileloadd tmm6, [{b} + {b_row} + 64]"
        "tdpbf16ps tmm1, tmm4, tmm6"
    ],
    store: [
        "tilestored [{p} + {k}], tmm0"
        "tilestored [{p} + {k} + 64], tmm1"
    ]
);
