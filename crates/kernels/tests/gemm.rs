//! The matrix product agrees with its definition, for every instruction set of the machine.

mod kit;

use alexnet_kernels::gemm::{Matrix, Shape, Summation, gemm_with, reference};
use alexnet_kernels::isa::Isa;
use alexnet_kernels::precision::Precision;
use kit::{TOLERANCE, agree_within, bits, double, positive, shapes, single, transpose};
use proptest::prelude::*;

/// The product, stored in a C whose rows are three values longer than necessary.
fn product(isa: Isa, shape: Shape, is_transposed: bool, sum: Summation, values: &[Vec<f32>]) -> Vec<f32> {
    let (Shape { m, n, k }, [a, b, c]) = (shape, values) else { unreachable!() };
    let row_stride = n + 3;
    let mut rows = vec![0.25; m * row_stride];
    for (row, c) in rows.chunks_exact_mut(row_stride).zip(c.chunks_exact(n)) {
        row[..n].copy_from_slice(c);
    }
    if is_transposed {
        let (a, b) = (transpose(a, m, k), transpose(b, k, n));
        let (a, b) = (Matrix::across_rows(&a, m), Matrix::along_rows(&b, k));
        gemm_with(isa, Precision::F32, shape, &a, &b, sum, &mut rows, row_stride);
    } else {
        let (a, b) = (Matrix::along_rows(a, k), Matrix::across_rows(b, n));
        gemm_with(isa, Precision::F32, shape, &a, &b, sum, &mut rows, row_stride);
    }
    rows.chunks_exact(row_stride)
        .flat_map(|row| {
            assert_eq!(row[n..], [0.25; 3], "values between the rows were overwritten");
            row[..n].to_vec()
        })
        .collect()
}

/// Long chains lose more digits than blocked sums.
fn tolerance(sum: Summation) -> f64 {
    match sum {
        Summation::Overwrite | Summation::Bias(_) | Summation::Add => TOLERANCE,
        Summation::StartChain | Summation::ContinueChain => 1e-5,
    }
}

fn check(shape: Shape) {
    let Shape { m, n, k } = shape;
    let values = single(&[positive(m * k, 1), positive(k * n, 2), positive(m * n, 3)]);
    let wide = double(&values);
    let row = &values[2][..n];
    let sums = [
        Summation::Overwrite,
        Summation::Bias(row),
        Summation::Add,
        Summation::StartChain,
        Summation::ContinueChain,
    ];
    for sum in sums {
        let mut expected = match sum {
            Summation::Overwrite | Summation::StartChain => vec![0.0; m * n],
            Summation::Bias(_) => wide[2][..n].repeat(m),
            Summation::Add | Summation::ContinueChain => wide[2].clone(),
        };
        reference::gemm(shape, &wide[0], &wide[1], &mut expected);
        for isa in Isa::available() {
            let [plain, transposed] =
                [false, true].map(|is_transposed| product(isa, shape, is_transposed, sum, &values));
            let agreement = agree_within(
                &[tolerance(sum)],
                std::slice::from_ref(&plain),
                std::slice::from_ref(&expected),
            );
            assert_eq!(agreement, Ok(()), "{shape:?} {isa:?} {sum:?}");
            assert_eq!(bits(&[plain]), bits(&[transposed]), "{shape:?} {isa:?}: transposed operands");
        }
    }
}

proptest! {
    #![proptest_config(shapes::draw(128))]

    #[test]
    fn random_shapes(m in 1..70_usize, n in 1..70_usize, k in 1..70_usize) {
        check(Shape { m, n, k });
    }
}

#[test]
fn shapes_that_cross_every_block() {
    for (m, n, k) in [
        (97, 33, 257),    // one past the rows of a job, the panels, a short depth
        (13, 1000, 2305), // one past the long depth, and several blocks of B
        (1, 700, 300),
        (700, 1, 300),
        (128, 10, 576),
        (300, 32, 75),
        (2, 3, 5000),
    ] {
        check(Shape { m, n, k });
    }
}

/// A chained sum in two calls has the bits of one call; a blocked sum has not.
#[test]
fn chains_can_be_continued() {
    let (m, n, k, cut) = (13, 40, 2500, 999);
    let values = single(&[positive(m * k, 1), positive(k * n, 2)]);
    let product = |isa, c: &mut [f32], depth: std::ops::Range<usize>, sum| {
        let a = Matrix::along_rows(&values[0][depth.start..], k);
        let b = Matrix::across_rows(&values[1][depth.start * n..], n);
        gemm_with(isa, Precision::F32, Shape { m, n, k: depth.len() }, &a, &b, sum, c, n);
    };
    for isa in Isa::available() {
        let sum = |first, next| {
            let (mut whole, mut pieces) = (vec![0.0; m * n], vec![0.0; m * n]);
            product(isa, &mut whole, 0..k, first);
            product(isa, &mut pieces, 0..cut, first);
            product(isa, &mut pieces, cut..k, next);
            bits(&[whole]) == bits(&[pieces])
        };
        assert!(sum(Summation::StartChain, Summation::ContinueChain), "{isa:?}");
        assert!(!sum(Summation::Overwrite, Summation::Add), "{isa:?}");
    }
}

#[test]
fn empty_products() {
    for isa in Isa::available() {
        let mut c = [1.0; 6];
        let (a, b) = (Matrix::along_rows(&[], 0), Matrix::across_rows(&[], 3));
        gemm_with(isa, Precision::F32, Shape { m: 2, n: 3, k: 0 }, &a, &b, Summation::Add, &mut c, 3);
        assert_eq!(c, [1.0; 6]);
        gemm_with(
            isa,
            Precision::F32,
            Shape { m: 2, n: 3, k: 0 },
            &a,
            &b,
            Summation::Bias(&[1.0, 2.0, 3.0]),
            &mut c,
            3,
        );
        assert_eq!(c, [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
        gemm_with(isa, Precision::F32, Shape { m: 2, n: 3, k: 0 }, &a, &b, Summation::Overwrite, &mut c, 3);
        assert_eq!(c, [0.0; 6]);
        gemm_with(isa, Precision::F32, Shape { m: 0, n: 3, k: 4 }, &a, &b, Summation::Overwrite, &mut [], 3);
    }
}

#[test]
fn threads_do_not_change_bits() {
    let shape = Shape { m: 131, n: 203, k: 2500 };
    let values = single(&[positive(131 * 2500, 1), positive(2500 * 203, 2), positive(131 * 203, 3)]);
    for isa in Isa::available() {
        let [one, two, four] = [1, 2, 4].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            bits(&[pool.install(|| product(isa, shape, false, Summation::Add, &values))])
        });
        assert!(one == two && one == four, "{isa:?}");
    }
}
