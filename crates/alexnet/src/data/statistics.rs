//! What one pass over the training set finds: the mean image, the covariance of colors, and the images that do
//! not decode.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use nalgebra::{Matrix3, SymmetricEigen};
use safetensors::Dtype;

use super::{Image, Skip, Split, square};
use crate::error::Kind;
use crate::files::container::{self, Array, Header, Values};
use crate::{Error, Result};

/// Sums over the squares of a training set. All are integers, so no order of the images changes a bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// Side of the squares.
    pub square: usize,
    /// Images that decode, by their index in the split.
    pub usable: Vec<usize>,
    /// Images that do not.
    pub skipped: Vec<Skip>,
    /// Sum of every value, `[square, square, 3]`.
    pub(super) sums: Vec<u64>,
    /// Sum of the products of two colors over all pixels, `[3, 3]`.
    pub(super) products: [[u64; 3]; 3],
}

/// The principal directions of the training pixels' colors.
#[derive(Clone, Debug, PartialEq)]
pub struct ColorBasis {
    /// Unit eigenvectors of the covariance, by falling eigenvalue; the largest component of each is positive.
    pub vectors: [[f64; 3]; 3],
    /// Square roots of the eigenvalues: the pixels' deviations along the vectors, on the 0..255 scale.
    pub deviations: [f64; 3],
}

impl Statistics {
    /// The file's name in a folder of packed squares.
    const FILE: &'static str = "statistics.safetensors";

