//! What a micro-kernel computes at a time.

/// The addresses of a tile's operands and result, in words: `a[i, d]` is at `a + i a_row + d a_step`, `b[d, j]` at
/// `b + d b_step + j`, `c[i, j]` at `c + i c_row + j`.
#[derive(Clone, Copy)]
pub(crate) struct Tile {
    pub(crate) depth: usize,
    pub(crate) a: *const f32,
    pub(crate) a_row: usize,
    pub(crate) a_step: usize,
    pub(crate) b: *const f32,
    pub(crate) b_step: usize,
    pub(crate) c: *mut f32,
    pub(crate) c_row: usize,
}
