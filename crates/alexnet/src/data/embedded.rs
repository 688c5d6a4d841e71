//! The images built into the program: 12,000 of Fashion-MNIST (Zalando SE, MIT; see `assets/fashion-mnist`).

use super::source::{Dataset, idx_from_bytes};
use crate::Result;

macro_rules! asset {
    ($name:literal) => {
        include_bytes!(concat!("../../assets/fashion-mnist/", $name)) as &[u8]
    };
}

/// Returns the first 1,000 training and the first 200 test images of each class of Fashion-MNIST.
///
/// # Errors
/// Returns an error if the program was built from damaged assets.
pub fn fashion_mnist() -> Result<Dataset> {
    let train = [asset!("train-images-idx3-ubyte.gz"), asset!("train-labels-idx1-ubyte.gz")];
    let test = [asset!("t10k-images-idx3-ubyte.gz"), asset!("t10k-labels-idx1-ubyte.gz")];
    let names = super::source::FASHION_CLASSES;
    idx_from_bytes(train, test, &names, "Fashion-MNIST, 12,000 built-in images")
}
