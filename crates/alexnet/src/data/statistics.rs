//! The statistics of a training set: mean image, covariance of colors, and the images that do not decode.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use nalgebra::{Matrix3, SymmetricEigen};
use safetensors::Dtype;

use serde::{Deserialize, Serialize};

use super::Image;
use super::skip::Skip;
use crate::files::container::{self, Array, Header, Values};
use crate::{Error, Result};

/// The name in the metadata of a packed folder's file for the digest of its source.
const SOURCE_DIGEST: &str = "source_digest";

/// Sums over the squares of a training set. They are integers, so they do not depend on the order of the images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// The side of the squares.
    pub square: usize,
    /// The indices in the split of the images that decode.
    pub usable: Vec<usize>,
    /// The images that do not decode.
    pub skipped: Vec<Skip>,
    /// The sum of each value, `[square, square, 3]`.
    pub(super) sums: Vec<u64>,
    /// The sums of products of two channels over all pixels, `[3, 3]`.
    pub(super) products: [[u64; 3]; 3],
}

/// The principal directions of the colors of the training pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColorBasis {
    /// Unit eigenvectors of the covariance, by decreasing eigenvalue; the largest component of each is positive.
    pub vectors: [[f64; 3]; 3],
    /// Square roots of the eigenvalues: the standard deviations along the vectors, on the 0..255 scale.
    pub deviations: [f64; 3],
}

impl Statistics {
    /// The file name in a packed folder and in a run folder.
    pub(crate) const FILE: &'static str = "statistics.safetensors";

    pub(super) fn empty(square: usize) -> Self {
        let sums = vec![0; 3 * square * square];
        Self { square, usable: Vec::new(), skipped: Vec::new(), sums, products: [[0; 3]; 3] }
    }

    /// Adds the square of the image with this index.
    pub(super) fn add_square(&mut self, index: usize, image: &Image) {
        self.usable.push(index);
        self.add_pixels(image);
    }

    /// Adds the pixels of a square to the sums.
    pub(super) fn add_pixels(&mut self, image: &Image) {
        self.sums.iter_mut().zip(&image.pixels).for_each(|(sum, &value)| *sum += u64::from(value));
        // 32 bits hold the products of 66,000 pixels, 64 bits those of any set.
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

    /// Adds the statistics of other images.
    pub(super) fn merge(&mut self, other: Self) {
        self.usable.extend(other.usable);
        self.skipped.extend(other.skipped);
        self.sums.iter_mut().zip(other.sums).for_each(|(sum, value)| *sum += value);
        for (row, other) in self.products.iter_mut().zip(other.products) {
            row.iter_mut().zip(other).for_each(|(sum, value)| *sum += value);
        }
    }

    /// Creates statistics from stored sums.
    ///
    /// # Errors
    /// Returns an error if they are inconsistent with the number of images.
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
                "the sums are not those of {} squares of side {square}",
                usable.len()
            )));
        }
        let products = std::array::from_fn(|i| std::array::from_fn(|j| products[3 * i + j]));
        Ok(Self { square, usable, skipped, sums, products })
    }

    /// Writes the file of a packed folder or a run folder: `sums` and `products`, from which everything else follows; for other
    /// readers `mean`, `covariance`, `eigenvalues` and `eigenvectors` (rows) on the 0..255 scale; and if images were skipped,
    /// `usable` and their list.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<()> {
        self.write(folder, BTreeMap::new())
    }

    /// Writes the file of a packed folder as [`Statistics::save`] does, with the digest of its source.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub(super) fn save_packed(&self, folder: &Path, source_digest: &str) -> Result<()> {
        self.write(folder, BTreeMap::from([(SOURCE_DIGEST, source_digest.to_owned())]))
    }

    fn write(&self, folder: &Path, mut metadata: BTreeMap<&str, String>) -> Result<()> {
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
        metadata.insert("images", self.usable.len().to_string());
        let usable: Vec<u64> = self.usable.iter().map(|&index| index as u64).collect();
        let shape = [usable.len()];
        if !self.skipped.is_empty() || usable.iter().zip(0..).any(|(&index, i)| index != i) {
            arrays.push(Array { name: "usable", shape: &shape, values: Values::U64(&usable) });
            metadata.insert("skipped", serde_json::to_string(&self.skipped).expect("strings are JSON"));
        }
        container::write(&folder.join(Self::FILE), &metadata, &arrays)
    }

    /// Reads the file written by [`Statistics::save`] for squares of this side and a training set of `images` images.
    ///
    /// # Errors
    /// Returns an error if the file does not exist or belongs to other images.
    pub fn load(folder: &Path, square: usize, images: usize) -> Result<Self> {
        Self::load_of(folder, square, images, None)
    }

    /// Reads the file of a packed folder as [`Statistics::load`] does. Files of earlier versions do not name their source.
    ///
    /// # Errors
    /// Returns an error if the file does not exist or belongs to other images, such as those of another source.
    pub(super) fn load_packed(
        folder: &Path,
        square: usize,
        images: usize,
        source_digest: &str,
    ) -> Result<Self> {
        Self::load_of(folder, square, images, Some(source_digest))
    }

    fn load_of(folder: &Path, square: usize, images: usize, source_digest: Option<&str>) -> Result<Self> {
        let path = folder.join(Self::FILE);
        let read = || {
            let cannot = |error: std::io::Error| Error::data(format!("cannot read the file: {error}"));
            let file = File::open(&path).map_err(cannot)?;
            let header = Header::read(&file, file.metadata().map_err(cannot)?.len())?;
            if let (Some(expected), Ok(found)) = (source_digest, header.text(SOURCE_DIGEST))
                && found != expected
            {
                return Err(Error::data(format!(
                    "of another packing: source_digest {found}, expected {expected}"
                )));
            }
            let (_, sums) = header.integers(&file, "sums", Dtype::U64)?;
            let (_, products) = header.integers(&file, "products", Dtype::U64)?;
            let (usable, skipped) = match header.place("usable", Dtype::U64) {
                Ok(_) => (header.integers(&file, "usable", Dtype::U64)?.1, header.text("skipped")?),
                Err(_) => ((0..images as u64).collect(), "[]"),
            };
            let ascending = usable.is_sorted_by(|a, b| a < b);
            let inside = usable.last().is_some_and(|&last| last < images as u64);
            if !ascending || !inside || header.text("images")? != usable.len().to_string() {
                return Err(Error::data(format!("measured on other images than these {images}")));
            }
            let skipped = serde_json::from_str(skipped)
                .map_err(|error| Error::data(format!("invalid list of skipped images: {error}")))?;
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

    /// The covariance of red, green and blue over all pixels of all squares, on the 0..255 scale.
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
            // The sign of an eigenvector is arbitrary: the largest component is made positive, so that all machines agree.
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
