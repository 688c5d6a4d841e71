//! What one pass over the training set finds: the mean image, the covariance of colours, and the pictures that do
//! not decode.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use nalgebra::{Matrix3, SymmetricEigen};

use super::{Skip, Split, square};
use crate::{Error, Result};

/// Sums over the squares of a training set. All are integers, so no order of the pictures changes a bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// Side of the squares.
    pub square: usize,
    /// Pictures that decode, by their index in the split.
    pub usable: Vec<usize>,
    /// Pictures that do not.
    pub skipped: Vec<Skip>,
    /// Sum of every value, `[square, square, 3]`.
    sums: Vec<u64>,
    /// Sum of the products of two colours over all pixels, `[3, 3]`.
    products: [[u64; 3]; 3],
}

/// The principal directions of the training pixels' colours.
#[derive(Clone, Debug, PartialEq)]
pub struct ColorBasis {
    /// Unit eigenvectors of the covariance, by falling eigenvalue; the largest component of each is positive.
    pub vectors: [[f64; 3]; 3],
    /// Square roots of the eigenvalues: the pixels' deviations along the vectors, on the 0..255 scale.
    pub deviations: [f64; 3],
}

impl Statistics {
    /// Reads every picture of `split` once, on `workers` threads. `progress` is told how many are done.
    ///
    /// # Errors
    /// When no picture decodes, or a file cannot be read.
    pub fn measure(
        split: &Split,
        square: usize,
        workers: usize,
        progress: &(dyn Fn(usize) + Sync),
    ) -> Result<Self> {
        let next = AtomicUsize::new(0);
        let parts = Mutex::new(Vec::new());
        let work = || {
            let mut part = Self::empty(square);
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= split.len() {
                    break;
                }
                if let Err(error) = part.add(split, index) {
                    next.store(split.len(), Ordering::Relaxed);
                    return Err(error);
                }
                progress(index + 1);
            }
            parts.lock().expect("no worker panics with the lock").push(part);
            Ok(())
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..workers.max(1)).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| {
                worker.join().unwrap_or_else(|_| Err(Error::data("a worker that read the pictures failed")))
            })
        })?;
        let mut all = Self::empty(square);
        parts.into_inner().expect("all workers are done").into_iter().for_each(|part| all.merge(part));
        all.usable.sort_unstable();
        all.skipped.sort_by(|a, b| a.file.cmp(&b.file));
        match (all.usable.is_empty(), all.skipped.first()) {
            (false, _) => Ok(all),
            (true, Some(first)) => Err(Error::data(format!(
                "none of the {} pictures decodes; the first, {}: {}",
                all.skipped.len(),
                first.file,
                first.reason
            ))),
            (true, None) => Err(Error::data("there are no pictures to train on")),
        }
    }

    fn empty(square: usize) -> Self {
        let sums = vec![0; 3 * square * square];
        Self { square, usable: Vec::new(), skipped: Vec::new(), sums, products: [[0; 3]; 3] }
    }

    fn add(&mut self, split: &Split, index: usize) -> Result<()> {
        let picture = match split.picture(index)? {
            Ok(picture) => square::square(&picture, self.square),
            Err(skip) => {
                self.skipped.push(skip);
                return Ok(());
            }
        };
        self.usable.push(index);
        self.sums.iter_mut().zip(&picture.pixels).for_each(|(sum, &value)| *sum += u64::from(value));
        // Within one picture 32 bits hold the sums of products of up to 66,000 pixels; 64 hold any set's.
        for pixel in picture.pixels.as_chunks::<3>().0 {
            for (row, &a) in self.products.iter_mut().zip(pixel) {
                for (sum, &b) in row.iter_mut().zip(pixel) {
                    *sum += u64::from(a) * u64::from(b);
                }
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        self.usable.extend(other.usable);
        self.skipped.extend(other.skipped);
        self.sums.iter_mut().zip(other.sums).for_each(|(sum, value)| *sum += value);
        for (row, other) in self.products.iter_mut().zip(other.products) {
            row.iter_mut().zip(other).for_each(|(sum, value)| *sum += value);
        }
    }

    /// The mean image, `[square, square, 3]` (paper, section 2).
    pub fn mean_image(&self) -> Vec<f32> {
        let images = self.usable.len() as f64;
        self.sums.iter().map(|&sum| (sum as f64 / images) as f32).collect()
    }

    /// Mean red, green and blue.
    pub fn mean_channels(&self) -> [f32; 3] {
        self.means().map(|mean| mean as f32)
    }

    /// Covariance of red, green and blue over all pixels of all squares, on the 0..255 scale.
    pub fn covariance(&self) -> [[f64; 3]; 3] {
        let (pixels, means) = (self.pixels(), self.means());
        std::array::from_fn(|i| {
            std::array::from_fn(|j| self.products[i][j] as f64 / pixels - means[i] * means[j])
        })
    }

    /// The principal directions of the colours (paper, section 4.1).
    pub fn color_basis(&self) -> ColorBasis {
        let covariance = self.covariance();
        let eigen = SymmetricEigen::new(Matrix3::from_fn(|i, j| covariance[i][j]));
        let mut order = [0, 1, 2];
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        let vectors = order.map(|i| {
            let vector = eigen.eigenvectors.column(i);
            // An eigenvector's sign is arbitrary: its largest component is made positive, on every machine alike.
            let sign = if vector[vector.iamax()] < 0.0 { -1.0 } else { 1.0 };
            std::array::from_fn(|c| sign * vector[c])
        });
        ColorBasis { vectors, deviations: order.map(|i| eigen.eigenvalues[i].max(0.0).sqrt()) }
    }

    fn pixels(&self) -> f64 {
        (self.usable.len() * self.square * self.square) as f64
    }

    fn means(&self) -> [f64; 3] {
        let sum = |c: usize| self.sums.iter().skip(c).step_by(3).sum::<u64>() as f64;
        std::array::from_fn(|c| sum(c) / self.pixels())
    }
}
