//! The product, written as its definition.

use super::shape::Shape;
use crate::real::Real;

/// `c[i, j] += sum_p a[i, p] b[p, j]`, all row-major and contiguous.
pub fn gemm<T: Real>(Shape { m, n, k }: Shape, a: &[T], b: &[T], c: &mut [T]) {
    for i in 0..m {
        for j in 0..n {
            for p in 0..k {
                c[i * n + j] += a[i * k + p] * b[p * n + j];
            }
        }
    }
}