    /// Reads every image of `split` once, on `workers` threads, unless its statistics are known. `progress` is told
    /// how many are done, and ends the pass with the error that it returns.
    ///
    /// # Errors
    /// When no image decodes, a file cannot be read, or `progress` says so.
    pub fn measure(
        split: &Split,
        square: usize,
        workers: usize,
        progress: &(dyn Fn(usize) -> Result<()> + Sync),
    ) -> Result<Self> {
        if let Some(known) = split.known_statistics(square) {
            progress(split.len())?;
            return Ok(known.clone());
        }
        let next = AtomicUsize::new(0);
        let parts = Mutex::new(Vec::new());
        let work = || {
            let mut part = Self::empty(square);
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= split.len() {
                    break;
                }
                if let Err(error) = part.add(split, index).and_then(|()| progress(index + 1)) {
                    next.store(split.len(), Ordering::Relaxed);
                    return Err(error);
                }
            }
            parts.lock().expect("no worker panics with the lock").push(part);
            Ok(())
        };
        std::thread::scope(|scope| {
            let spawn = |_| {
                std::thread::Builder::new().spawn_scoped(scope, work).map_err(|error| {
                    // Those that have started find nothing left to do.
                    next.store(split.len(), Ordering::Relaxed);
                    Error::new(Kind::Runtime, format!("cannot start a thread that reads images: {error}"))
                        .help("fewer threads: --threads 1")
                })
            };
            let workers = (0..workers.max(1)).map(spawn).collect::<Result<Vec<_>>>()?;
            workers.into_iter().try_for_each(|worker| {
                worker.join().unwrap_or_else(|_| Err(Error::data("a worker that read the images failed")))
            })
        })?;
        let mut all = Self::empty(square);
        parts.into_inner().expect("all workers are done").into_iter().for_each(|part| all.merge(part));
        all.usable.sort_unstable();
        all.skipped.sort_by(|a, b| a.file.cmp(&b.file));
        match (all.usable.is_empty(), all.skipped.first()) {
            (false, _) => Ok(all),
            (true, Some(first)) => Err(Error::data(format!(
                "none of the {} images decodes; the first, {}: {}",
                all.skipped.len(),
                first.file,
                first.reason
            ))),
            (true, None) => Err(Error::data("there are no images to train on")),
        }
    }

    pub(super) fn empty(square: usize) -> Self {
        let sums = vec![0; 3 * square * square];
        Self { square, usable: Vec::new(), skipped: Vec::new(), sums, products: [[0; 3]; 3] }
    }

    fn add(&mut self, split: &Split, index: usize) -> Result<()> {
        match split.image(index)? {
            Ok(image) => self.add_square(index, &square::square(&image, self.square)),
            Err(skip) => self.skipped.push(skip),
        }
        Ok(())
    }

    /// Adds the square of the image with this index.
    pub(super) fn add_square(&mut self, index: usize, image: &Image) {
        self.usable.push(index);
        self.sums.iter_mut().zip(&image.pixels).for_each(|(sum, &value)| *sum += u64::from(value));
        // 32 bits hold the sums of the products of 66,000 pixels, 64 those of any set.
        for part in image.pixels.as_chunks::<3>().0.chunks(1 << 16) {
            let mut products = [[0u32; 3]; 3];
            for pixel in part {
                for (row, &a) in products.iter_mut().zip(pixel) {
                    for (sum, &b) in row.iter_mut().zip(pixel) {
                        *sum += u32::from(a) * u32::from(b);
                    }
                }
            }
            for (row, part) in self.products.iter_mut().zip(products) {
                row.iter_mut().zip(part).for_each(|(sum, part)| *sum += u64::from(part));
            }
        }
    }

    /// Adds what was found in images that follow these.
    pub(super) fn append(&mut self, other: Self) {
        self.merge(other);
    }

    fn merge(&mut self, other: Self) {
        self.usable.extend(other.usable);
        self.skipped.extend(other.skipped);
        self.sums.iter_mut().zip(other.sums).for_each(|(sum, value)| *sum += value);
        for (row, other) in self.products.iter_mut().zip(other.products) {
            row.iter_mut().zip(other).for_each(|(sum, value)| *sum += value);
        }
    }

    /// Statistics from sums that were kept.
    ///
    /// # Errors
    /// When they cannot be those of so many images.
    pub(super) fn of_sums(
        square: usize,
        usable: Vec<usize>,
        skipped: Vec<Skip>,
        sums: Vec<u64>,
        products: &[u64],
    ) -> Result<Self> {
        let most = usable.len() as u64 * 255;
        let fits =
            sums.len() == 3 * square * square && products.len() == 9 && sums.iter().all(|&sum| sum <= most);
        if !fits {
            return Err(Error::data(format!(
                "its sums are not those of {} squares of {square}",
                usable.len()
            )));
        }
        let products = std::array::from_fn(|i| std::array::from_fn(|j| products[3 * i + j]));
        Ok(Self { square, usable, skipped, sums, products })
    }

    /// Writes what stands in a folder of packed squares, and in a run folder: `sums` and `products`, from which all else
    /// follows, and for other readers `mean`, `covariance`, `eigenvalues` and `eigenvectors` (rows), on the 0..255 scale;
    /// and where some images were left out, `usable`, and which.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let (basis, mean) = (self.color_basis(), self.mean_image());
        let covariance =
            self.covariance().as_flattened().iter().map(|&value| value as f32).collect::<Vec<_>>();
        let values = basis.deviations.map(|deviation| (deviation * deviation) as f32);
        let vectors: Vec<f32> = basis.vectors.as_flattened().iter().map(|&value| value as f32).collect();
        let image = [self.square, self.square, 3];
        let mut arrays = vec![
            Array { name: "sums", shape: &image, values: Values::U64(&self.sums) },
            Array { name: "products", shape: &[3, 3], values: Values::U64(self.products.as_flattened()) },
            Array { name: "mean", shape: &image, values: Values::F32(&mean) },
            Array { name: "covariance", shape: &[3, 3], values: Values::F32(&covariance) },
            Array { name: "eigenvalues", shape: &[3], values: Values::F32(&values) },
            Array { name: "eigenvectors", shape: &[3, 3], values: Values::F32(&vectors) },
        ];
        let mut metadata = BTreeMap::from([("images", self.usable.len().to_string())]);
        let usable: Vec<u64> = self.usable.iter().map(|&index| index as u64).collect();
        let shape = [usable.len()];
        if !self.skipped.is_empty() || usable.iter().zip(0..).any(|(&index, i)| index != i) {
            arrays.push(Array { name: "usable", shape: &shape, values: Values::U64(&usable) });
            metadata.insert("skipped", serde_json::to_string(&self.skipped).expect("strings are JSON"));
        }
        container::write(&folder.join(Self::FILE), &metadata, &arrays)
    }

    /// Reads what [`Statistics::save`] wrote for squares of this side of a training set of `images` images.
    ///
    /// # Errors
    /// When there is no such file, or it is that of others.
    pub fn load(folder: &Path, square: usize, images: usize) -> Result<Self> {
        let path = folder.join(Self::FILE);
        let read = || {
            let cannot = |error: std::io::Error| Error::data(format!("cannot be read: {error}"));
            let file = File::open(&path).map_err(cannot)?;
            let header = Header::read(&file, file.metadata().map_err(cannot)?.len())?;
            let (_, sums) = header.integers(&file, "sums", Dtype::U64)?;
            let (_, products) = header.integers(&file, "products", Dtype::U64)?;
            let (usable, skipped) = match header.place("usable", Dtype::U64) {
                Ok(_) => (header.integers(&file, "usable", Dtype::U64)?.1, header.text("skipped")?),
                Err(_) => ((0..images as u64).collect(), "[]"),
            };
            let ascending = usable.is_sorted_by(|a, b| a < b);
            let inside = usable.last().is_some_and(|&last| last < images as u64);
            if !ascending || !inside || header.text("images")? != usable.len().to_string() {
                return Err(Error::data(format!("they are those of other images than the {images} here")));
            }
            let skipped = serde_json::from_str(skipped)
                .map_err(|error| Error::data(format!("its list of skipped images: {error}")))?;
            let usable = usable.into_iter().map(|index| index as usize).collect();
            Self::of_sums(square, usable, skipped, sums, &products)
        };
        read().map_err(|error: Error| error.context(path.display()))
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

    /// The principal directions of the colors (paper, section 4.1).
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
