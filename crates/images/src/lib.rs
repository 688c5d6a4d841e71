//! Image files to RGB pixels and back, and squares of one size.
//!
//! | module | what it does |
//! |---|---|
//! | [`decode`] | JPEG, PNG, GIF, WebP, BMP and TIFF files to an [`Image`]; formats, EXIF orientation, defects |
//! | [`encode`] | an [`Image`] to a JPEG or PNG file |
//! | [`jpeg`] | quantization, and lossless rotation |
//! | [`square`] | resizes the short side and crops the center |
//!
//! This is a crate of its own because the JPEG decoder is generic: it is compiled here, and inlines well only if the crate is
//! compiled as one unit (see `[profile.release.package.alexnet-images]`).
#![forbid(unsafe_code)]

pub mod decode;
mod defect;
pub mod encode;
mod format;
mod gzip;
mod image;
pub mod jpeg;
mod limits;
mod raster;
pub mod square;
mod tiff;
mod traits;

pub use image::{Image, ImageRef};
