//! AMX: registers of up to sixteen rows of 64 bytes, called tiles, and instructions that multiply them.
//!
//! A tile of sums, 16 x 16 values of 32 bits, takes the product of 16 rows of 16 words and 16 rows of 16 words, where a word holds
//! two bfloat16 values or four bytes. Per cycle that is sixteen times the multiply-adds of 512-bit instructions on single precision,
//! and thirty-two times for bytes. Before a process may use tiles it has to ask the system for room to save them; before code uses
//! them it loads their shapes.
//!
//! Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18.

use std::marker::PhantomData;
use std::sync::OnceLock;

/// Rows of the tallest tile, and words of its longest rows.
pub(crate) const SIDE: usize = 16;

/// The shapes of the tiles, as `ldtilecfg` reads them.
#[repr(C, align(64))]
pub(crate) struct Shapes {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; SIDE],
    rows: [u8; SIDE],
}

impl Shapes {
    /// The shapes `[rows, words of a row]` of tiles 0 to 7. A tile without rows is not used.
    ///
    /// # Panics
    /// If a shape exceeds a register.
    pub(crate) const fn new(tiles: [[usize; 2]; 8]) -> Self {
        let mut shapes =
            Self { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; SIDE], rows: [0; SIDE] };
        let mut i = 0;
        while i < tiles.len() {
            let [rows, words] = tiles[i];
            assert!(rows <= SIDE && words <= SIDE, "a tile has up to 16 rows of 16 words");
            if rows > 0 && words > 0 {
                shapes.rows[i] = rows as u8;
                shapes.row_bytes[i] = (words * size_of::<u32>()) as u16;
            }
            i += 1;
        }
        shapes
    }
}

impl Shapes {
    /// Gives the tile registers of this thread these shapes until the result is dropped. Loading takes as long as several
    /// products of tiles.
    ///
    /// # Safety
    /// The machine has AMX ([`is_available`]), and no shapes are loaded on this thread.
    pub(crate) unsafe fn load(&self) -> Loaded {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: guaranteed by the caller; the compiler itself does not use tile registers.
        unsafe {
            std::arch::asm!("ldtilecfg [{}]", in(reg) self, options(nostack, readonly));
        }
        Loaded(PhantomData)
    }
}

/// Tile registers in use by this thread.
pub(crate) struct Loaded(PhantomData<*const Shapes>);

impl Drop for Loaded {
    fn drop(&mut self) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the registers were loaded on this thread, which the type does not leave.
        unsafe {
            std::arch::asm!("tilerelease", options(nostack, nomem));
        }
    }
}

/// Whether the processor has tiles with products of bfloat16 values and of bytes, and the system lets this process use them.
pub(crate) fn is_available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| has_instructions() && is_permitted())
}

#[cfg(target_arch = "x86_64")]
fn has_instructions() -> bool {
    use std::arch::x86_64::{__cpuid_count, __get_cpuid_max};
    const BF16: u32 = 1 << 22;
    const TILE: u32 = 1 << 24;
    const INT8: u32 = 1 << 25;
    let needed = BF16 | TILE | INT8;
    __get_cpuid_max(0).0 >= 7 && __cpuid_count(7, 0).edx & needed == needed
}

#[cfg(not(target_arch = "x86_64"))]
fn has_instructions() -> bool {
    false
}

/// Asks Linux for the tile registers (Documentation/arch/x86/xstate.rst).
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn is_permitted() -> bool {
    const REQUEST_PERMISSION: libc::c_int = 0x1023;
    const TILE_DATA: libc::c_ulong = 18;
    // SAFETY: the call reads and writes no memory of this process.
    unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0 }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn is_permitted() -> bool {
    false
}
