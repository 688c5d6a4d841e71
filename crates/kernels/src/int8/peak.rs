//! The peak throughput of byte products by `vpdpbusd`: an upper bound for compute-bound layers without tiles (AMX), which are faster.

use super::isa::Int8Isa;
use std::hint::black_box;
use std::time::Instant;

/// Independent chains, enough to hide the latency of an instruction on every pipe.
const CHAINS: usize = 12;

/// Instructions of each chain between two readings of the clock.
const ROUNDS: usize = 20_000;

/// The throughput of `vpdpbusd` of all threads of the current pool, in 1e9 operations per second; a multiplication and
/// an addition count as two. `None` unless a set with [`Int8Isa::Avx512Vnni`] is current.
///
/// Runs short rounds for `seconds` and adds up the fastest of each thread: interference only slows a round down.
pub fn dot_product_gops(seconds: f64) -> Option<f64> {
    match Int8Isa::current() {
        Int8Isa::Portable | Int8Isa::Avx2 | Int8Isa::Avx512 => None,
        Int8Isa::Avx512Vnni | Int8Isa::Amx => Some(rayon::broadcast(|_| thread_gops(seconds)).iter().sum()),
    }
}

fn thread_gops(seconds: f64) -> f64 {
    let begin = Instant::now();
    let mut fastest: f64 = 0.0;
    while begin.elapsed().as_secs_f64() < seconds {
        let round = Instant::now();
        let products = run_chains();
        let operations = (2 * products * CHAINS * ROUNDS) as f64;
        fastest = fastest.max(operations / round.elapsed().as_secs_f64() / 1e9);
    }
    fastest
}

/// Runs the chains, and returns the products of one instruction.
#[cfg(target_arch = "x86_64")]
fn run_chains() -> usize {
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f,avx512vnni")]
    fn vnni() {
        let [a, b] = black_box([0x0102_0304, 0x01ff_01ff]).map(|bytes| _mm512_set1_epi32(bytes));
        // Different values, so that the chains are not one to the compiler.
        let mut chains: [_; CHAINS] = std::array::from_fn(|i| _mm512_set1_epi32(black_box(i as i32)));
        for _ in 0..ROUNDS {
            for sum in &mut chains {
                *sum = _mm512_dpbusd_epi32(*sum, a, b);
            }
        }
        black_box(chains);
    }
    // SAFETY: called only where the instruction set is current, hence available.
    unsafe { vnni() };
    64
}

#[cfg(not(target_arch = "x86_64"))]
fn run_chains() -> usize {
    unreachable!("the instruction is only available on x86-64")
}
