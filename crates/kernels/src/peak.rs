//! The peak throughput of the machine: upper bounds for compute-bound and memory-bound kernels.

use crate::isa::Isa;
use std::hint::black_box;
use std::time::Instant;

/// Independent chains, enough to hide the latency of a multiply-add on every pipe.
const CHAINS: usize = 12;

/// Multiply-adds of each chain between two readings of the clock. Their value stays 0.5; a black box hides that from the
/// compiler.
const ROUNDS: usize = 20_000;

/// The throughput of fused multiply-adds of all threads of the current pool, in GFLOP/s. A multiply-add counts as two
/// operations.
///
/// Runs short rounds for `seconds` and adds up the fastest of each thread: interference only slows a round down.
pub fn fma_gflops(seconds: f64) -> f64 {
    rayon::broadcast(|_| thread_gflops(Isa::current(), seconds)).iter().sum()
}

/// Values that a thread copies between two readings of the clock: 32 MiB, far more than its share of any cache.
const COPIED: usize = 8 << 20;

/// The throughput of memory copies of all threads of the current pool, in GB/s; bytes read and bytes written both count.
///
/// Copies for `seconds` and adds up the fastest round of each thread.
pub fn copy_gbytes(seconds: f64) -> f64 {
    rayon::broadcast(|_| {
        let (from, mut to) = (vec![1.0_f32; COPIED], vec![0.0_f32; COPIED]);
        let begin = Instant::now();
        let mut fastest: f64 = 0.0;
        while begin.elapsed().as_secs_f64() < seconds {
            let round = Instant::now();
            black_box(&mut to).copy_from_slice(black_box(&from));
            fastest = fastest.max(2.0 * size_of_val(&from[..]) as f64 / round.elapsed().as_secs_f64() / 1e9);
        }
        fastest
    })
    .iter()
    .sum()
}

fn thread_gflops(isa: Isa, seconds: f64) -> f64 {
    let begin = Instant::now();
    let mut fastest: f64 = 0.0;
    while begin.elapsed().as_secs_f64() < seconds {
        let round = Instant::now();
        let lanes = match isa {
            Isa::Portable => portable(),
            // SAFETY: `current` only returns sets that the machine supports.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { x86::avx2() },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 | Isa::Amx => unsafe { x86::avx512() },
            #[cfg(not(target_arch = "x86_64"))]
            _ => portable(),
        };
        fastest = fastest.max(2.0 * (lanes * CHAINS * ROUNDS) as f64 / round.elapsed().as_secs_f64() / 1e9);
    }
    fastest
}

/// Runs the chains on vectors of four values, and returns that number.
fn portable() -> usize {
    let [factor, term] = black_box([0.5, 0.25]);
    let mut chains = [[0.5_f32; 4]; CHAINS];
    for _ in 0..ROUNDS {
        for value in chains.as_flattened_mut() {
            *value = *value * factor + term;
        }
    }
    black_box(chains);
    4
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{CHAINS, ROUNDS};
    use std::arch::x86_64::*;
    use std::hint::black_box;

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2() -> usize {
        let [factor, term] = black_box([0.5, 0.25]).map(|value| _mm256_set1_ps(value));
        let mut chains = [_mm256_set1_ps(0.5); CHAINS];
        for _ in 0..ROUNDS {
            for value in &mut chains {
                *value = _mm256_fmadd_ps(*value, factor, term);
            }
        }
        black_box(chains);
        8
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn avx512() -> usize {
        let [factor, term] = black_box([0.5, 0.25]).map(|value| _mm512_set1_ps(value));
        let mut chains = [_mm512_set1_ps(0.5); CHAINS];
        for _ in 0..ROUNDS {
            for value in &mut chains {
                *value = _mm512_fmadd_ps(*value, factor, term);
            }
        }
        black_box(chains);
        16
    }
}
